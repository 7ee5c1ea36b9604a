/**
 * Packets that nobody should send, each judged by an oracle that shares nothing with the programs: pass with exactly
 * this rewrite, or drop for exactly this reason. PACKETS and SEED choose how many and which.
 */
import {afterAll, beforeAll, expect, test} from 'vitest'
import type {SkbContext} from '../../src/kernel/bpf/test-run.ts'
import {Ip} from '../../src/model/ip.ts'
import {Mac} from '../../src/model/mac.ts'
import {type FamilyWorld, Oracle, type World} from '../support/packet-oracle/oracle.ts'
import {BpfNode, devices, macs, type Plan, plans} from './node.ts'
import {malformed} from './support/malformed.ts'
import {arp, frame, icmpError, neighbourAdvertisement, neighbourSolicitation} from './support/messages.ts'
import {fragments, icmp, type Packet, protocols, rawIp, tcp, udp} from './support/packet.ts'

const wanted = Number(process.env['PACKETS'] ?? 1_000_000)
const seed = Number(process.env['SEED'] ?? 1)
/** An unasked-for run ends after a minute, whatever the machine has to do besides. */
const budgetMs = process.env['PACKETS'] ? Number.POSITIVE_INFINITY : 60_000
/** Flows are forgotten before a flood of unanswered ones would be refused. */
const packetsPerRound = 4000

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('malformed', {config: {flowShards: 32, eventDrop: 0, eventTrace: 0, defrag: 0}})
})
afterAll(() => node?.close())

const value = (ip: string) => BigInt(`0x${Buffer.from(Ip.of(ip).toBytes()).toString('hex')}`)
const macValue = (mac: string) => BigInt(`0x${Buffer.from(Mac.of(mac).toBytes()).toString('hex')}`)

function familyWorld(plan: Plan): FamilyWorld {
  const four = plan.family === 4
  const bits = four ? 32 : 128
  const range = (network: string, length: number) => ({network: value(network), hostBits: BigInt(bits - length)})
  const local = (network: string, length = bits) => ({...range(network, length), via: 'local' as const})
  const out = (network: string, length: number, via: 'eth0' | 'unmanaged' | 'unreachable') => ({
    ...range(network, length),
    via,
  })
  return {
    pod: value(plan.a),
    gateway: value(plan.router),
    own: [value(plan.node), value(plan.router)],
    local: new Map(
      (['a', 'b'] as const).map((name) => [
        value(plan[name]),
        {name, dst: macValue(macs[name].pod), src: macValue(macs[name].node)},
      ]),
    ),
    exempt: [value(plan.remote), value(plan.node2)],
    native: four ? range('10.0.0.0', 16) : range('fd00::', 16),
    masqueradeAs: value(plan.node),
    routes: four
      ? [
          ...['192.168.0.255', '172.16.0.1', '172.16.0.255'].map((ip) => local(ip)),
          local('127.0.0.0', 8),
          out('10.0.1.0', 24, 'unreachable'),
          out('172.16.0.0', 24, 'unmanaged'),
          out('0.0.0.0', 0, 'eth0'),
        ]
      : [
          ...['fd01::', 'fd02::', 'fd02::1', '::1'].map((ip) => local(ip)),
          out('fd00:1::', 64, 'unreachable'),
          out('fd02::', 64, 'unmanaged'),
          out('::', 0, 'eth0'),
        ],
  }
}

const world: World = {
  podMac: macValue(macs.a.pod),
  nodeMac: macValue(macs.a.node),
  family: {4: familyWorld(plans[0]!), 6: familyWorld(plans[1]!)},
}

function chained(packet: Packet, headers: number): Packet {
  const kinds = [protocols.hopByHop, protocols.destination, protocols.routing, protocols.authentication]
  return Array.from({length: headers}, (_, i) => kinds[i % kinds.length]!).reduce(
    (long, kind) => long.extension(kind, kind === protocols.routing ? [2, 0, 0, 0, 0, 0] : new Uint8Array(6)),
    packet,
  )
}

