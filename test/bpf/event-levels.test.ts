/** How much the programs tell: levels of aggregation, and the first bytes of packets when they are asked for. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {eventType, monitorLevel, ruleSetNumber, tracePoint, traceReason} from '../../src/datapath/gen/enums.ts'
import {type EventSample, eventCodec, eventSampleCodec} from '../../src/datapath/gen/types.ts'
import {BpfNode, plans} from './node.ts'
import {tcp, udp} from './support/packet.ts'

const payloadBytes = 96
const levels = [
  ['low', monitorLevel.MONITOR_LOW],
  ['maximum', monitorLevel.MONITOR_MAXIMUM],
] as const

const nodes = new Map<string, BpfNode>()
beforeAll(async () => {
  for (const [name, level] of levels) {
    nodes.set(name, await BpfNode.make(`event-${name}`, {config: {monitorLevel: level}}))
  }
  nodes.set('payload', await BpfNode.make('event-payload', {config: {monitorLevel: 0, eventPayload: payloadBytes}}))
})
afterAll(() => {
  for (const node of nodes.values()) node.close()
})
beforeEach(() => {
  for (const node of nodes.values()) {
    node.reset()
    node.takeEvents()
  }
})

function takeSamples(node: BpfNode): EventSample[] {
  const samples: EventSample[] = []
  node.events.poll((view, offset, length) => {
    expect(length).toBe(eventSampleCodec.size)
    samples.push(eventSampleCodec.decode(view, offset))
  })
  return samples
}

describe.each(plans)('IPv$family', ({family, a, b, end}) => {
  // of the header of UDP: what is before it changes on the way
  const l4 = 14 + (family === 4 ? 20 : 40)
  const request = tcp(end(a, 4000), end(b, 80))
  const reply = tcp(end(b, 80), end(a, 4000))

  test('at low aggregation every packet is told where it goes, and none where it comes from', () => {
    const node = nodes.get('low')!
    node.fromPod('a', request.syn())
    node.fromPod('b', reply.synAck())
    for (let i = 0; i < 3; i++) node.fromPod('a', request.push('x'))

    const events = node.takeEvents()

    expect(events.map(({point, reason}) => [point, reason])).toEqual([
      [tracePoint.TRACE_TO_ENDPOINT, traceReason.TRACE_NEW],
      [tracePoint.TRACE_TO_ENDPOINT, traceReason.TRACE_REPLY],
      ...Array(3).fill([tracePoint.TRACE_TO_ENDPOINT, traceReason.TRACE_ESTABLISHED]),
    ])
  })

  test('at maximum aggregation: the first of each direction, and each TCP flag once', () => {
    const node = nodes.get('maximum')!
    node.fromPod('a', request.syn())
    node.fromPod('b', reply.synAck())
    for (let i = 0; i < 3; i++) node.fromPod('a', request.push('x'))
    for (let i = 0; i < 3; i++) node.fromPod('b', reply.ack())
    node.fromPod('a', request.fin())

    expect(node.takeEvents().map(({reason, tcpFlags}) => [reason, tcpFlags])).toEqual([
      [traceReason.TRACE_NEW, 0x02],
      [traceReason.TRACE_REPLY, 0x12],
      [traceReason.TRACE_ESTABLISHED, 0x11],
    ])
  })

  test('events carry as many bytes of their packets as are asked for', () => {
    const node = nodes.get('payload')!
    const packet = udp(end(a, 4000), end(b, 53)).data(100)
    node.fromPod('a', packet)

    const [sample, ...more] = takeSamples(node)

    expect(more).toEqual([])
    expect(sample!.event.type).toBe(eventType.EVENT_TRACE)
    expect(sample!.captured).toBe(payloadBytes)
    expect([...sample!.bytes.subarray(l4, payloadBytes)]).toEqual([...packet.bytes.subarray(l4, payloadBytes)])
  })

  test('a drop carries them too', () => {
    const node = nodes.get('payload')!
    node.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})
    const packet = udp(end(a, 4000), end(b, 53)).data(100)
    node.fromPod('a', packet)

    const drop = takeSamples(node).find(({event}) => event.type === eventType.EVENT_DROP)

    expect(drop!.captured).toBe(payloadBytes)
    expect([...drop!.bytes.subarray(l4, payloadBytes)]).toEqual([...packet.bytes.subarray(l4, payloadBytes)])
  })
})

test('a short packet gives what it has', () => {
  const node = nodes.get('payload')!
  const packet = udp('10.0.1.10:4000', '10.0.1.11:53').data(1)
  node.fromPod('a', packet)

  const [sample] = takeSamples(node)

  expect(packet.bytes.length).toBeLessThan(payloadBytes)
  expect(sample!.captured).toBe(packet.bytes.length)
})

test('nobody who does not ask gets any', () => {
  const node = nodes.get('low')!
  node.fromPod('a', udp('10.0.1.10:4000', '10.0.1.11:53').data(100))

  node.events.poll((_, __, length) => expect(length).toBe(eventCodec.size))
  expect.assertions(1)
})
