/**
 * A node for packet tests: all programs loaded together in a namespace of its own, two pods, another node, the world.
 * node.fromPod('a', tcp(...)) says what became of a packet; maps are really written, flows really made.
 */
import {writeFileSync} from 'node:fs'
import {resolve} from 'node:path'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {EventStream} from '../../src/datapath/events.ts'
import {
  addressFlags,
  deviceFlags,
  dropReasonNames,
  ruleSetNumber,
  testActionNames,
} from '../../src/datapath/gen/enums.ts'
import {
  ciliumDevices,
  ciliumEpoch,
  ciliumFlows,
  ciliumFlowsInner,
  ciliumFrags,
  ciliumIpcache,
  ciliumIpcacheP,
  ciliumLxc,
  ciliumMetrics,
  ciliumShards,
  ciliumTest,
} from '../../src/datapath/gen/maps.ts'
import {objects} from '../../src/datapath/gen/objects.ts'
import {
  type Address,
  addressZero,
  type Config,
  type Counter,
  configCodec,
  configZero,
  type Device,
  deviceZero,
  type Endpoint,
  type Event,
  endpointZero,
  eventCodec,
  type Flow,
  type FlowKey,
  type FlowShard,
  flowShardZero,
  type PrefixKey,
  type TestRecord,
  testRecordZero,
} from '../../src/datapath/gen/types.ts'
import {fillEventRings, fillFlowShards, innerMapIds} from '../../src/datapath/inner-maps.ts'
import {readFlows} from '../../src/datapath/maps/open.ts'
import {BpfMap, type MapShape, openMapById} from '../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../src/kernel/bpf/map-types.ts'
import {type LoadedObject, loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram, runXdpProgram, type SkbContext} from '../../src/kernel/bpf/test-run.ts'
import {bytes, u32} from '../../src/kernel/codec.ts'
import {duplicateFd} from '../../src/kernel/libc.ts'
import {addressReplace} from '../../src/kernel/netlink/address.ts'
import {linkAdd, linkSet} from '../../src/kernel/netlink/link.ts'
import {neighbourReplace} from '../../src/kernel/netlink/neighbour.ts'
import {routeReplace} from '../../src/kernel/netlink/route.ts'
import {NetlinkSocket} from '../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns} from '../../src/kernel/netns.ts'
import {Cidr} from '../../src/model/cidr.ts'
import {Ip} from '../../src/model/ip.ts'
import {Mac} from '../../src/model/mac.ts'
import {ownNamespace} from '../support/own-names.ts'
import {Packet, parseEnd} from './support/packet.ts'

const root = resolve(import.meta.dirname, '../..')

/** The addresses of one family. `end` puts a port to one. */
export interface Plan {
  readonly family: 4 | 6
  readonly a: string
  readonly b: string
  /** a pod of the other node */
  readonly remote: string
  readonly router: string
  readonly node: string
  readonly node2: string
  readonly gateway: string
  readonly outside: string
  /** a router somewhere on the way */
  readonly elsewhere: string
  readonly end: (ip: string, port: number) => string
}

export const plans: readonly Plan[] = [
  {
    family: 4,
    a: '10.0.1.10',
    b: '10.0.1.11',
    remote: '10.0.2.10',
    router: '10.0.1.1',
    node: '192.168.0.1',
    node2: '192.168.0.2',
    gateway: '192.168.0.254',
    outside: '203.0.113.9',
    elsewhere: '198.51.100.1',
    end: (ip, port) => `${ip}:${port}`,
  },
  {
    family: 6,
    a: 'fd00:1::a',
    b: 'fd00:1::b',
    remote: 'fd00:2::a',
    router: 'fd00:1::1',
    node: 'fd01::1',
    node2: 'fd01::2',
    gateway: 'fd01::fe',
    outside: '2001:db8:9::9',
    elsewhere: '2001:db8:8::1',
    end: (ip, port) => `[${ip}]:${port}`,
  },
]

