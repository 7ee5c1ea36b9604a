/** Fragments in any order, with and without a stack that reassembles. */
import {afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import {ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {BpfNode, type Outcome, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import './support/match.ts'
import {fragments, Packet, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

let plain: BpfNode
let reassembling: BpfNode
beforeAll(async () => {
  plain = await BpfNode.make('frag-plain', {config: {defrag: 0}})
  reassembling = await BpfNode.make('frag-defrag', {config: {defrag: 1}})
})
afterAll(() => {
  plain?.close()
  reassembling?.close()
})
beforeEach(() => {
  plain.reset()
  reassembling.reset()
})

/** Puts pieces that programs have rewritten together again, as the receiver would. */
function whole(outcomes: readonly Outcome[]): Packet {
  const pieces = outcomes
    .map(({packet}) => parsePacket(packet))
    .sort((x, y) => x.ip!.fragment!.offset - y.ip!.fragment!.offset)
  const first = pieces[0]!
  const body = Buffer.concat(pieces.map((piece) => piece.bytes.subarray(piece.ip!.transportOffset, piece.ip!.end)))
  const [src, dst] = [host(first.src), host(first.dst)]
  const made = udp(src, dst)
  return new Packet({...made.spec, transport: {kind: 'raw', protocol: 17}, payload: Uint8Array.from(body)})
}

const host = (end: string) => end.replace(/^\[(.*)\]:\d+$/, '$1').replace(/^([\d.]+):\d+$/, '$1')

describe.each(plans)('IPv$family', ({family, a, b, remote, node: own, outside, end}) => {
  const orders = [
    {name: 'in order', order: [0, 1, 2]},
    {name: 'the last first', order: [2, 0, 1]},
    {name: 'backwards', order: [2, 1, 0]},
  ]

  test.each([0, 1])(
    'in order they pass with the ports of the first, whether the stack reassembles (%i) or not',
    (defrag) => {
      const node = defrag ? reassembling : plain
      const sent = udp(end(a, 40001), end(outside, 53)).data(3000)

      const left = fragments(sent, 1200, 77).map((piece) => node.fromPod('a', piece))

      expect(left.map(({action}) => action)).toEqual(['neighbour', 'neighbour', 'neighbour'])
      expect(parsePacket(whole(left).bytes).problems).toEqual([])
      expect(whole(left)).toMatchPacket({src: end(own, 40001), dst: end(outside, 53)})
      expect(node.flows()).toHaveLength(2)
    },
  )

  test('answers in order are translated back', () => {
    plain.fromPod('a', udp(end(a, 22), end(outside, 53)).data('q'))
    const port = parsePacket(plain.fromPod('a', udp(end(a, 22), end(outside, 53)).data('q')).packet).transport!.sport
    const reply = fragments(udp(end(outside, 53), end(own, port)).data(3000), 1200, 5)

    const arrived = reply.map((piece) => plain.fromNet(piece))

    expect(arrived.map(({action, to}) => `${action} ${to}`)).toEqual(['peer a', 'peer a', 'peer a'])
    expect(whole(arrived)).toMatchPacket({src: end(outside, 53), dst: end(a, 22)})
  })

  test.each(orders)('between pods, where no port matters, any order passes: $name', ({order}) => {
    const pieces = fragments(udp(end(a, 40001), end(b, 53)).data(3000), 1200, 9)

    const outcomes = order.map((i) => plain.fromPod('a', pieces[i]!))

    for (const outcome of outcomes) expect(outcome).toMatchObject({action: 'peer', to: 'b'})
    expect(whole(outcomes)).toMatchPacket({src: end(a, 40001), dst: end(b, 53)})
  })

  test('without reassembly, a piece whose ports matter is refused with a reason', () => {
    const pieces = fragments(udp(end(a, 40001), end(outside, 53)).data(3000), 1200, 9)

    expect(plain.fromPod('a', pieces[1]!)).toMatchObject({
      action: 'drop',
      reason: 'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND',
    })
    const policy = new PolicyRules(plain)
    onTestFinished(() => policy.close())
    plain.pod('b', {ingressSet: policy.install([{protocol: 17, port: 53}])})
    const local = fragments(udp(end(a, 40001), end(b, 53)).data(3000), 1200, 10)
    expect(plain.fromPod('a', local[1]!)).toMatchObject({reason: 'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND'})
  })

  test('a piece before the first takes the whole datagram to the stack, which sends it on in order', () => {
    const pieces = fragments(udp(end(a, 22), end(outside, 53)).data(3000), 1200, 9)

    const met = [1, 0, 2].map((i) => reassembling.fromPod('a', pieces[i]!))
    const left = pieces.map((piece) => reassembling.toNet(piece))

    expect(met.map(({action}) => action)).toEqual(['pass', 'pass', 'pass'])
    expect(left.map(({action}) => action)).toEqual(['pass', 'pass', 'pass'])
    const port = parsePacket(left[0]!.packet).transport!.sport
    expect(port).toBeGreaterThanOrEqual(32768)
    expect(whole(left)).toMatchPacket({src: end(own, port), dst: end(outside, 53)})
  })

  test('the stack’s own pieces never leave with a pod’s address', () => {
    const pieces = fragments(udp(end(a, 22), end(outside, 53)).data(3000), 1200, 9)

    expect(reassembling.toNet(pieces[1]!)).toMatchObject({
      action: 'drop',
      reason: 'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND',
    })
  })

  test('a datagram for a pod that came in disorder is judged when the stack delivers it', () => {
    const pieces = fragments(udp(end(remote, 4000), end(b, 53)).data(3000), 1200, 9)
    const met = [2, 0, 1].map((i) => reassembling.fromNet(pieces[i]!))
    const delivered = pieces.map((piece) => reassembling.toPod('b', piece))
    reassembling.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})
    const refused = reassembling.toPod('b', udp(end(remote, 4000), end(b, 53)).data(3000))

    expect(met.map(({action}) => action)).toEqual(['pass', 'pass', 'pass'])
    expect(delivered.map(({action}) => action)).toEqual(['pass', 'pass', 'pass'])
    expect(refused).toMatchObject({reason: 'POLICY_DENIED'})
  })

  test.each(orders.slice(1))('an answer through masquerade is found again behind the stack: $name', ({order}) => {
    const request = reassembling.fromPod('a', udp(end(a, 22), end(outside, 53)).data('q'))
    const port = parsePacket(request.packet).transport!.sport
    const reply = udp(end(outside, 53), end(own, port)).data(3000)
    const nowhere = family === 4 ? '192.0.0.9' : 'fd00:dead::9'

    const met = order.map((i) => reassembling.fromNet(fragments(reply, 1200, 9)[i]!))
    // what the stack makes of it: sound but for the sum over addresses that it does not look at
    const routed = whole(met)
    const back = reassembling.fromDefrag(routed)

    expect(met.map(({action}) => action)).toEqual(['pass', 'pass', 'pass'])
    expect(routed).toMatchPacket({src: end(outside, 53), dst: end(nowhere, port), problems: ['transport-checksum']})
    expect(back).toMatchObject({action: 'peer', to: 'a'})
    expect(back).toMatchPacket({src: end(outside, 53), dst: end(a, 22)})
  })

  test('the stack may cut such an answer again', () => {
    const request = reassembling.fromPod('a', udp(end(a, 22), end(outside, 53)).data('q'))
    const port = parsePacket(request.packet).transport!.sport
    const reply = udp(end(outside, 53), end(own, port)).data(3000)
    const routed = whole([2, 1, 0].map((i) => reassembling.fromNet(fragments(reply, 1200, 9)[i]!)))

    const back = fragments(routed, 1400, 99).map((piece) => reassembling.fromDefrag(piece))

    expect(back.map(({action, to}) => `${action} ${to}`)).toEqual(['peer a', 'peer a', 'peer a'])
    expect(whole(back)).toMatchPacket({src: end(outside, 53), dst: end(a, 22)})
  })

  test("the node's own datagrams come back to it by the same way", () => {
    const question = udp(end(outside, 999), end(own, 111)).data(3000)
    const met = [1, 0, 2].map((i) => reassembling.fromNet(fragments(question, 1200, 9)[i]!))

    const back = reassembling.fromDefrag(whole(met))

    expect(back).toMatchObject({action: 'pass'})
    expect(back).toMatchPacket({src: end(outside, 999), dst: end(own, 111)})
  })

  test('TCP flags cannot be rewritten by a second piece', () => {
    const pieces = fragments(tcp(end(a, 1), end(b, 80)).syn().data(100), 8, 3)

    expect(plain.fromPod('a', pieces[0]!)).toMatchObject({reason: 'CT_TRUNCATED_OR_INVALID_HEADER'})
    if (family === 4) expect(plain.fromPod('a', pieces[1]!)).toMatchObject({reason: 'INVALID_PACKET'})
  })

  test('a datagram in one piece is no fragment', () => {
    expect(plain.fromPod('a', udp(end(a, 1), end(b, 53)).data(100).fragment(0, false, 7))).toMatchObject({
      action: 'peer',
    })
    expect(plain.flows()).toHaveLength(2)
  })
})
