/** What the programs tell: exact counters, events with who and why, and how much of it at which level. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {COUNTER_DIRECTIONS} from '../../src/datapath/gen/constants.ts'
import {
  direction,
  dropReason,
  eventFlags,
  eventType,
  ruleSetNumber,
  tracePoint,
  traceReason,
} from '../../src/datapath/gen/enums.ts'
import {type Event, eventCodec} from '../../src/datapath/gen/types.ts'
import {Ip} from '../../src/model/ip.ts'
import {BpfNode, devices, identities, plans} from './node.ts'
import {NodeServices} from './services.ts'
import {answer} from './support/answer.ts'
import {icmp, tcp, udp} from './support/packet.ts'

let node: BpfNode
let everything: BpfNode
let services: NodeServices
beforeAll(async () => {
  node = await BpfNode.make('event', {config: {services: 1}})
  services = new NodeServices(node)
  everything = await BpfNode.make('event-all', {config: {monitorLevel: 0}})
})
afterAll(() => {
  services?.close()
  node?.close()
  everything?.close()
})
beforeEach(() => {
  services.reset()
  for (const one of [node, everything]) {
    one.reset()
    one.takeEvents()
  }
})

const ip = (bytes: Uint8Array) => Ip.fromBytes(bytes).toString()

function counter(reason: number, which: number): {packets: number; bytes: number} {
  const perCpu = node.metrics.get(reason * COUNTER_DIRECTIONS + which) ?? []
  return perCpu.reduce((sum, {packets, bytes}) => ({packets: sum.packets + packets, bytes: sum.bytes + bytes}), {
    packets: 0,
    bytes: 0,
  })
}

describe.each(plans)('IPv$family', ({family, a, b, outside, end}) => {
  const told = (events: readonly Event[]) => events.map((event) => [event.type, event.point, event.reason])

  test('a forwarded packet is told with both ends', () => {
    node.fromPod('a', tcp(end(a, 4000), end(b, 80)).syn().ttl(60))

    const [event, ...more] = node.takeEvents()

    expect(more).toEqual([])
    expect(event).toMatchObject({
      type: eventType.EVENT_TRACE,
      point: tracePoint.TRACE_TO_ENDPOINT,
      reason: traceReason.TRACE_NEW,
      sport: 4000,
      dport: 80,
      proto: 6,
      tcpFlags: 2,
      ttl: 60,
      srcIdentity: identities.a,
      dstIdentity: identities.b,
      srcEndpoint: 1,
      dstEndpoint: 2,
      ifindex: devices.b,
      direction: direction.DIR_EGRESS,
      length: 14 + (family === 4 ? 20 : 40) + 20,
    })
    expect([ip(event!.src), ip(event!.dst)]).toEqual([a, b])
    expect((event!.flags & eventFlags.EVENT_IPV6) !== 0).toBe(family === 6)
  })

  test('at medium aggregation: the first of each direction, and each TCP flag once', () => {
    const request = tcp(end(a, 4000), end(b, 80))
    const reply = tcp(end(b, 80), end(a, 4000))
    node.fromPod('a', request.syn())
    node.fromPod('b', reply.synAck())
    for (let i = 0; i < 5; i++) node.fromPod('a', request.push('x'))
    for (let i = 0; i < 5; i++) node.fromPod('b', reply.ack())
    node.fromPod('a', request.fin())
    node.fromPod('a', request.fin())

    const events = node.takeEvents()

    expect(events.map(({reason, tcpFlags}) => [reason, tcpFlags])).toEqual([
      [traceReason.TRACE_NEW, 0x02],
      [traceReason.TRACE_REPLY, 0x12],
      [traceReason.TRACE_ESTABLISHED, 0x11],
    ])
  })

  test('without aggregation every packet is told', () => {
    for (let i = 0; i < 4; i++) everything.fromPod('a', udp(end(a, 4000), end(b, 53)))

    expect(everything.takeEvents()).toHaveLength(4)
  })

  test('a drop is told with its reason, and never aggregated', () => {
    node.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})
    node.fromPod('a', udp(end(a, 4000), end(b, 53)))
    node.fromPod('a', udp(end(a, 4000), end(b, 53)))

    const drops = node.takeEvents().filter(({type}) => type === eventType.EVENT_DROP)

    expect(drops).toHaveLength(2)
    expect(drops[0]).toMatchObject({
      point: dropReason.DROP_POLICY_DENIED,
      direction: direction.DIR_INGRESS,
      srcIdentity: identities.a,
      dstIdentity: identities.b,
    })
  })

  test('points and reasons say where a packet went', () => {
    const out = node.fromPod('a', udp(end(a, 40000), end(outside, 53)))
    node.fromNet(answer(out.packet))
    const ping = node.fromPod('a', icmp(a, b).echo(3))
    node.fromPod('b', answer(ping.packet))

    expect(told(node.takeEvents())).toEqual([
      [eventType.EVENT_TRACE, tracePoint.TRACE_TO_NETWORK, traceReason.TRACE_NEW],
      [eventType.EVENT_TRACE, tracePoint.TRACE_TO_ENDPOINT, traceReason.TRACE_REPLY],
      [eventType.EVENT_TRACE, tracePoint.TRACE_TO_ENDPOINT, traceReason.TRACE_NEW],
      [eventType.EVENT_TRACE, tracePoint.TRACE_TO_ENDPOINT, traceReason.TRACE_REPLY],
    ])
  })

  test('a packet to a service is told with client, backend and the service between them', () => {
    const vip = family === 4 ? '10.96.0.10' : 'fd00:96::10'
    services.add(end(vip, 80), [end(b, 8080)], {service: 77})
    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    node.fromPod('b', answer(request.packet).synAck())
    node.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})
    node.fromPod('a', tcp(end(a, 40002), end(vip, 80)).syn())
    services.add(end(vip, 81), [], {service: 78})
    node.fromPod('a', tcp(end(a, 40003), end(vip, 81)).syn())

    const seen = node.takeEvents().filter(({type}) => type !== eventType.EVENT_VERDICT)

    expect(
      seen.map((event) => [
        `${ip(event.src)} ${event.sport} > ${ip(event.dst)} ${event.dport}`,
        `${ip(event.orig)} ${event.origPort}`,
        event.service,
        (event.flags & eventFlags.EVENT_ORIGINAL) !== 0,
      ]),
    ).toEqual([
      [`${a} 40001 > ${b} 8080`, `${vip} 80`, 77, true],
      [`${b} 8080 > ${a} 40001`, `${vip} 80`, 77, true],
      [`${a} 40002 > ${b} 8080`, `${vip} 80`, 77, true],
      [`${a} 40003 > ${vip} 81`, `${vip} 81`, 78, true],
    ])
  })

  test('counters are exact by reason and direction', () => {
    const forwarded = counter(0, direction.DIR_EGRESS)
    const denied = counter(dropReason.DROP_POLICY_DENIED, direction.DIR_INGRESS)
    const foreign = counter(dropReason.DROP_INVALID_SOURCE_IP, direction.DIR_EGRESS)
    const packet = udp(end(a, 4000), end(b, 53)).data(100)
    const size = packet.bytes.length

    for (let i = 0; i < 7; i++) node.fromPod('a', packet)
    node.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})
    for (let i = 0; i < 3; i++) node.fromPod('a', packet)
    node.fromPod('a', udp(end(b, 4000), end(outside, 53)))

    const since = (now: {packets: number; bytes: number}, then: {packets: number; bytes: number}) => [
      now.packets - then.packets,
      now.bytes - then.bytes,
    ]
    expect(since(counter(0, direction.DIR_EGRESS), forwarded)).toEqual([7, 7 * size])
    expect(since(counter(dropReason.DROP_POLICY_DENIED, direction.DIR_INGRESS), denied)).toEqual([3, 3 * size])
    expect(counter(dropReason.DROP_INVALID_SOURCE_IP, direction.DIR_EGRESS).packets - foreign.packets).toBe(1)
  })
})

test('a full ring loses events and counts them: written is delivered, the rest is lost', () => {
  const before = everything.events.counts()
  const delivered = everything.events.delivered
  const packet = udp('10.0.1.10:4000', '10.0.1.11:53')
  // more than there is room for: each record has a header besides
  const runs = Math.ceil(everything.events.capacity / eventCodec.size / 1000)
  for (let i = 0; i < runs; i++) everything.fromPod('a', packet.ttl(255), {}, 1000)

  const after = everything.events.counts()
  everything.events.poll(() => {})

  expect(after.lost).toBeGreaterThan(before.lost)
  expect(after.written - before.written).toBe(everything.events.delivered - delivered)
  expect(after.written + after.lost - before.written - before.lost).toBeGreaterThan(1000 * runs - 1)
})