/** Devices by index. Pods' are ENDPOINT_IFINDEX_BASE + slot. */
export const devices = {a: 4097, b: 4098, eth0: 10, host: 20, overlay: 30, unmanaged: 40} as const
const deviceNames = new Map<number, string>(Object.entries(devices).map(([name, ifindex]) => [ifindex, name]))
export type PodName = 'a' | 'b'

export const macs = {
  a: {pod: '02:00:00:00:aa:01', node: '02:00:00:00:aa:02'},
  b: {pod: '02:00:00:00:bb:01', node: '02:00:00:00:bb:02'},
  eth0: '02:00:00:00:ee:01',
  gateway: '02:00:00:00:ee:fe',
  node2: '02:00:00:00:ee:02',
} as const

export const identities = {a: 1001, b: 1002, remote: 2001} as const

const hooks = {
  cil_from_container: 'pod',
  cil_to_container: 'pod',
  cil_from_netdev: 'netdev',
  cil_to_netdev: 'netdev',
  cil_from_defrag: 'netdev',
  cil_from_overlay: 'overlay',
  cil_to_overlay: 'overlay',
  cil_xdp_entry: 'xdp',
} as const
export type Hook = keyof typeof hooks

const objectNames = ['expiry', 'pod', 'netdev', 'overlay', 'xdp'] as const

/** What a program did with a packet. */
export interface Outcome {
  readonly action: 'none' | 'pass' | 'drop' | 'redirect' | 'peer' | 'neighbour' | 'transmit'
  /** name of the device it was sent to, '' when to none */
  readonly to: string
  /** of a drop, or of a packet that became an answer: without DROP_ */
  readonly reason: string
  readonly extError: number
  /** node at the tunnel's end, or next hop */
  readonly hop: string
  /** identity in the tunnel */
  readonly vni: number
  readonly mark: number
  readonly result: number
  readonly packet: Uint8Array
  readonly durationNs: number
}

/** What the XDP program did with a frame. */
export interface FrameOutcome {
  readonly action: 'aborted' | 'drop' | 'pass' | 'transmit' | 'redirect'
  readonly packet: Uint8Array
  readonly durationNs: number
}

/** enum xdp_action */
const frameActions = ['aborted', 'drop', 'pass', 'transmit', 'redirect'] as const

/** What nodes of tests are configured with unless a test says otherwise. */
export const defaultConfig: Config = {
  ...configZero,
  generation: 1,
  test: 1,
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
  flowShards: 8,
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
  timerIntervalMs: 1000,
  podMtu: 1450,
  eventRings: 1,
  tunnelPort: 8472,
  hostRouting: 1,
  overlayIfindex: devices.overlay,
  defragV4: addr('192.0.0.9'),
  defragV6: addr('fd00:dead::9'),
  hostV4: addr('10.0.1.1'),
  hostV6: addr('fd00:1::1'),
  nativeV4: addr('10.0.0.0'),
  nativeV4Bits: 96 + 16,
  nativeV6: addr('fd00::'),
  nativeV6Bits: 16,
}

export function addr(text: string): Uint8Array {
  return parseEnd(text).ip.toMappedBytes()
}

export interface NodeSettings {
  readonly config?: Partial<Config>
  /** MTU of eth0 */
  readonly mtu?: number
}

export class BpfNode {
  readonly #name: string
  readonly #path: string
  readonly #objects = new Map<string, LoadedObject>()
  readonly #maps = new Map<string, number>()
  readonly #entry: LoadedObject
  readonly #record: BpfMap<number, TestRecord>
  readonly endpoints: BpfMap<number, Endpoint>
  readonly addresses: BpfMap<Uint8Array, Address>
  readonly prefixes: BpfMap<PrefixKey, Address>
  readonly deviceRows: BpfMap<number, Device>
  readonly epoch: BpfMap<number, number>
  readonly shards: BpfMap<number, FlowShard>
  readonly metrics: BpfMap<number, readonly Counter[]>
  readonly events: EventStream
  readonly config: Config
  readonly route: NetlinkSocket

