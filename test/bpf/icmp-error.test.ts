/** ICMP and ICMPv6 errors reach the socket they are about, through every translation, from any router. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {BpfNode, identities, plans} from './node.ts'
import './support/match.ts'
import {type IcmpErrorKind, icmpError} from './support/messages.ts'
import {icmp, type Packet, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

let native: BpfNode
let tunnel: BpfNode
beforeAll(async () => {
  native = await BpfNode.make('icmp-native')
  tunnel = await BpfNode.make('icmp-tunnel', {config: {tunnel: 1}})
})
afterAll(() => {
  native?.close()
  tunnel?.close()
})
beforeEach(() => {
  native.reset()
  tunnel.reset()
})

const kinds: readonly IcmpErrorKind[] = [
  'host-unreachable',
  'port-unreachable',
  'prohibited',
  'too-big',
  'time-exceeded',
  'parameter-problem',
]

const makers = [
  {name: 'TCP', make: (from: string, to: string) => tcp(from, to).syn().data(0)},
  {name: 'UDP', make: (from: string, to: string) => udp(from, to).data('question')},
  {name: 'ping', make: (from: string, to: string) => icmp(host(from), host(to)).echo(4321, 1).data('x')},
]

function host(end: string): string {
  return end.replace(/:\d+$/, '').replace(/[[\]]/g, '')
}

/** The packet as it left, as the one who complains about it saw it. */
function seen(bytes: Uint8Array, sent: Packet): Packet {
  const {src, dst, transport} = parsePacket(bytes)
  const spec = sent.spec
  if (spec.transport.kind === 'icmp') {
    const rest = transport!.icmp!.rest
    return icmp(src, dst)
      .echo((rest[0]! << 8) | rest[1]!, 1)
      .data(spec.payload)
      .ttl(63)
  }
  const made = spec.transport.kind === 'tcp' ? tcp(src, dst).syn() : udp(src, dst).data(spec.payload)
  return made.ttl(63)
}

