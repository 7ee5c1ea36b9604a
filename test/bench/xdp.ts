/**
 * What a packet to a node port costs whose backend is on another node, in the driver (XDP) and behind it (tc): the
 * programs alone by BPF_PROG_TEST_RUN, and with everything around them by frames that cross a veth pair one after another.
 * All take turns.
 */
import {resolve} from 'node:path'
import {frontendKind} from '../../src/datapath/gen/enums.ts'
import {attachTcx, attachXdp} from '../../src/kernel/bpf/link.ts'
import {mapTypes} from '../../src/kernel/bpf/map-types.ts'
import {type LoadedObject, loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram, runXdpProgram} from '../../src/kernel/bpf/test-run.ts'
import {bytes, u32} from '../../src/kernel/codec.ts'
import {closeFd} from '../../src/kernel/libc.ts'
import {BpfNode, devices, type Plan, plans} from '../bpf/node.ts'
import {NodeServices} from '../bpf/services.ts'
import {answer} from '../bpf/support/answer.ts'
import {tcp} from '../bpf/support/packet.ts'
import type {BenchRow} from './rows.ts'
import {againShape, againValue, targetShape} from './support/same-packet.ts'

const rounds = 7
const repeat = 50_000
/** Frames of one round that cross the pair. */
const frames = 200_000
const frameBytes = 128
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
  try {
    const cases = plans.flatMap((plan) => {
      const packet = connect(plan, node, services)
      return [...alone(plan, node, frame, entry, packet), ...crossing(plan, node, frame, packet)]
    })
    const results = new Map(cases.map((one) => [one, [] as number[]]))
    for (let round = 0; round <= rounds; round++) {
      for (const one of cases) {
        const cost = node.inside(one.run)
        if (round > 0) results.get(one)!.push(cost)
      }
    }
    return cases.map((one) => {
      const all = results.get(one)!.sort((a, b) => a - b)
      const median = all[Math.floor(all.length / 2)]!
      return {name: one.name, unit: 'ns', median, min: all[0]!, max: all.at(-1)!, runs: rounds, note: one.note}
    })
  } finally {
    services.close()
    for (const object of [frame, entry]) object.close()
    node.close()
  }
}

/** A connection to a node port. @returns a packet of it, as large as a frame of the bench */
function connect({node: own, remote, outside, end}: Plan, node: BpfNode, services: NodeServices): Uint8Array {
  services.add(end(own, 30080), [end(remote, 8080)], {kind: frontendKind.FRONTEND_NODE_PORT})
  const client = tcp(end(outside, 40001), end(own, 30080))
  const sent = node.fromNet(client.syn())
  node.fromNet(answer(sent.packet).synAck())
  node.fromNet(client.ack())
  const empty = client.push('').bytes.length
  return client.push(frameBytes - empty).bytes
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
      run: () => {
        prepare()
        return xdp(node.program('cil_xdp_entry')) - xdp(frame.program('bench_drop').fd)
      },
    },
    {
      name: `${v} program, tc`,
      note: 'without the packet’s allocation and the neighbour table',
      run: () => {
        prepare()
        return tc(node.program('cil_from_netdev')) - tc(entry.program('bench_nothing').fd)
      },
    },
  ]
}

/** Frames out of the other end of the node's device and back, less what the way to it costs. */
function crossing(plan: Plan, node: BpfNode, frame: LoadedObject, packet: Uint8Array): Case[] {
  const v = `IPv${plan.family}`
  const send = frame.program('bench_send').fd
  /** ns a frame with a program in the node's driver, and the tc program behind it */
  const through = (driver: number): number => {
    node.fromNet(packet)
    using frames_ = frame.map(frameShape)
    frames_.put(0, packet)
    const links = [
      attachXdp(driver, devices.eth0, 'native'),
      // without a program here the driver does not take frames back
      attachXdp(frame.program('bench_drop').fd, wire, 'native'),
      attachTcx(node.program('cil_from_netdev'), devices.eth0, 'ingress'),
      attachTcx(node.program('cil_to_netdev'), devices.eth0, 'egress'),
    ]
    try {
      const before = passed(node)
      const start = process.hrtime.bigint()
      runXdpProgram(send, packet, {ingressIfindex: wire}, {repeat: frames, live: true})
      const took = Number(process.hrtime.bigint() - start)
      const share = (passed(node) - before) / frames
      const dropped = driver === frame.program('bench_drop').fd
      if (!dropped && share < 0.9) throw new Error(`only ${Math.round(share * 100)} % of the frames got through`)
      return took / (dropped ? frames : share * frames)
    } finally {
      for (const link of links) closeFd(link)
    }
  }
  const nothing = () => through(frame.program('bench_drop').fd)
  return [
    {
      name: `${v} frames, XDP`,
      note: 'over dropping them in the driver',
      run: () => through(node.program('cil_xdp_entry')) - nothing(),
    },
    {
      name: `${v} frames, tc`,
      note: 'over dropping them in the driver',
      run: () => through(frame.program('bench_pass').fd) - nothing(),
    },
  ]
}

/** Packets that all flows have counted. */
function passed(node: BpfNode): number {
  return node.flows().reduce((sum, {flow}) => sum + Number(flow.packets), 0)
}
