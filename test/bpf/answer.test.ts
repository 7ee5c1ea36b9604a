/** Out of hops, too large for the way: what a pod is told, and what is left to the node's stack. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {BpfNode, macs, plans} from './node.ts'
import './support/match.ts'
import {icmpError} from './support/messages.ts'
import {fragments, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

let node: BpfNode
let tunnel: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('answer', {mtu: 1400})
  tunnel = await BpfNode.make('answer-tunnel', {config: {tunnel: 1}})
})
afterAll(() => {
  node?.close()
  tunnel?.close()
})
beforeEach(() => {
  node.reset()
  tunnel.reset()
})

describe.each(plans)('IPv$family', ({family, a, b, remote, router, node: own, outside, end}) => {
  const exceeded = family === 4 ? {type: 11, code: 0} : {type: 3, code: 0}
  const tooBig = family === 4 ? {type: 3, code: 4} : {type: 2, code: 0}

  test.each([
    ['a pod of this node', end(b, 33434)],
    ['a pod of another node', end(remote, 33434)],
    ['outside', end(outside, 33434)],
  ])('on the last hop to %s the gateway answers', (_, to) => {
    const probe = udp(end(a, 40001), to).data('traceroute probe of some length').ttl(1)

    const answered = node.fromPod('a', probe)

    expect(answered).toMatchObject({action: 'peer', to: 'a', reason: 'TTL_EXCEEDED'})
    expect(answered).toMatchPacket({
      src: router,
      dst: a,
      macSource: macs.a.node,
      macDestination: macs.a.pod,
      ttl: 64,
      icmp: exceeded,
      inner: {src: end(a, 40001), dst: to, ttl: 1},
    })
  })

  test('the node itself is not a hop away', () => {
    expect(node.fromPod('a', udp(end(a, 1), end(own, 53)).ttl(1))).toMatchObject({action: 'pass'})
  })

  test('packets from elsewhere without a hop left are for the stack to answer', () => {
    node.fromPod('a', udp(end(a, 40001), end(outside, 53)))

    expect(node.fromNet(udp(end(remote, 1), end(b, 53)).ttl(1))).toMatchObject({action: 'pass'})
    const reply = node.fromNet(udp(end(outside, 53), end(own, 40001)).ttl(1))
    expect(reply).toMatchObject({action: 'pass'})
    expect(reply).toMatchPacket({dst: end(a, 40001), ttl: 1})
  })

  test('errors and later pieces are not answered', () => {
    const about = udp(end(b, 53), end(a, 40001))
    node.fromPod('b', about)
    const error = icmpError('port-unreachable', a, about.ttl(63)).ttl(1)
    expect(node.fromPod('a', error)).toMatchObject({action: 'drop', reason: 'TTL_EXCEEDED'})

    const pieces = fragments(udp(end(a, 40001), end(b, 53)).data(3000).ttl(1), 1200)
    expect(node.fromPod('a', pieces[0]!)).toMatchObject({action: 'peer', to: 'a'})
    expect(node.fromPod('a', pieces[1]!)).toMatchObject({action: 'drop', reason: 'TTL_EXCEEDED'})
  })

  test.each([20, 100, 700, 1300])('the quote of a packet of %i bytes is sound', (size) => {
    const answered = node.fromPod('a', udp(end(a, 40001), end(b, 1)).data(size).ttl(1))

    const parsed = parsePacket(answered.packet)
    expect(parsed.problems).toEqual([])
    expect(parsed.inner?.src).toBe(end(a, 40001))
    expect(answered.packet.length).toBeLessThanOrEqual(14 + (family === 4 ? 576 : 1280))
  })

  test('a packet that does not fit the way is answered with what does', () => {
    const large = tcp(end(a, 40001), end(outside, 443))
      .ack()
      .data(1500 - (family === 4 ? 40 : 60))
      .dontFragment()

    const answered = node.fromPod('a', large)

    expect(answered).toMatchObject({action: 'peer', to: 'a', reason: 'FRAGMENTATION_NEEDED'})
    expect(answered).toMatchPacket({
      src: router,
      dst: a,
      icmp: {...tooBig, mtu: 1400},
      inner: {src: end(a, 40001), dst: end(outside, 443)},
    })
  })

  test('one that just fits passes', () => {
    const fits = 1400 - (family === 4 ? 40 : 60)
    const sent = (bytes: number) => tcp(end(a, 40001), end(outside, 443)).ack().data(bytes).dontFragment()

    expect(node.fromPod('a', sent(fits))).toMatchObject({action: 'neighbour'})
    expect(node.fromPod('a', sent(fits + 1))).toMatchObject({reason: 'FRAGMENTATION_NEEDED'})
  })

  test('the overlay takes what fits beside its own headers', () => {
    const fits = 1450 - (family === 4 ? 28 : 48)
    const sent = (bytes: number) => udp(end(a, 40001), end(remote, 443)).data(bytes).dontFragment()

    expect(tunnel.fromPod('a', sent(fits))).toMatchObject({action: 'redirect'})
    const answered = tunnel.fromPod('a', sent(fits + 1))
    expect(answered).toMatchObject({reason: 'FRAGMENTATION_NEEDED'})
    expect(answered).toMatchPacket({icmp: {...tooBig, mtu: 1450}})
  })

  test('of a packet that leaves in segments, the segments have to fit', () => {
    const super_ = tcp(end(a, 40001), end(outside, 443)).ack().data(3000).dontFragment()
    const headers = family === 4 ? 40 : 60
    const segments = (gsoSize: number) => node.fromPod('a', super_, {gsoSize, gsoSegments: Math.ceil(3000 / gsoSize)})

    expect(segments(1400 - headers)).toMatchObject({action: 'neighbour'})
    const answered = segments(1400 - headers + 1)
    expect(answered).toMatchObject({action: 'peer', to: 'a', reason: 'FRAGMENTATION_NEEDED'})
    expect(answered).toMatchPacket({icmp: {...tooBig, mtu: 1400}})
  })

  test('between pods of one node any size passes', () => {
    expect(node.fromPod('a', udp(end(a, 1), end(b, 2)).data(3000).dontFragment())).toMatchObject({action: 'peer'})
  })

  if (family === 4)
    test('what may be cut is left to the stack to cut', () => {
      const sent = udp(end(a, 40001), end(outside, 443)).data(1450)

      expect(node.fromPod('a', sent)).toMatchObject({action: 'pass'})
      expect(node.toNet(sent)).toMatchPacket({src: end(own, 40001)})
    })
})