  /** Builds what has to be built, then makes a node. @param name of its namespace, unique among tests */
  static async make(name: string, settings: NodeSettings = {}): Promise<BpfNode> {
    await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
    await buildBpf({from: `${root}/test/bpf/programs`, to: `${root}/dist/test/datapath`})
    return new BpfNode(name, settings)
  }

  constructor(name: string, {config = {}, mtu = 1500}: NodeSettings = {}) {
    this.#name = ownNamespace(name)
    this.config = {...defaultConfig, ...config}
    deleteNetns(this.#name)
    this.#path = createNetns(this.#name)
    this.route = inNetns(this.#path, () => new NetlinkSocket())
    this.#makeDevices(mtu)
    for (const object of objectNames) this.#load(object)
    this.#entry = this.inside(() => loadObject(`${root}/dist/test/datapath/overlay_entry.o`))
    const open = <K, V>(shape: MapShape<K, V>) => new BpfMap<K, V>(this.fd(shape.name), shape)
    this.#record = open(ciliumTest)
    this.endpoints = open(ciliumLxc)
    this.addresses = open(ciliumIpcache)
    this.prefixes = open(ciliumIpcacheP)
    this.deviceRows = open(ciliumDevices)
    this.epoch = open(ciliumEpoch)
    this.shards = open(ciliumShards)
    this.metrics = open(ciliumMetrics)
    this.events = new EventStream((name) => this.fd(name))
    this.#fillProgramArray()
    this.reset()
  }

  /** Rows as every test begins with, and no flows. */
  reset(): void {
    this.flush()
    this.endpoints.put(0, endpointZero)
    for (const [i, pod] of (['a', 'b'] as const).entries()) this.pod(pod, {id: i + 1, generation: 1})
    for (const map of [this.addresses, this.prefixes, this.deviceRows]) (map as BpfMap<unknown, unknown>).clear()
    for (const plan of plans) {
      this.address(plan.a, {identity: identities.a, endpoint: 1 | (1 << 16)})
      this.address(plan.b, {identity: identities.b, endpoint: 2 | (1 << 16)})
      for (const own of [plan.node, plan.router])
        this.address(own, {identity: 1, flags: addressFlags.ADDRESS_LOCAL_HOST})
      this.address(plan.node2, {identity: 6, flags: addressFlags.ADDRESS_REMOTE_NODE})
      this.address(
        plan.remote,
        this.config.tunnel
          ? {identity: identities.remote, tunnel: addr('192.168.0.2')}
          : {identity: identities.remote, flags: addressFlags.ADDRESS_NATIVE},
      )
      const world = {...addressZero, identity: plan.family === 4 ? 9 : 10}
      this.prefixes.put({bits: plan.family === 4 ? 96 : 0, addr: addr(plan.family === 4 ? '0.0.0.0' : '::')}, world)
    }
    this.deviceRows.put(devices.eth0, {
      ...deviceZero,
      v4: addr('192.168.0.1'),
      v6: addr('fd01::1'),
      mac: Mac.of(macs.eth0).toBytes(),
      flags: deviceFlags.DEVICE_MASQUERADE,
      mtu: 1500,
    })
    this.events.poll(() => {})
  }

  /** Changes a pod's row. */
  pod(name: PodName, change: Partial<Endpoint>): void {
    const slot = devices[name] - 4096
    const before = this.endpoints.get(slot)
    const fresh: Endpoint = {
      ...endpointZero,
      ifindex: devices[name],
      identity: identities[name],
      id: slot,
      generation: 1,
      egressSet: ruleSetNumber.SET_OPEN,
      ingressSet: ruleSetNumber.SET_OPEN,
      v4: addr(plans[0]![name]),
      v6: addr(plans[1]![name]),
      mac: Mac.of(macs[name].pod).toBytes(),
      nodeMac: Mac.of(macs[name].node).toBytes(),
    }
    this.endpoints.put(slot, {...(change.id !== undefined || !before ? fresh : before), ...change})
  }

  /** Writes an exact address row. */
  address(ip: string, value: Partial<Address>): void {
    this.addresses.put(addr(ip), {...addressZero, ...value})
  }

  moveEpoch(): void {
    this.epoch.put(0, (this.epoch.get(0) ?? 0) + 1)
  }

  /** @param repeat times, on what the run before has left of the packet */
  fromPod(pod: PodName, packet: Packet | Uint8Array, context: SkbContext = {}, repeat = 1): Outcome {
    const frame = packet instanceof Packet ? packet.mac(macs[pod].pod, macs[pod].node) : packet
    return this.run('cil_from_container', frame, {...context, ifindex: devices[pod]}, {repeat})
  }

  /** From the node's stack. */
  toPod(pod: PodName, packet: Packet | Uint8Array, context: SkbContext = {}): Outcome {
    return this.run('cil_to_container', packet, {...context, ifindex: devices[pod]})
  }

  fromNet(packet: Packet | Uint8Array, context: SkbContext = {}): Outcome {
    return this.run('cil_from_netdev', packet, {...context, ifindex: devices.eth0})
  }

  /** From the wire, before the node's stack has made a packet of it. */
  fromWire(packet: Packet | Uint8Array, options: {repeat?: number} = {}): FrameOutcome {
    const frame = packet instanceof Packet ? packet.bytes : packet
    return this.inside(() => {
      const run = runXdpProgram(this.program('cil_xdp_entry'), frame, {ingressIfindex: devices.eth0}, options)
      return {action: frameActions[run.result]!, packet: run.packet, durationNs: run.durationNs}
    })
  }

  toNet(packet: Packet | Uint8Array, context: SkbContext = {}): Outcome {
    return this.run('cil_to_netdev', packet, {...context, ifindex: devices.eth0})
  }

  /** @param tunnel node that sent it, and the identity it claims */
  fromOverlay(
    packet: Packet | Uint8Array,
    tunnel: {remote?: string; identity?: number} = {},
    context: SkbContext = {},
  ): Outcome {
    const entry = this.#entry.map({
      name: 'entries',
      type: mapTypes.array,
      maxEntries: 1,
      key: u32,
      value: bytes(24),
    })
    const value = new Uint8Array(24)
    value.set(addr(tunnel.remote ?? '192.168.0.2'))
    new DataView(value.buffer).setUint32(16, tunnel.identity ?? identities.remote, true)
    entry.put(0, value)
    entry.close()
    return this.#run(this.#entry.program('overlay_entry').fd, packet, {...context, ifindex: devices.overlay})
  }

