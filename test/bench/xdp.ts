/**
 * What a packet to a node port costs whose backend is on another node, in the driver (XDP), behind it (tc), and by
 * kube-proxy in both of its modes: the programs alone by BPF_PROG_TEST_RUN, and with everything around them by frames that
 * cross a veth pair one after another. All take turns.
 *
 *     ROUNDS=1 PROXIES= npm run bench -- xdp          without kube-proxy, and so without a lab
 */
import {resolve} from 'node:path'
import {frontendKind} from '../../src/datapath/gen/enums.ts'
import {attachTcx, attachXdp} from '../../src/kernel/bpf/link.ts'
import {mapTypes} from '../../src/kernel/bpf/map-types.ts'
import {type LoadedObject, loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram, runXdpProgram} from '../../src/kernel/bpf/test-run.ts'
import {bytes, u32} from '../../src/kernel/codec.ts'
import {closeFd} from '../../src/kernel/libc.ts'
import {BpfNode, devices, macs, type Plan, plans} from '../bpf/node.ts'
import {NodeServices} from '../bpf/services.ts'
import {answer} from '../bpf/support/answer.ts'
import {type Packet, tcp} from '../bpf/support/packet.ts'
import {until} from '../support/lab/cluster.ts'
import type {BenchRow} from './rows.ts'
import {forwarded, KubeProxies, type ProxyMode} from './support/kube-proxies.ts'
import {againShape, againValue, targetShape} from './support/same-packet.ts'

const rounds = Number(process.env['ROUNDS'] ?? 7)
const proxies = (process.env['PROXIES'] ?? 'iptables,nftables').split(',').filter(Boolean) as ProxyMode[]
const repeat = 50_000
/** Frames of one round that cross the pair. */
const frames = 200_000
const frameBytes = 128
const nodePort = 30080
const backendPort = 8080
const wire = 1_000_000 + devices.eth0

const frameShape = {name: 'frame', type: mapTypes.array, maxEntries: 1, key: u32, value: bytes(frameBytes)}

/** Something to measure: returns ns a packet. */
interface Case {
  readonly name: string
  readonly note: string
  readonly run: () => number
}

export default async function bench(): Promise<BenchRow[]> {
  const node = await BpfNode.make('bench-xdp', {config: {test: 0, services: 1, nodeport: 1, flowShards: 64}})
  const programs = resolve(import.meta.dirname, '../../dist/test/datapath')
  const frame = loadObject(`${programs}/bench_frame.o`)
  const entry = loadObject(`${programs}/bench_entry.o`)
  const services = new NodeServices(node)
  const lab = new KubeProxies()
  const others: BpfNode[] = []
  try {
    const cases = plans.flatMap((plan) => {
      const packet = connect(plan, node, services)
      return [...alone(plan, node, frame, entry, packet), ...crossing(plan, node, frame, packet)]
    })
    if (proxies.length > 0) await lab.up(nodePort, backendPort)
    for (const mode of proxies) {
      const other = await BpfNode.make(`bench-${mode}`)
      others.push(other)
      await lab.serve(other, mode)
      for (const plan of plans) {
        const packet = sized(client(plan)).mac(macs.gateway, macs.eth0).bytes
        await served(plan, other, frame, packet)
        cases.push(proxied(plan, other, mode, frame, packet))
      }
    }
    return measure(cases)
  } finally {
    if (proxies.length > 0) await lab.down()
    services.close()
    for (const object of [frame, entry]) object.close()
    for (const one of [node, ...others]) one.close()
  }
}

/** All in turns; the first round is not counted. */
function measure(cases: readonly Case[]): BenchRow[] {
  const results = new Map(cases.map((one) => [one, [] as number[]]))
  for (let round = 0; round <= rounds; round++) {
    for (const one of cases) {
      const cost = one.run()
      if (round > 0) results.get(one)!.push(cost)
    }
  }
  return cases.map((one) => {
    const all = results.get(one)!.sort((a, b) => a - b)
    const median = all[Math.floor(all.length / 2)]!
    return {name: one.name, unit: 'ns', median, min: all[0]!, max: all.at(-1)!, runs: rounds, note: one.note}
  })
}

const client = ({node, outside, end}: Plan): Packet => tcp(end(outside, 40001), end(node, nodePort))

/** A packet with data, as large as a frame of the bench. */
function sized(packet: Packet): Packet {
  return packet.push(frameBytes - packet.push('').bytes.length)
}

/** A connection to a node port. @returns a packet of it, as large as a frame of the bench */
function connect(plan: Plan, node: BpfNode, services: NodeServices): Uint8Array {
  const {node: own, remote, end} = plan
  const kind = frontendKind.FRONTEND_NODE_PORT
  services.add(end(own, nodePort), [end(remote, backendPort)], {kind})
  const sent = node.fromNet(client(plan).syn())
  node.fromNet(answer(sent.packet).synAck())
  node.fromNet(client(plan).ack())
  return sized(client(plan)).bytes
}