/** What pod a might send, sound: the generator takes it from here. */
function sound(plan: Plan): Packet[] {
  const {a, b, remote, node: own, outside, end} = plan
  const targets = [b, remote, own, outside]
  const each = (make: (to: string) => Packet) => targets.map(make)
  const packets = [
    ...each((to) => tcp(end(a, 40001), end(to, 443)).push('some payload').tcpOptions(2, 4, 5, 180)),
    ...each((to) => udp(end(a, 40001), end(to, 53)).data('a question')),
    ...each((to) => icmp(a, to).echo(77, 1).data('ping')),
    ...each((to) => rawIp(a, to, protocols.sctp).data(Uint8Array.of(156, 65, 0, 80, ...new Array(20).fill(1)))),
    ...each((to) => fragments(udp(end(a, 40001), end(to, 53)).data(64), 32, 4711)[0]!),
    ...each((to) => fragments(udp(end(a, 40001), end(to, 53)).data(64), 32, 4711)[1]!),
    udp(end(a, 22), end(outside, 53)).data('low port'),
    udp(end(a, 40001), end(plan.family === 4 ? '172.16.0.9' : 'fd02::9', 53)).data('by an unknown device'),
    udp(end(a, 40001), end(b, 53)).data('last hop').ttl(1),
    icmpError('port-unreachable', a, udp(end(outside, 7), end(a, 7)).data('?')),
    icmpError('port-unreachable', a, udp(end(b, 7), end(a, 7)).data('?')),
  ]
  const family =
    plan.family === 4
      ? [udp(end(a, 40001), end(outside, 53)).options(7, 3, 4, 0).data('with options'), tcp(end(a, 1), end(b, 2)).syn()]
      : [
          tcp(end(a, 40001), end(b, 443)).syn().extension(protocols.hopByHop).extension(protocols.destination),
          udp(end(a, 40001), end(outside, 53)).extension(protocols.routing, [4, 0, 0, 0, 0, 0]).data('x'),
          tcp(end(a, 40001), end(remote, 1)).ack().extension(protocols.authentication, new Uint8Array(22)),
          chained(tcp(end(a, 40001), end(b, 443)).syn(), 8),
          chained(udp(end(a, 40001), end(outside, 443)).data('x'), 7).fragment(0, true, 9),
          neighbourSolicitation({ip: a, mac: macs.a.pod}, plan.router),
          neighbourAdvertisement({ip: a, mac: macs.a.pod}, {ip: 'fe80::1', mac: macs.a.node}),
        ]
  return [...packets, ...family].map((packet) =>
    packet.spec.ip.ttl === 255 ? packet : packet.mac(macs.a.pod, macs.a.node),
  )
}

/** A frame that no builder makes. */
function verbatim(bytes: Uint8Array): Packet {
  const packet = tcp('10.0.0.1:1', '10.0.0.2:2')
  Object.defineProperty(packet, 'bytes', {value: bytes})
  return packet
}

test(`malformed packets by the million pass or drop as they should (seed ${seed})`, {timeout: 3_600_000}, () => {
  const oracle = new Oracle(world)
  const question = arp('request', {ip: plans[0]!.a, mac: macs.a.pod}, {ip: plans[0]!.router})
  const tagged = frame(0x8100, new Uint8Array(40), {src: macs.a.pod, dst: macs.a.node})
  const packets = malformed([...plans.flatMap(sound), verbatim(question), verbatim(tagged)], seed)
  const counts = new Map<string, number>()
  const context: SkbContext = {ifindex: devices.a}
  const started = Date.now()
  let count = 0

  // the kernel's test run takes no frame that is too short for its own IP header
  const next = () => {
    for (;;) {
      const packet = packets.next().value
      const type = packet[12]! * 256 + packet[13]!
      if (packet.length >= (type === 0x0800 ? 34 : type === 0x86dd ? 54 : 15)) return packet
    }
  }

  while (count < wanted && Date.now() - started < budgetMs) {
    node.flush()
    oracle.forget()
    node.runMany('cil_from_container', packetsPerRound, context, next, (sent, deed) => {
      let outcome: string
      try {
        outcome = oracle.judge(sent, deed)
      } catch (thrown) {
        const [from, to] = [sent, deed.packet].map((bytes) => Buffer.from(bytes).toString('hex'))
        throw new Error(`packet ${count} of seed ${seed}: ${(thrown as Error).message}\n  sent ${from}\n  left ${to}`)
      }
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
      count++
    })
  }

  const rows = [...counts].sort(([, x], [, y]) => y - x)
  console.log(`${count} packets in ${((Date.now() - started) / 1000).toFixed(1)} s, seed ${seed}`)
  for (const [outcome, times] of rows) console.log(`${String(times).padStart(9)}  ${outcome}`)
  const dropped = rows.reduce((sum, [outcome, times]) => sum + (outcome.startsWith('drop') ? times : 0), 0)
  expect(1 - dropped / count).toBeGreaterThan(1 / 3)
  expect(counts.size).toBeGreaterThan(20)
  expect(count).toBeGreaterThan(20_000)
})
