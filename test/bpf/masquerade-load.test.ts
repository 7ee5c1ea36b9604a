/** Very many flows to one destination behind one address. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {BpfNode, devices, macs, plans} from './node.ts'
import './support/match.ts'
import {tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

const each = 30_000
const firstPort = 20_000

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('load', {
    config: {flowShards: 256, natPortMin: 32_768, natPortMax: 65_535, natLowMin: 1024, natLowMax: 29_999},
  })
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({a, b, outside, node: host, end}) => {
  test('60 000 flows of two pods with the same ports find ports of their own', () => {
    const ports = new Set<number>()
    const reasons = new Map<string, number>()
    for (const [pod, from] of [
      ['a', a],
      ['b', b],
    ] as const) {
      let i = 0
      node.runMany(
        'cil_from_container',
        each,
        {ifindex: devices[pod]},
        () => udp(end(from, firstPort + i++), end(outside, 53)).mac(macs[pod].pod, macs[pod].node).bytes,
        (_, {action, reason, packet}) => {
          if (action === 'neighbour') ports.add(parsePacket(packet).transport!.sport)
          else reasons.set(reason || action, (reasons.get(reason || action) ?? 0) + 1)
        },
      )
    }

    expect([...reasons]).toEqual([])
    expect(ports.size).toBe(2 * each)
  })

  test('a flood of connections that nobody answers is refused with its reason, and those that stand go on', () => {
    const live = tcp(end(a, 19_000), end(outside, 443))
    const opened = node.fromPod('a', live.syn())
    const {sport} = parsePacket(opened.packet).transport!
    node.fromNet(tcp(end(outside, 443), end(host, sport)).synAck())
    node.fromPod('a', tcp(end(a, 19_000), end(outside, 443)).ack())
    const met = new Map<string, number>()
    let i = 0
    node.runMany(
      'cil_from_container',
      180_000,
      {ifindex: devices.b},
      () => {
        const destination = end(outside, 1 + Math.floor(i / 60_000))
        return tcp(end(b, 1024 + (i++ % 60_000)), destination)
          .syn()
          .mac(macs.b.pod, macs.b.node).bytes
      },
      (_, {action, reason}) => met.set(reason || action, (met.get(reason || action) ?? 0) + 1),
    )

    expect([...met.keys()].sort()).toEqual(['TOO_MANY_UNANSWERED', 'neighbour'])
    expect(met.get('TOO_MANY_UNANSWERED')).toBeGreaterThan(10_000)
    expect(node.fromPod('a', tcp(end(a, 19_000), end(outside, 443)).push('still'))).toMatchPacket({
      src: end(host, sport),
      payload: 'still',
    })
    expect(node.fromNet(tcp(end(outside, 443), end(host, sport)).push('here'))).toMatchPacket({dst: end(a, 19_000)})
  })
})