/** The programs themselves, less what giving them the packet costs. */
function alone(plan: Plan, node: BpfNode, frame: LoadedObject, entry: LoadedObject, packet: Uint8Array): Case[] {
  const v = `IPv${plan.family}`
  const options = {repeat}
  const xdp = (program: number) => {
    using target = frame.map(targetShape)
    target.put(0, program)
    return runXdpProgram(frame.program('bench_frame').fd, packet, {ingressIfindex: devices.eth0}, options).durationNs
  }
  const tc = (program: number) => {
    using target = entry.map(targetShape)
    target.put(0, program)
    return runSkbProgram(entry.program('bench_entry').fd, packet, {ifindex: devices.eth0}, options).durationNs
  }
  const prepare = () => {
    // tc keeps the flow alive, as it does once a second
    node.fromNet(packet)
    using frames = frame.map(frameShape)
    frames.put(0, packet)
    using again = entry.map(againShape)
    again.put(0, againValue(packet))
  }
  return [
    {
      name: `${v} program, XDP`,
      note: 'with the routing and neighbour tables',
      run: () =>
        node.inside(() => {
          prepare()
          return xdp(node.program('cil_xdp_entry')) - xdp(frame.program('bench_drop').fd)
        }),
    },
    {
      name: `${v} program, tc`,
      note: 'without the packet’s allocation and the neighbour table',
      run: () =>
        node.inside(() => {
          prepare()
          return tc(node.program('cil_from_netdev')) - tc(entry.program('bench_nothing').fd)
        }),
    },
  ]
}

/** What a node does with a frame from the wire: the program in its driver, those behind it, and how many it has sent on. */
interface Way {
  readonly node: BpfNode
  readonly packet: Uint8Array
  /** 'drop': what it costs to bring frames there */
  readonly driver: number
  readonly behind: readonly (() => number)[]
  /** of the node so far */
  readonly sent: () => number
}

/** Sends frames to a node's device, out of its other end. @returns ns a frame that was sent on */
function through(frame: LoadedObject, {node, packet, driver, behind, sent}: Way): number {
  return node.inside(() => {
    using frames_ = frame.map(frameShape)
    frames_.put(0, packet)
    const links = [
      attachXdp(driver, devices.eth0, 'native'),
      // without a program here the driver does not take frames back
      attachXdp(frame.program('bench_drop').fd, wire, 'native'),
      ...behind.map((attach) => attach()),
    ]
    try {
      const before = sent()
      const start = process.hrtime.bigint()
      runXdpProgram(frame.program('bench_send').fd, packet, {ingressIfindex: wire}, {repeat: frames, live: true})
      const took = Number(process.hrtime.bigint() - start)
      const share = (sent() - before) / frames
      const dropped = driver === frame.program('bench_drop').fd
      if (!dropped && share < 0.9) throw new Error(`only ${Math.round(share * 100)} % of the frames got through`)
      return took / (dropped ? frames : share * frames)
    } finally {
      for (const link of links) closeFd(link)
    }
  })
}

const overNothing = 'over dropping them in the driver'

/** Frames that ours sends on, in the driver and behind it. */
function crossing(plan: Plan, node: BpfNode, frame: LoadedObject, packet: Uint8Array): Case[] {
  const v = `IPv${plan.family}`
  const way = (driver: number): Way => ({
    node,
    packet,
    driver,
    behind: [
      () => attachTcx(node.program('cil_from_netdev'), devices.eth0, 'ingress'),
      () => attachTcx(node.program('cil_to_netdev'), devices.eth0, 'egress'),
    ],
    sent: () => node.flows().reduce((sum, {flow}) => sum + Number(flow.packets), 0),
  })
  const over = (driver: number) => () => {
    node.fromNet(packet)
    return through(frame, way(driver)) - through(frame, way(frame.program('bench_drop').fd))
  }
  return [
    {name: `${v} frames, XDP`, note: overNothing, run: over(node.program('cil_xdp_entry'))},
    {name: `${v} frames, tc`, note: overNothing, run: over(frame.program('bench_pass').fd)},
  ]
}

/** The same frames where kube-proxy serves the port. */
function proxied(plan: Plan, node: BpfNode, mode: ProxyMode, frame: LoadedObject, packet: Uint8Array): Case {
  const way = (driver: number): Way => ({node, packet, driver, behind: [], sent: () => forwarded(plan.family)})
  return {
    name: `IPv${plan.family} frames, kube-proxy with ${mode}`,
    note: overNothing,
    run: () =>
      through(frame, way(frame.program('bench_pass').fd)) - through(frame, way(frame.program('bench_drop').fd)),
  }
}

/** Waits until the node's stack sends a frame on: the rules are there. */
async function served(plan: Plan, node: BpfNode, frame: LoadedObject, packet: Uint8Array): Promise<void> {
  const before = node.inside(() => forwarded(plan.family))
  await until(`a node port of IPv${plan.family} to be served`, 120_000, async () =>
    node.inside(() => {
      using frames_ = frame.map(frameShape)
      frames_.put(0, packet)
      const link = attachXdp(frame.program('bench_pass').fd, devices.eth0, 'native')
      try {
        runXdpProgram(frame.program('bench_send').fd, packet, {ingressIfindex: wire}, {repeat: 1, live: true})
        return forwarded(plan.family) > before ? true : undefined
      } finally {
        closeFd(link)
      }
    }),
  )
}
