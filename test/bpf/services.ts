/** Services of a node for packet tests: rows written straight into the maps, lists one after the other. */
import {afterAll, beforeAll, beforeEach} from 'vitest'
import {frontendFlags, frontendKind} from '../../src/datapath/gen/enums.ts'
import {ciliumBackends, ciliumLb, ciliumLbLists, ciliumLbRanges} from '../../src/datapath/gen/maps.ts'
import {backendZero, type Config, type Frontend, frontendZero} from '../../src/datapath/gen/types.ts'
import {BpfMap} from '../../src/kernel/bpf/map.ts'
import {Cidr} from '../../src/model/cidr.ts'
import {addr, BpfNode} from './node.ts'
import {parseEnd, protocols} from './support/packet.ts'

export interface ServiceOptions extends Partial<Frontend> {
  readonly protocol?: keyof typeof protocols
  readonly scope?: number
  /** backends that are there already keep their references */
  readonly reuse?: boolean
}

/** Of a node that serves them; node ports have to be asked for. */
export const serviceConfig = {services: 1, loopbackV4: addr('169.254.42.1'), loopbackV6: addr('100::a9fe:2a01')}

/** A node with services for the tests of a block, both empty before each. @param made is told of them before the first */
export function serviceNode(
  name: string,
  config: Partial<Config>,
  made: (node: BpfNode, services: NodeServices) => void,
): void {
  let node: BpfNode | undefined
  let services: NodeServices | undefined
  beforeAll(async () => {
    node = await BpfNode.make(name, {config: {...serviceConfig, ...config}})
    services = new NodeServices(node)
    made(node, services)
  })
  afterAll(() => {
    services?.close()
    node?.close()
  })
  beforeEach(() => {
    node?.reset()
    services?.reset()
  })
}

export class NodeServices {
  readonly frontends: BpfMap<
    Parameters<(typeof ciliumLb)['key']['encode']>[0],
    ReturnType<(typeof ciliumLb)['value']['decode']>
  >
  readonly #ranges: BpfMap<Parameters<(typeof ciliumLbRanges)['key']['encode']>[0], number>
  readonly #lists: BpfMap<number, number>
  readonly #backends: BpfMap<number, ReturnType<(typeof ciliumBackends)['value']['decode']>>
  readonly #known = new Map<string, number>()
  #next = 1
  #place = 0
  #service = 0

  constructor(node: BpfNode) {
    this.frontends = new BpfMap(node.fd('cilium_lb'), ciliumLb)
    this.#lists = new BpfMap(node.fd('cilium_lb_lists'), ciliumLbLists)
    this.#backends = new BpfMap(node.fd('cilium_backends'), ciliumBackends)
    this.#ranges = new BpfMap(node.fd('cilium_lb_ranges'), ciliumLbRanges)
  }

  /** No services. */
  reset(): void {
    this.frontends.clear()
    this.#ranges.clear()
    for (let index = 0; index < this.#next; index++) this.#backends.put(index, backendZero)
    this.#next = 1
    this.#place = 0
    this.#service = 0
  }

  /**
   * A service at `end`; its address owns every other port. @returns references of its backends
   */
  add(end: string, backends: readonly string[], options: ServiceOptions = {}): number[] {
    const {protocol = 'tcp', scope = 0, reuse = false, ...more} = options
    const {ip, port} = parseEnd(end)
    const refs = backends.map((text) => (reuse ? this.#known.get(text)! : this.#backend(text, protocols[protocol])))
    const list = this.#place
    for (const ref of refs) this.#lists.put(this.#place++, ref)
    const key = {addr: ip.toMappedBytes(), port, proto: protocols[protocol], scope}
    const kind = frontendKind.FRONTEND_CLUSTER_IP
    const row = {...frontendZero, service: ++this.#service, list, count: refs.length, kind, ...more}
    this.frontends.put(key, row)
    if (kind === row.kind)
      this.frontends.put(
        {...key, port: 0, proto: 0, scope: 0},
        {...frontendZero, flags: frontendFlags.FRONTEND_ADDRESS},
      )
    return refs
  }

  /** Lets only these clients in (or, with FRONTEND_DENY_RANGES, keeps them out). */
  ranges(service: number, cidrs: readonly string[]): void {
    for (const text of cidrs) {
      const {network, length, family} = Cidr.of(text)
      const bits = 32 + (family === 4 ? 96 : 0) + length
      this.#ranges.put({bits, service, addr: network.toMappedBytes()}, 1)
    }
  }

  /** Takes a backend away, as when its pod is gone. */
  removeBackend(ref: number): void {
    const index = ref & 0xffff
    this.#backends.put(index, {...this.#backends.get(index)!, state: 0})
  }

  close(): void {
    for (const map of [this.frontends, this.#lists, this.#backends, this.#ranges]) map.close()
  }

  #backend(text: string, proto: number): number {
    const {ip, port} = parseEnd(text)
    const index = this.#next++
    this.#backends.put(index, {...backendZero, addr: ip.toMappedBytes(), port, proto, state: 1, generation: 1})
    this.#known.set(text, index | (1 << 16))
    return index | (1 << 16)
  }
}