  toOverlay(packet: Packet | Uint8Array, context: SkbContext = {}): Outcome {
    return this.run('cil_to_overlay', packet, {...context, ifindex: devices.overlay})
  }

  /** Out of cilium_host, where the stack has sent what it has reassembled. */
  fromDefrag(packet: Packet | Uint8Array): Outcome {
    return this.run('cil_from_defrag', packet, {ifindex: devices.host})
  }

  run(hook: Hook, packet: Packet | Uint8Array, context: SkbContext, options: {repeat?: number} = {}): Outcome {
    return this.#run(this.program(hook), packet, context, options)
  }

  /** Many packets one after another, in the namespace once for all. */
  runMany(
    hook: Hook,
    count: number,
    context: SkbContext,
    next: () => Uint8Array,
    met: (sent: Uint8Array, outcome: Outcome) => void,
  ): void {
    const fd = this.program(hook)
    this.inside(() => {
      for (let i = 0; i < count; i++) {
        const sent = next()
        met(sent, this.#runHere(fd, sent, context, {}))
      }
    })
  }

  program(hook: Hook): number {
    return this.#objects.get(hooks[hook])!.program(hook).fd
  }

  object(name: (typeof objectNames)[number]): LoadedObject {
    return this.#objects.get(name)!
  }

  /** Lets the expiry walk every shard once. */
  expire(): void {
    const {fd} = this.object('expiry').program('cil_expiry_walk')
    for (let shard = 0; shard < this.config.flowShards; shard++)
      this.inside(() => runSkbProgram(fd, new Uint8Array(64), {cb: [shard, 0, 0, 0, 0]}))
  }

  flows(): {key: FlowKey; flow: Flow}[] {
    return [...readFlows((name) => this.fd(name))].map(([key, flow]) => ({key, flow}))
  }

  /** Deletes all flows. */
  flush(): void {
    using outer = new BpfMap(this.fd('cilium_flows'), ciliumFlows)
    for (const id of innerMapIds(outer)) {
      using shard = new BpfMap(openMapById(id), ciliumFlowsInner)
      shard.clear()
    }
    using fragments = new BpfMap(this.fd('cilium_frags'), ciliumFrags)
    fragments.clear()
    for (let shard = 0; shard < this.config.flowShards; shard++) this.shards.put(shard, flowShardZero)
  }

  /** Puts a flow entry back after a change. */
  changeFlow(key: FlowKey, change: Partial<Flow>): void {
    using outer = new BpfMap(this.fd('cilium_flows'), ciliumFlows)
    for (const id of innerMapIds(outer)) {
      using shard = new BpfMap(openMapById(id), ciliumFlowsInner)
      const flow = shard.get(key)
      if (flow) shard.put(key, {...flow, ...change})
    }
  }

  /** Events since the last call. */
  takeEvents(): Event[] {
    const events: Event[] = []
    this.events.poll((view, offset) => events.push(eventCodec.decode(view, offset)))
    return events
  }

  /** A descriptor of a shared map, the caller's. */
  fd(name: string): number {
    return duplicateFd(this.#maps.get(name)!)
  }

  /** Path of its namespace. */
  get netns(): string {
    return this.#path
  }

  inside<T>(work: () => T extends PromiseLike<unknown> ? never : T): T {
    return inNetns(this.#path, work)
  }

  close(): void {
    this.events.close()
    for (const map of [this.#record, this.endpoints, this.addresses, this.prefixes, this.deviceRows]) map.close()
    for (const map of [this.epoch, this.shards, this.metrics]) map.close()
    for (const object of this.#objects.values()) object.close()
    this.#entry.close()
    this.route.close()
    deleteNetns(this.#name)
  }

  #run(fd: number, packet: Packet | Uint8Array, context: SkbContext, options: {repeat?: number} = {}): Outcome {
    const frame = packet instanceof Packet ? packet.bytes : packet
    return this.inside(() => this.#runHere(fd, frame, context, options))
  }

  #runHere(fd: number, frame: Uint8Array, context: SkbContext, options: {repeat?: number}): Outcome {
    this.#record.put(0, testRecordZero)
    const run = runSkbProgram(fd, frame, context, options)
    const record = this.#record.get(0)!
    const device = deviceNames.get(record.ifindex)
    return {
      action: testActionNames.get(record.action)!.replace('TEST_', '').toLowerCase() as Outcome['action'],
      to: record.ifindex === 0 ? '' : (device ?? String(record.ifindex)),
      reason:
        record.reason === 0 ? '' : (dropReasonNames.get(record.reason) ?? `${record.reason}`).replace('DROP_', ''),
      extError: record.extError,
      hop: record.tunnel.some((byte) => byte !== 0) ? Ip.fromBytes(record.tunnel).toString() : '',
      vni: record.tunnelId,
      mark: run.mark,
      result: run.result,
      packet: run.packet,
      durationNs: run.durationNs,
    }
  }

  #makeDevices(mtu: number): void {
    this.inside(() => {
      for (const family of ['ipv4', 'ipv6']) writeFileSync(`/proc/sys/net/${family}/conf/all/forwarding`, '1')
      writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0')
    })
    const veth = (name: string, ifindex: number, mac?: string, size = 1500) => [
      linkAdd({
        kind: 'veth',
        name,
        ifindex,
        mtu: size,
        ...(mac ? {mac: Mac.of(mac)} : {}),
        peer: {name: `${name}_peer`, ifindex: 1_000_000 + ifindex, mtu: size},
      }),
      linkSet(1_000_000 + ifindex, {up: true}),
      linkSet(ifindex, {up: true}),
    ]
    const give = (ifindex: number, text: string) => {
      const [ip = '', length] = text.split('/')
      return addressReplace({ifindex, ip: Ip.of(ip), prefixLength: Number(length)})
    }
    const via = (to: string, gateway: string) =>
      routeReplace({destination: Cidr.of(to), gateway: Ip.of(gateway), ifindex: devices.eth0})
    const beside = (ip: string, mac: string) =>
      neighbourReplace({ifindex: devices.eth0, ip: Ip.of(ip), mac: Mac.of(mac)})
    this.route.runAll([
      linkSet(1, {up: true}),
      ...veth('lxca', devices.a, macs.a.node),
      ...veth('lxcb', devices.b, macs.b.node),
      ...veth('eth0', devices.eth0, macs.eth0, mtu),
      ...veth('host', devices.host),
      ...veth('unmanaged', devices.unmanaged),
      linkAdd({kind: 'vxlan', name: 'overlay', ifindex: devices.overlay, port: 8472, external: true}),
      linkSet(devices.overlay, {up: true}),
      give(devices.eth0, '192.168.0.1/24'),
      give(devices.eth0, 'fd01::1/64'),
      give(devices.unmanaged, '172.16.0.1/24'),
      give(devices.unmanaged, 'fd02::1/64'),
      via('0.0.0.0/0', '192.168.0.254'),
      via('::/0', 'fd01::fe'),
      via('10.0.2.0/24', '192.168.0.2'),
      via('fd00:2::/64', 'fd01::2'),
      routeReplace({destination: Cidr.of('10.0.1.0/24'), type: 'unreachable'}),
      routeReplace({destination: Cidr.of('fd00:1::/64'), type: 'unreachable', ifindex: 1}),
      beside('192.168.0.254', macs.gateway),
      beside('fd01::fe', macs.gateway),
      beside('192.168.0.2', macs.node2),
      beside('fd01::2', macs.node2),
    ])
  }

  #load(name: (typeof objectNames)[number]): void {
    const config = new Uint8Array(configCodec.size)
    configCodec.encode(this.config, new DataView(config.buffer), 0)
    const path = `${root}/dist/bpf/${name}.o`
    const maps = Object.fromEntries(
      objects[name].maps
        .filter((map) => this.#maps.has(map))
        .map((map) => [map, {reuse: this.#maps.get(map)!}] as const),
    )
    const object = this.inside(() => loadObject(path, {config, maps}))
    this.#objects.set(name, object)
    for (const [map, fd] of object.maps) if (map.startsWith('cilium_') && !this.#maps.has(map)) this.#maps.set(map, fd)
    if (name !== 'expiry') return
    fillFlowShards(this.#maps.get('cilium_flows')!, this.config.flowShards)
    fillEventRings(this.#maps.get('cilium_events')!, this.config.eventRings)
  }

  #fillProgramArray(): void {
    const programs = this.#entry.map({
      name: 'programs',
      type: mapTypes.prog_array,
      maxEntries: 2,
      key: u32,
      value: u32,
    })
    programs.put(0, this.program('cil_from_overlay'))
    programs.close()
  }
}
