/**
 * Two nodes with pods, and a world outside, on real devices: for what a test run of a program cannot show. The tables
 * that the agent would keep are written once; traffic is that of the kernel's own sockets.
 *
 *     pod a, b ── node 1 ──┐
 *                          ├── switch ── outside
 *     pod c ───── node 2 ──┘
 */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {mkdirSync, rmSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {Attachments} from '../../src/datapath/attach.ts'
import {enableDefrag} from '../../src/datapath/defrag.ts'
import {COUNTER_DIRECTIONS} from '../../src/datapath/gen/constants.ts'
import {addressFlags, deviceFlags, dropReasonNames, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {ciliumDevices, ciliumIpcacheP, ciliumLxc, ciliumMetrics} from '../../src/datapath/gen/maps.ts'
import {
  addressZero,
  type Config,
  configCodec,
  configZero,
  deviceZero,
  endpointZero,
} from '../../src/datapath/gen/types.ts'
import {type Generation, openGeneration} from '../../src/datapath/generation.ts'
import {AddressMap} from '../../src/datapath/maps/addresses.ts'
import {BpfMap} from '../../src/kernel/bpf/map.ts'
import {closeFd} from '../../src/kernel/libc.ts'
import {addressReplace} from '../../src/kernel/netlink/address.ts'
import {findLink, linkAdd, linkSet} from '../../src/kernel/netlink/link.ts'
import {neighbourReplace} from '../../src/kernel/netlink/neighbour.ts'
import {routeReplace} from '../../src/kernel/netlink/route.ts'
import {NetlinkSocket} from '../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns, openNetns} from '../../src/kernel/netns.ts'
import {Cidr} from '../../src/model/cidr.ts'
import {Ip} from '../../src/model/ip.ts'
import {Mac} from '../../src/model/mac.ts'
import {ownFolder, ownNamespace} from '../support/own-names.ts'

const root = resolve(import.meta.dirname, '../..')

export const underlayMtu = 1500
export const overlayMtu = 1450

export const outside = {4: '203.0.113.9', 6: '2001:db8:9::9'} as const

export const nodes = {
  n1: {number: 1, ip: {4: '192.168.50.1', 6: 'fd50::1'}, router: {4: '10.50.1.1', 6: 'fd50:1::1'}},
  n2: {number: 2, ip: {4: '192.168.50.2', 6: 'fd50::2'}, router: {4: '10.50.2.1', 6: 'fd50:2::1'}},
} as const
export type NodeName = keyof typeof nodes

export const pods = {
  a: {node: 'n1', slot: 1, identity: 1001, ip: {4: '10.50.1.10', 6: 'fd50:1::a'}},
  b: {node: 'n1', slot: 2, identity: 1002, ip: {4: '10.50.1.11', 6: 'fd50:1::b'}},
  c: {node: 'n2', slot: 1, identity: 2001, ip: {4: '10.50.2.10', 6: 'fd50:2::a'}},
} as const
export type PodName = keyof typeof pods

const ids = {eth0: 10, host: 20, net: 21, overlay: 30} as const
const macOf = (name: string, which: number) =>
  Mac.of(`02:00:00:${which.toString(16).padStart(2, '0')}:00:${name.charCodeAt(0).toString(16)}`)

export interface ClusterSettings {
  readonly name: string
  readonly tunnel: boolean
  readonly config?: Partial<Config>
  /** false: no programs, routes of the kernel only: what a bench compares with */
  readonly programs?: boolean
  readonly mtu?: number
  /** the processors that traffic's two ends are bound to; any without it */
  readonly cpus?: {readonly server: number; readonly client: number}
}

export class Cluster {
  readonly #settings: ClusterSettings
  readonly #paths = new Map<string, string>()
  readonly #sockets = new Map<string, NetlinkSocket>()
  readonly #generations = new Map<NodeName, Generation>()
  readonly #children: ChildProcess[] = []
  readonly #folder: string
  readonly #traffic: string

  static async make(settings: ClusterSettings): Promise<Cluster> {
    await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
    const cluster = new Cluster(settings)
    try {
      cluster.#build()
      return cluster
    } catch (thrown) {
      cluster.close()
      throw thrown
    }
  }

  private constructor(settings: ClusterSettings) {
    this.#settings = settings
    this.#folder = ownFolder('cluster')
    this.#traffic = join(this.#folder, 'traffic')
    execFileSync('gcc', ['-O2', '-o', this.#traffic, join(import.meta.dirname, 'dp-traffic.c')])
    execFileSync('mount', ['-t', 'bpf', 'bpf', this.pins('')])
  }

  /** Folder of a node's pins. */
  pins(node: NodeName | ''): string {
    const path = join(this.#folder, 'bpf')
    mkdirSync(path, {recursive: true})
    return join(path, node)
  }

  /** Starts a program that stays, in the namespace of a pod, node or outside. */
  async serve(where: string, ...args: string[]): Promise<void> {
    const pinned = onCpu(this.#settings.cpus?.server, this.#traffic, 'serve', ...args)
    const child = spawn('nsenter', [`--net=${this.#path(where)}`, ...pinned], {stdio: 'inherit'})
    this.#children.push(child)
    const [kind, , port = ''] = args
    // bound when the kernel lists it
    for (let i = 0; i < 200; i++) {
      const list = execFileSync('nsenter', [`--net=${this.#path(where)}`, 'ss', '-Hln', kind === 'tcp' ? '-t' : '-u'], {
        encoding: 'utf8',
      })
      if (list.includes(`:${port} `)) return
      await new Promise((done) => setTimeout(done, 10))
    }
    throw new Error(`nobody serves ${args.join(' ')} in ${where}`)
  }

  /** Runs a traffic program to its end. @returns what it printed, '!' before it when it failed */
  traffic(where: string, ...args: string[]): string {
    const [command = '', ...rest] = onCpu(this.#settings.cpus?.client, this.#traffic, ...args)
    return this.run(where, command, ...rest)
  }

  run(where: string, command: string, ...args: string[]): string {
    try {
      return execFileSync('nsenter', [`--net=${this.#path(where)}`, command, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }).trim()
    } catch (thrown) {
      const {stdout, stderr} = thrown as {stdout?: string; stderr?: string}
      return `!${stdout ?? ''}${stderr ?? String(thrown)}`.trim()
    }
  }

  /** Sends frames out of a device, one after another. */
  sendFrames(where: string, device: string, frames: readonly Uint8Array[]): void {
    const input = frames.map((frame) => `${Buffer.from(frame).toString('hex')}\n`).join('')
    execFileSync('nsenter', [`--net=${this.#path(where)}`, this.#traffic, 'frames', device], {input})
  }

  /** Collects datagrams: `ready` is when the socket listens, `lines` when all have come or the time is over. */
  receive(where: string, ip: string, port: number, count: number): {ready: Promise<void>; lines: Promise<string[]>} {
    const child = spawn('nsenter', [
      `--net=${this.#path(where)}`,
      this.#traffic,
      'receive',
      'udp',
      ip,
      String(port),
      String(count),
      '3',
    ])
    this.#children.push(child)
    let text = ''
    let announce: () => void
    const ready = new Promise<void>((done) => {
      announce = done
    })
    child.stdout.on('data', (part) => {
      text += part
      if (text.startsWith('ready\n')) announce()
    })
    const lines = new Promise<string[]>((done) => child.on('close', () => done(text.trim().split('\n').slice(1))))
    return {ready, lines}
  }

  mac(pod: PodName): {pod: string; node: string} {
    return {pod: macOf(pod, 1).toString(), node: macOf(pod, 2).toString()}
  }

  /** Of a namespace's eth0. */
  deviceMac(where: string): string {
    return findLink(this.#socket(where), ids.eth0)!.mac!.toString()
  }

  generation(node: NodeName): Generation {
    return this.#generations.get(node)!
  }

  /** What a node's programs have counted, by reason. */
  counters(node: NodeName): {reason: string; packets: number}[] {
    using map = new BpfMap(this.generation(node).map('cilium_metrics'), ciliumMetrics)
    const totals = new Map<number, number>()
    for (const [index, perCpu] of map.entries()) {
      const reason = Math.floor(index / COUNTER_DIRECTIONS)
      const packets = perCpu.reduce((sum, counter) => sum + counter.packets, 0)
      if (packets > 0) totals.set(reason, (totals.get(reason) ?? 0) + packets)
    }
    return [...totals].map(([reason, packets]) => ({reason: dropReasonNames.get(reason) ?? String(reason), packets}))
  }

  inside<T>(where: string, work: () => T extends PromiseLike<unknown> ? never : T): T {
    return inNetns(this.#path(where), work)
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const generation of this.#generations.values()) generation.close()
    for (const socket of this.#sockets.values()) socket.close()
    for (const name of this.#paths.keys()) deleteNetns(this.#namespace(name))
    execFileSync('umount', [this.pins('')])
    rmSync(this.#folder, {recursive: true, force: true})
  }

  #namespace(name: string): string {
    return ownNamespace(`${this.#settings.name}-${name}`)
  }

  #path(name: string): string {
    return this.#paths.get(name) ?? fail(name)
  }

  #socket(name: string): NetlinkSocket {
    return this.#sockets.get(name)!
  }

  #build(): void {
    for (const name of ['switch', 'outside', ...Object.keys(nodes), ...Object.keys(pods)]) {
      deleteNetns(this.#namespace(name))
      this.#paths.set(name, createNetns(this.#namespace(name)))
      this.#sockets.set(
        name,
        inNetns(this.#path(name), () => new NetlinkSocket()),
      )
      this.#socket(name).run(linkSet(1, {up: true}))
      this.#sysctl(name, {
        'ipv6/conf/all/accept_dad': 0,
        'ipv6/conf/default/accept_dad': 0,
        'ipv4/conf/all/rp_filter': 0,
        'ipv4/conf/default/rp_filter': 0,
      })
    }
    this.#socket('switch').runAll([linkAdd({kind: 'bridge', name: 'br', ifindex: 2}), linkSet(2, {up: true})])
    this.#plug('outside', 100, [`${outside[4]}/24`, `${outside[6]}/64`, '192.168.50.254/24', 'fd50::fe/64'])
    for (const name of Object.keys(nodes) as NodeName[]) this.#makeNode(name)
    for (const name of Object.keys(pods) as PodName[]) this.#makePod(name)
    if (this.#settings.programs !== false) for (const name of Object.keys(nodes) as NodeName[]) this.#program(name)
  }

  #sysctl(where: string, settings: Readonly<Record<string, number>>): void {
    this.inside(where, () => {
      for (const [name, value] of Object.entries(settings)) writeFileSync(`/proc/sys/net/${name}`, String(value))
    })
  }

  /** Gives a namespace its eth0, with the other end on the switch. */
  #plug(name: string, number: number, addresses: readonly string[]): void {
    const mtu = this.#settings.mtu ?? underlayMtu
    const there = openNetns({path: this.#path(name)})
    try {
      this.#socket('switch').run(
        linkAdd({
          kind: 'veth',
          name: `p${number}`,
          ifindex: 10 + number,
          mtu,
          peer: {name: 'eth0', ifindex: ids.eth0, netns: there, mtu},
        }),
      )
    } finally {
      closeFd(there)
    }
    this.#socket('switch').runAll([linkSet(10 + number, {up: true, master: 2})])
    this.#socket(name).run(linkSet(ids.eth0, {up: true}))
    for (const text of addresses) {
      const [ip = '', length] = text.split('/')
      this.#socket(name).run(addressReplace({ifindex: ids.eth0, ip: Ip.of(ip), prefixLength: Number(length)}))
    }
  }

  #makeNode(name: NodeName): void {
    const {number, ip, router} = nodes[name]
    const other = Object.values(nodes).find((one) => one.number !== number)!
    const socket = this.#socket(name)
    const mtu = this.#settings.mtu ?? underlayMtu
    this.#plug(name, number, [`${ip[4]}/24`, `${ip[6]}/64`])
    this.#sysctl(name, {'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1})
    socket.run(
      linkAdd({
        kind: 'veth',
        name: 'cilium_host',
        ifindex: ids.host,
        mtu,
        peer: {name: 'cilium_net', ifindex: ids.net, mtu},
      }),
    )
    socket.runAll([linkSet(ids.host, {up: true}), linkSet(ids.net, {up: true})])
    this.#sysctl(name, {
      'ipv4/conf/cilium_host/rp_filter': 0,
      'ipv4/conf/cilium_net/rp_filter': 0,
      'ipv4/conf/eth0/rp_filter': 0,
      'ipv4/conf/cilium_host/accept_local': 1,
      'ipv4/conf/cilium_net/accept_local': 1,
    })
    for (const family of [4, 6] as const) {
      const own = Ip.of(router[family])
      socket.run(addressReplace({ifindex: ids.host, ip: own, prefixLength: own.bits, prefixRoute: false}))
      socket.run(
        routeReplace({
          destination: Cidr.of(family === 4 ? '0.0.0.0/0' : '::/0'),
          gateway: Ip.of(family === 4 ? '192.168.50.254' : 'fd50::fe'),
          ifindex: ids.eth0,
        }),
      )
      socket.run(
        routeReplace({
          destination: podRange(number, family),
          type: 'unreachable',
          ...(family === 6 ? {ifindex: 1} : {}),
        }),
      )
      const defrag = Ip.of(defragAddress[family])
      socket.run(routeReplace({destination: Cidr.host(defrag), ifindex: ids.net}))
      socket.run(neighbourReplace({ifindex: ids.net, ip: defrag, mac: findLink(socket, ids.host)!.mac!}))
    }
    if (this.#settings.tunnel) {
      socket.run(linkAdd({kind: 'vxlan', name: 'cilium_vxlan', ifindex: ids.overlay, port: 8472, external: true, mtu}))
      socket.run(linkSet(ids.overlay, {up: true, neighbours: false}))
      this.#sysctl(name, {'ipv4/conf/cilium_vxlan/rp_filter': 0})
    }
    for (const family of [4, 6] as const) {
      const destination = podRange(other.number, family)
      socket.run(
        routeReplace(
          this.#settings.tunnel
            ? {destination, ifindex: ids.overlay, source: Ip.of(router[family]), mtu: overlayMtu}
            : {destination, gateway: Ip.of(other.ip[family]), ifindex: ids.eth0},
        ),
      )
    }
  }

  #makePod(name: PodName): void {
    const {node, slot, ip} = pods[name]
    const ifindex = 4096 + slot
    const mtu = this.#settings.mtu ?? underlayMtu
    const there = openNetns({path: this.#path(name)})
    const socket = this.#socket(node)
    try {
      socket.run(
        linkAdd({
          kind: 'veth',
          name: `lxc${name}`,
          ifindex,
          mtu,
          mac: macOf(name, 2),
          peer: {name: 'eth0', ifindex: ids.eth0, netns: there, mtu, mac: macOf(name, 1)},
        }),
      )
    } finally {
      closeFd(there)
    }
    socket.run(linkSet(ifindex, {up: true}))
    const inside = this.#socket(name)
    inside.run(linkSet(ids.eth0, {up: true}))
    for (const family of [4, 6] as const) {
      const [own, router] = [Ip.of(ip[family]), Ip.of(nodes[node].router[family])]
      inside.run(addressReplace({ifindex: ids.eth0, ip: own, prefixLength: own.bits}))
      inside.run(routeReplace({destination: Cidr.host(router), ifindex: ids.eth0}))
      inside.run(
        routeReplace({
          destination: Cidr.of(family === 4 ? '0.0.0.0/0' : '::/0'),
          gateway: router,
          ifindex: ids.eth0,
          ...(this.#settings.tunnel ? {mtu: overlayMtu} : {}),
        }),
      )
      socket.run(routeReplace({destination: Cidr.host(own), ifindex}))
      // without programs nobody answers for the gateway
      if (this.#settings.programs === false)
        inside.run(neighbourReplace({ifindex: ids.eth0, ip: router, mac: macOf(name, 2)}))
    }
  }

  #program(name: NodeName): void {
    const {number, router} = nodes[name]
    const pins = this.pins(name)
    mkdirSync(pins)
    const config: Config = {
      ...baseConfig,
      tunnel: this.#settings.tunnel ? 1 : 0,
      overlayIfindex: this.#settings.tunnel ? ids.overlay : 0,
      hostIfindex: ids.host,
      hostV4: mapped(router[4]),
      hostV6: mapped(router[6]),
      ...this.#settings.config,
    }
    const generation = this.inside(name, () =>
      openGeneration({
        root: pins,
        objects: `${root}/dist/bpf`,
        config: (generation) => encode({...config, generation}),
      }),
    )
    this.#generations.set(name, generation)
    this.#writeRows(name, generation)
    const attachments = new Attachments(pins, 'tcx', this.#socket(name))
    const attach = (ifindex: number, ingress: string, egress?: string) => {
      attachments.attach({ifindex, direction: 'ingress'}, generation.program(ingress))
      if (egress) attachments.attach({ifindex, direction: 'egress'}, generation.program(egress))
    }
    this.inside(name, () => {
      if (config.defrag) enableDefrag((family) => join(pins, `defrag_${family}`))
      attach(ids.eth0, 'cil_from_netdev', 'cil_to_netdev')
      attach(ids.host, 'cil_from_defrag')
      if (this.#settings.tunnel) attach(ids.overlay, 'cil_from_overlay', 'cil_to_overlay')
      for (const pod of Object.values(pods))
        if (nodes[pod.node].number === number) attach(4096 + pod.slot, 'cil_from_container', 'cil_to_container')
    })
  }

  #writeRows(name: NodeName, generation: Generation): void {
    const {number, ip, router} = nodes[name]
    using endpoints = new BpfMap(generation.map('cilium_lxc'), ciliumLxc)
    using devices = new BpfMap(generation.map('cilium_devices'), ciliumDevices)
    using prefixes = new BpfMap(generation.map('cilium_ipcache_p'), ciliumIpcacheP)
    const addresses = new AddressMap(generation.map('cilium_ipcache'), generation.map('cilium_ipcache_p'))
    const remote = this.#settings.tunnel ? {} : {flags: addressFlags.ADDRESS_NATIVE}
    devices.put(ids.eth0, {
      ...deviceZero,
      v4: mapped(ip[4]),
      v6: mapped(ip[6]),
      flags: deviceFlags.DEVICE_MASQUERADE,
      mtu: underlayMtu,
    })
    for (const family of [4, 6] as const) {
      prefixes.put(
        {bits: family === 4 ? 96 : 0, addr: mapped(family === 4 ? '0.0.0.0' : '::')},
        {...addressZero, identity: family === 4 ? 9 : 10},
      )
      for (const own of [ip[family], router[family]])
        addresses.put(Cidr.host(Ip.of(own)), {...addressZero, identity: 1, flags: addressFlags.ADDRESS_LOCAL_HOST})
      for (const other of Object.values(nodes)) {
        if (other.number === number) continue
        const way = this.#settings.tunnel ? {tunnel: mapped(other.ip[4])} : remote
        addresses.put(Cidr.host(Ip.of(other.ip[family])), {
          ...addressZero,
          identity: 6,
          flags: addressFlags.ADDRESS_REMOTE_NODE,
        })
        addresses.put(Cidr.host(Ip.of(other.router[family])), {
          ...addressZero,
          identity: 6,
          flags: addressFlags.ADDRESS_REMOTE_NODE,
          ...way,
        })
      }
      for (const pod of Object.values(pods)) {
        const here = nodes[pod.node].number === number
        const way = this.#settings.tunnel ? {tunnel: mapped(nodes[pod.node].ip[4])} : remote
        addresses.put(Cidr.host(Ip.of(pod.ip[family])), {
          ...addressZero,
          identity: pod.identity,
          ...(here ? {endpoint: pod.slot | (1 << 16)} : way),
        })
      }
    }
    addresses.close()
    for (const [pod, row] of Object.entries(pods) as [PodName, (typeof pods)[PodName]][]) {
      if (row.node !== name) continue
      endpoints.put(row.slot, {
        ...endpointZero,
        ifindex: 4096 + row.slot,
        identity: row.identity,
        id: row.slot,
        generation: 1,
        egressSet: ruleSetNumber.SET_OPEN,
        ingressSet: ruleSetNumber.SET_OPEN,
        v4: mapped(row.ip[4]),
        v6: mapped(row.ip[6]),
        mac: macOf(pod, 1).toBytes(),
        nodeMac: macOf(pod, 2).toBytes(),
      })
    }
  }
}

function fail(name: string): never {
  throw new Error(`no namespace ${name}`)
}

const defragAddress = {4: '192.0.0.9', 6: 'fd50:dead::9'} as const

const podRange = (number: number, family: 4 | 6) =>
  Cidr.of(family === 4 ? `10.50.${number}.0/24` : `fd50:${number}::/64`)

const mapped = (text: string) => Ip.of(text).toMappedBytes()

function encode(config: Config): Uint8Array {
  const bytes = new Uint8Array(configCodec.size)
  configCodec.encode(config, new DataView(bytes.buffer), 0)
  return bytes
}

const baseConfig: Config = {
  ...configZero,
  enableIpv4: 1,
  enableIpv6: 1,
  masqueradeIpv4: 1,
  masqueradeIpv6: 1,
  sourceCheck: 1,
  policy: 1,
  monitorLevel: 3,
  monitorFlags: 7,
  eventDrop: 1,
  eventTrace: 1,
  eventVerdict: 1,
  monitorIntervalS: 5,
  flowShards: 32,
  tcpEstablishedS: 8000,
  tcpOpeningS: 60,
  tcpClosingS: 10,
  anyEstablishedS: 60,
  anyOpeningS: 60,
  fragmentS: 30,
  natPortMin: 32768,
  natPortMax: 65535,
  nodeportMin: 30000,
  nodeportMax: 32767,
  timerIntervalMs: 100,
  podMtu: overlayMtu,
  eventRings: 2,
  tunnelPort: 8472,
  hostRouting: 1,
  defrag: 1,
  defragV4: mapped(defragAddress[4]),
  defragV6: mapped(defragAddress[6]),
  nativeV4: mapped('10.50.0.0'),
  nativeV4Bits: 96 + 16,
  nativeV6: mapped('fd50::'),
  nativeV6Bits: 16,
}

function onCpu(cpu: number | undefined, ...command: string[]): string[] {
  return cpu === undefined ? command : ['taskset', '-c', String(cpu), ...command]
}
