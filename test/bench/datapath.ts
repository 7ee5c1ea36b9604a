/**
 * What a packet costs in each program, by path and family: BPF_PROG_TEST_RUN on the same packet again and again, over
 * an empty program with the same preparation. All paths take turns.
 */
import {resolve} from 'node:path'
import {loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {addr, BpfNode, devices, type Hook, macs, type Plan, plans} from '../bpf/node.ts'
import {answer} from '../bpf/support/answer.ts'
import {type Packet, tcp, udp} from '../bpf/support/packet.ts'
import type {BenchRow} from './rows.ts'
import {againShape, againValue, targetShape} from './support/same-packet.ts'

const rounds = 9
const repeat = 20_000
/** New flows are measured in small portions: a flood of them would be refused. */
const newFlows = 1000

interface Path {
  readonly name: string
  readonly node: BpfNode
  readonly hook: Hook
  readonly ifindex: number
  readonly packet: Packet | Uint8Array
  readonly tunnel?: {readonly remote: string; readonly identity: number}
  /** every packet begins a flow: offset of the port that changes */
  readonly portAt?: number
}

export default async function bench(): Promise<BenchRow[]> {
  const quiet = {test: 0, monitorLevel: 3, flowShards: 64}
  const native = await BpfNode.make('bench-native', {config: quiet})
  const tunnel = await BpfNode.make('bench-tunnel', {config: {...quiet, tunnel: 1}})
  const told = await BpfNode.make('bench-told', {config: {...quiet, monitorLevel: 0}})
  const entry = loadObject(resolve(import.meta.dirname, '../../dist/test/datapath/bench_entry.o'))
  const again = entry.map(againShape)
  const target = entry.map(targetShape)
  const {fd} = entry.program('bench_entry')
  const nothing = entry.program('bench_nothing').fd
  try {
    const paths = plans.flatMap((plan) => pathsOf(plan, native, tunnel, told))
    const results = new Map(paths.map((path) => [path, [] as number[]]))
    for (let round = 0; round <= rounds; round++) {
      for (const path of paths) {
        again.put(0, encode(path))
        const count = path.portAt === undefined ? repeat : newFlows
        if (path.portAt !== undefined) path.node.flush()
        const frame = path.packet instanceof Uint8Array ? path.packet : path.packet.bytes
        const measure = (program: number) => {
          target.put(0, program)
          return path.node.inside(() => runSkbProgram(fd, frame, {ifindex: path.ifindex}, {repeat: count}).durationNs)
        }
        const cost = measure(path.node.program(path.hook)) - measure(nothing)
        if (path.portAt !== undefined) path.node.flush()
        if (round > 0) results.get(path)!.push(cost)
      }
    }
    return paths.map((path) => {
      const all = results.get(path)!.sort((x, y) => x - y)
      return {
        name: path.name,
        unit: 'ns',
        median: all[Math.floor(all.length / 2)]!,
        min: all[0]!,
        max: all.at(-1)!,
        runs: rounds,
        note: path.hook,
      }
    })
  } finally {
    for (const map of [again, target]) map.close()
    entry.close()
    for (const node of [native, tunnel, told]) node.close()
  }
}

/** Makes the flows that the paths go by, and names the paths. */
function pathsOf(plan: Plan, native: BpfNode, tunnel: BpfNode, told: BpfNode): Path[] {
  const {family, a, b, remote, node: own, outside, end} = plan
  const v = `IPv${family}`
  const fromPod = (packet: Packet) => packet.mac(macs.a.pod, macs.a.node)
  const talk = (node: BpfNode, to: string, back: (reply: Packet) => unknown) => {
    const syn = tcp(end(a, 40001), end(to, 80)).syn()
    const sent = node.fromPod('a', syn)
    back(answer(sent.packet).synAck())
    node.fromPod('a', tcp(end(a, 40001), end(to, 80)).ack())
    return answer(sent.packet).ack()
  }
  const local = talk(native, b, (reply) => native.fromPod('b', reply))
  talk(told, b, (reply) => told.fromPod('b', reply))
  const fromRemote = talk(native, remote, (reply) => native.fromNet(reply))
  const fromOutside = talk(native, outside, (reply) => native.fromNet(reply))
  const fromTunnel = talk(tunnel, remote, (reply) => tunnel.fromOverlay(reply))
  talk(native, own, (reply) => native.toPod('a', reply))
  native.toNet(tcp(end(own, 45000), end(outside, 443)).syn())
  const data = (to: string) => fromPod(tcp(end(a, 40001), end(to, 80)).push('x'))
  const pod = {hook: 'cil_from_container', ifindex: devices.a} as const
  const wire = {hook: 'cil_from_netdev', ifindex: devices.eth0} as const
  const out = {hook: 'cil_to_netdev', ifindex: devices.eth0} as const
  const portAt = 14 + (family === 4 ? 20 : 40)
  return [
    {name: `${v} pod to pod, established`, node: native, ...pod, packet: data(b)},
    {name: `${v} pod to pod, established, every packet told`, node: told, ...pod, packet: data(b)},
    {
      name: `${v} pod answers pod`,
      node: native,
      hook: 'cil_from_container',
      ifindex: devices.b,
      packet: local.mac(macs.b.pod, macs.b.node),
    },
    {name: `${v} pod to its node`, node: native, ...pod, packet: data(own)},
    {
      name: `${v} node to its pod`,
      node: native,
      hook: 'cil_to_container',
      ifindex: devices.a,
      packet: tcp(end(own, 80), end(a, 40001)).ack(),
    },
    {name: `${v} pod to another node's pod, routed`, node: native, ...pod, packet: data(remote)},
    {name: `${v} another node's pod to pod, routed`, node: native, ...wire, packet: fromRemote},
    {name: `${v} pod to another node's pod, overlay`, node: tunnel, ...pod, packet: data(remote)},
    {
      name: `${v} another node's pod to pod, overlay`,
      node: tunnel,
      hook: 'cil_from_overlay',
      ifindex: devices.overlay,
      packet: fromTunnel,
      tunnel: {remote: '192.168.0.2', identity: 2001},
    },
    {name: `${v} pod to outside, masqueraded`, node: native, ...pod, packet: data(outside)},
    {name: `${v} outside to pod, masqueraded`, node: native, ...wire, packet: fromOutside},
    {
      name: `${v} outside to a server on the node`,
      node: native,
      ...wire,
      packet: tcp(end(outside, 5000), end(own, 22)).ack(),
    },
    {
      name: `${v} a server on the node to outside`,
      node: native,
      ...out,
      packet: tcp(end(own, 22), end(outside, 5000)).ack(),
    },
    {
      name: `${v} a client on the node to outside`,
      node: native,
      ...out,
      packet: tcp(end(own, 45000), end(outside, 443)).ack(),
    },
    {
      name: `${v} new flow, pod to pod`,
      node: tunnel,
      ...pod,
      packet: fromPod(udp(end(a, 1), end(b, 53)).data('q')),
      portAt,
    },
    {
      name: `${v} new flow, masqueraded`,
      node: tunnel,
      ...pod,
      packet: fromPod(udp(end(a, 1), end(outside, 53)).data('q')),
      portAt,
    },
  ]
}

/** struct again of bench_entry.c */
function encode({packet, tunnel, portAt}: Path): Uint8Array {
  const frame = packet instanceof Uint8Array ? packet : packet.bytes
  const value = againValue(frame)
  const view = new DataView(value.buffer)
  if (tunnel) value.set(addr(tunnel.remote), 128)
  view.setUint32(144, tunnel?.identity ?? 0, true)
  view.setUint32(152, portAt ?? 0, true)
  view.setUint32(156, 33000, true)
  return value
}