describe.each(plans)('IPv$family', (plan) => {
  const {family, a, b, remote, node: own, outside, elsewhere, router, end} = plan

  describe.each(makers)('about $name', ({make}) => {
    test.each(kinds)('%s comes back through masquerade', (kind) => {
      const sent = make(end(a, 40001), end(outside, 443))
      // another pod has the port: the error has to be translated in ports, too
      native.fromPod('b', make(end(b, 40001), end(outside, 443)))
      const left = native.fromPod('a', sent)
      const complaint = icmpError(kind, elsewhere, seen(left.packet, sent), {mtu: 1300})

      const error = native.fromNet(complaint)

      expect(complaint).toMatchPacket({dst: own})
      expect(error).toMatchObject({action: 'peer', to: 'a', reason: ''})
      expect(error).toMatchPacket({
        src: elsewhere,
        dst: a,
        icmp: kind === 'too-big' ? {mtu: 1300} : {},
        inner:
          sent.spec.transport.kind === 'icmp' ? {src: a, dst: outside} : {src: end(a, 40001), dst: end(outside, 443)},
      })
    })

    test('the destination itself complains', () => {
      const sent = make(end(a, 40001), end(outside, 443))
      const left = native.fromPod('a', sent)

      const error = native.fromNet(icmpError('port-unreachable', outside, seen(left.packet, sent)))

      expect(error).toMatchObject({action: 'peer', to: 'a'})
      expect(error).toMatchPacket({src: outside, dst: a})
    })

    test('a quote of eight bytes is enough', () => {
      const sent = make(end(a, 22), end(outside, 443))
      const left = native.fromPod('a', sent)
      const quoted = family === 4 ? 28 : 48

      const error = native.fromNet(icmpError('time-exceeded', elsewhere, seen(left.packet, sent), {quoted}))

      expect(error).toMatchObject({action: 'peer', to: 'a'})
      const parsed = parsePacket(error.packet)
      expect(parsed.problems).toEqual([])
      expect(parsed.inner?.src).toBe(sent.spec.transport.kind === 'icmp' ? a : end(a, 22))
    })

    test('a pod complains about an answer, and outside understands', () => {
      const sent = make(end(a, 22), end(outside, 443))
      const left = native.fromPod('a', sent)
      const {src, dst, transport} = parsePacket(left.packet)
      const rest = transport?.icmp?.rest
      const reply = rest
        ? icmp(dst, src).echoReply((rest[0]! << 8) | rest[1]!, 1)
        : sent.spec.transport.kind === 'tcp'
          ? tcp(dst, src).synAck()
          : udp(dst, src)
      const arrived = native.fromNet(reply)
      expect(arrived).toMatchObject({action: 'peer', to: 'a'})
      const quote = parsePacket(arrived.packet)
      const met = rest
        ? icmp(quote.src, quote.dst).echoReply(4321, 1)
        : sent.spec.transport.kind === 'tcp'
          ? tcp(quote.src, quote.dst).synAck()
          : udp(quote.src, quote.dst)

      const error = native.fromPod('a', icmpError('port-unreachable', a, met.ttl(63)))

      expect(error).toMatchObject({action: 'neighbour', to: 'eth0'})
      expect(error).toMatchPacket({src: own, dst: outside, inner: {src: dst, dst: src}})
    })

    test('between pods of one node', () => {
      const sent = make(end(a, 40001), end(b, 443))
      native.fromPod('a', sent)

      const error = native.fromPod('b', icmpError('port-unreachable', b, sent.ttl(63)))

      expect(error).toMatchObject({action: 'peer', to: 'a'})
      expect(error).toMatchPacket({src: b, dst: a})
    })

    test('from another node, natively and through the tunnel', () => {
      const sent = make(end(a, 40001), end(remote, 443))
      native.fromPod('a', sent)
      tunnel.fromPod('a', sent)

      expect(native.fromNet(icmpError('port-unreachable', remote, sent.ttl(62)))).toMatchObject({
        action: 'peer',
        to: 'a',
      })
      expect(native.fromNet(icmpError('too-big', elsewhere, sent.ttl(62), {mtu: 1300}))).toMatchObject({action: 'peer'})
      expect(tunnel.fromOverlay(icmpError('port-unreachable', remote, sent.ttl(62)))).toMatchObject({
        action: 'peer',
        to: 'a',
      })
      expect(tunnel.fromOverlay(icmpError('time-exceeded', elsewhere, sent.ttl(62)), {identity: 6})).toMatchObject({
        action: 'peer',
      })
    })

    test('to another node', () => {
      const sent = make(end(remote, 4000), end(b, 443))
      native.fromNet(sent)
      tunnel.fromOverlay(sent)

      expect(native.fromPod('b', icmpError('port-unreachable', b, sent.ttl(63)))).toMatchObject({action: 'neighbour'})
      expect(tunnel.fromPod('b', icmpError('port-unreachable', b, sent.ttl(63)))).toMatchObject({
        action: 'redirect',
        to: 'overlay',
        vni: identities.b,
      })
    })

    test('between node and pod', () => {
      const toNode = make(end(a, 40001), end(own, 443))
      const toPod = make(end(router, 40001), end(a, 443))
      native.fromPod('a', toNode)
      native.toPod('a', toPod)

      expect(native.toPod('a', icmpError('port-unreachable', own, toNode))).toMatchObject({action: 'pass'})
      expect(native.fromPod('a', icmpError('port-unreachable', a, toPod))).toMatchObject({action: 'pass'})
    })
  })

  test("an error of the node's own stack about a masqueraded packet does not tell the pod's address", () => {
    const sent = udp(end(a, 22), end(outside, 53)).data('q')
    const left = native.fromPod('a', sent)
    const reply = udp(end(outside, 53), end(a, 22)).data('r').ttl(1)

    const error = native.toNet(icmpError('time-exceeded', own, reply))

    expect(error).toMatchPacket({
      src: own,
      dst: outside,
      inner: {src: end(outside, 53), dst: parsePacket(left.packet).src},
    })
  })

  test('related errors pass whatever the rules say about ICMP, but not when the flow itself may not', () => {
    const sent = udp(end(a, 40001), end(b, 53)).data('q')
    native.fromPod('a', sent)
    native.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})

    expect(native.fromPod('b', icmpError('port-unreachable', b, sent.ttl(63)))).toMatchObject({reason: 'POLICY_DENIED'})
  })

  test('an error about no flow is not translated, and does not leave unmasqueraded', () => {
    const unknown = udp(end(outside, 53), end(a, 1)).data('q')

    expect(native.fromPod('a', icmpError('port-unreachable', a, unknown))).toMatchObject({
      action: 'drop',
      reason: 'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE',
    })
    expect(native.fromNet(icmpError('port-unreachable', outside, udp(end(own, 1), end(outside, 53))))).toMatchObject({
      action: 'pass',
    })
  })

  test('an error whose quote is for somebody else is not related', () => {
    const sent = udp(end(a, 40001), end(outside, 53)).data('q')
    const left = native.fromPod('a', sent)
    const forged = icmp(elsewhere, b)
      .message(family === 4 ? 3 : 1, family === 4 ? 3 : 4)
      .data(seen(left.packet, sent).ipBytes)

    const verdict = native.fromNet(forged)

    // judged as any ICMP message to b, and not as part of a's flow
    expect(verdict).toMatchObject({action: 'peer', to: 'b'})
    expect(verdict).toMatchPacket({dst: b})
    expect(native.takeEvents().at(-1)!.reason).not.toBe(3)
  })
})
