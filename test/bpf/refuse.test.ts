/** What the sender of a denied packet is told: nothing, an ICMP error, or a reset; by the node's word or the rule's. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {denyResponse, eventType} from '../../src/datapath/gen/enums.ts'
import {BpfNode, identities, macs, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import {icmpError} from './support/messages.ts'
import './support/match.ts'
import {fragments, icmp, tcp, udp} from './support/packet.ts'

interface Place {
  readonly node: BpfNode
  readonly policy: PolicyRules
}
const places = new Map<string, Place>()
const at = (name: 'none' | 'icmp' | 'reset' | 'tunnel' | 'stack') => places.get(name)!

beforeAll(async () => {
  const make = async (name: string, config: Parameters<typeof BpfNode.make>[1]) => {
    const node = await BpfNode.make(`refuse-${name}`, config)
    places.set(name, {node, policy: new PolicyRules(node)})
  }
  await make('none', {})
  await make('icmp', {config: {denyResponse: denyResponse.RESPONSE_ICMP}})
  await make('reset', {config: {denyResponse: denyResponse.RESPONSE_RESET}})
  await make('tunnel', {config: {denyResponse: denyResponse.RESPONSE_RESET, tunnel: 1}})
  await make('stack', {config: {denyResponse: denyResponse.RESPONSE_RESET, hostRouting: 0}})
})
afterAll(() => {
  for (const {policy, node} of places.values()) {
    policy.close()
    node.close()
  }
})
beforeEach(() => {
  for (const {policy, node} of places.values()) {
    node.reset()
    policy.clear()
  }
})

const silent = {action: 'drop', reason: 'POLICY_DENIED'}

describe.each(plans)('IPv$family', ({family, a, b, outside, remote, router, end}) => {
  const prohibited = family === 4 ? {type: 3, code: 13} : {type: 1, code: 1}
  const syn = tcp(end(a, 4000), end(b, 80)).syn()
  const closeEgress = ({node, policy}: Place, response?: 'none' | 'icmp' | 'reset') =>
    node.pod('a', {egressSet: policy.install([], 1, response)})
  const closeIngress = ({node, policy}: Place, response?: 'none' | 'icmp' | 'reset') =>
    node.pod('b', {ingressSet: policy.install([], 1, response)})

  test('without a word nothing is answered', () => {
    closeEgress(at('none'))

    expect(at('none').node.fromPod('a', syn)).toMatchObject(silent)
  })

  test.each([
    ['the way out', closeEgress],
    ['the way in', closeIngress],
  ])('what is denied on %s is prohibited, says the gateway', (_, close) => {
    const {node} = at('icmp')
    close(at('icmp'))

    for (const packet of [syn, udp(end(a, 4000), end(b, 53)).data('question')]) {
      const answered = node.fromPod('a', packet)

      expect(answered).toMatchObject({action: 'peer', to: 'a', reason: 'POLICY_DENIED'})
      expect(answered).toMatchPacket({
        src: router,
        dst: a,
        macSource: macs.a.node,
        macDestination: macs.a.pod,
        icmp: prohibited,
        inner: {src: end(a, 4000)},
      })
    }
  })

  test('a new connection is reset, as if nobody listened', () => {
    closeIngress(at('reset'))

    const answered = at('reset').node.fromPod('a', tcp(end(a, 4000), end(b, 80)).syn().seq(1000))

    expect(answered).toMatchObject({action: 'peer', to: 'a', reason: 'POLICY_DENIED'})
    expect(answered).toMatchPacket({
      ...{src: end(b, 80), dst: end(a, 4000), ttl: 64, flags: 'RA', ack: 1001},
      ...{macSource: macs.a.node, macDestination: macs.a.pod, length: 14 + (family === 4 ? 40 : 60)},
    })
  })

  test('so is one that was allowed until now, where it stands', () => {
    const {node} = at('reset')
    node.fromPod('a', syn)
    closeEgress(at('reset'))

    const answered = node.fromPod('a', tcp(end(a, 4000), end(b, 80)).push('hello').seq(1001, 77))

    expect(answered).toMatchPacket({src: end(b, 80), dst: end(a, 4000), flags: 'R', seq: 77})
  })

  test('other protocols get the error in place of a reset', () => {
    closeEgress(at('reset'))
    const {node} = at('reset')

    expect(node.fromPod('a', udp(end(a, 4000), end(b, 53)))).toMatchPacket({icmp: prohibited})
    expect(node.fromPod('a', icmp(a, b).echo(7))).toMatchPacket({icmp: prohibited})
  })

  test('who comes from the wire is answered there, by the address that was asked', () => {
    closeIngress(at('reset'))
    const {node} = at('reset')

    const reset = node.fromNet(tcp(end(outside, 4000), end(b, 80)).syn())
    const error = node.fromNet(udp(end(outside, 4000), end(b, 53)))

    expect(reset).toMatchObject({action: 'redirect', to: 'eth0', reason: 'POLICY_DENIED'})
    expect(reset).toMatchPacket({src: end(b, 80), dst: end(outside, 4000), flags: 'RA'})
    expect(error).toMatchObject({action: 'redirect', to: 'eth0'})
    expect(error).toMatchPacket({src: b, dst: outside, icmp: prohibited})
  })

  test('who comes through the tunnel is answered through it, as the receiver', () => {
    closeIngress(at('tunnel'))
    const {node} = at('tunnel')

    const reset = node.fromOverlay(tcp(end(remote, 4000), end(b, 80)).syn(), {remote: '192.168.0.77'})
    const error = node.fromOverlay(udp(end(remote, 4000), end(b, 53)), {remote: '192.168.0.77'})

    for (const answered of [reset, error])
      expect(answered).toMatchObject({action: 'redirect', to: 'overlay', hop: '192.168.0.77', vni: identities.b})
    expect(reset).toMatchPacket({src: end(b, 80), dst: end(remote, 4000), flags: 'RA'})
    expect(error).toMatchPacket({src: b, dst: remote, icmp: prohibited})
  })

  test('the answer that another node sends reaches the pod that asked', () => {
    const {node} = at('tunnel')
    const sent = tcp(end(a, 4000), end(remote, 80)).syn()
    node.fromPod('a', sent)
    const question = udp(end(a, 4000), end(remote, 53))
    const out = node.fromPod('a', question)

    expect(node.fromOverlay(tcp(end(remote, 80), end(a, 4000)).flags('RA'))).toMatchObject({action: 'peer', to: 'a'})
    expect(out).toMatchObject({action: 'redirect'})
    expect(node.fromOverlay(icmpError('prohibited', remote, question.ttl(63)))).toMatchObject({action: 'peer', to: 'a'})
  })

  test('what came by way of the stack is not answered', () => {
    closeIngress(at('stack'))

    expect(at('stack').node.toPod('b', tcp(end(outside, 4000), end(b, 80)).syn())).toMatchObject(silent)
  })

  test('resets, errors and later pieces are not answered', () => {
    const {node} = at('reset')
    closeEgress(at('reset'))

    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 80)).rst())).toMatchObject(silent)
    const error = icmpError('port-unreachable', a, udp(end(b, 53), end(a, 40001)))
    expect(node.fromPod('a', error).action).toBe('drop')
    const [, later] = fragments(udp(end(a, 40001), end(b, 53)).data(3000), 1200)
    expect(node.fromPod('a', later!).action).toBe('drop')
  })

  test('a policy has its own word, whatever the node says', () => {
    closeEgress(at('none'), 'reset')
    closeEgress(at('reset'), 'none')
    closeEgress(at('icmp'), 'reset')

    expect(at('none').node.fromPod('a', syn)).toMatchPacket({flags: 'RA'})
    expect(at('reset').node.fromPod('a', syn)).toMatchObject(silent)
    expect(at('icmp').node.fromPod('a', syn)).toMatchPacket({flags: 'RA'})
  })

  test('the word is that of the rule that denies', () => {
    const {node, policy} = at('none')
    const rules = [
      {verdict: 'deny', protocol: 6, port: 80, response: 'reset'},
      {verdict: 'deny', protocol: 6, port: 81},
    ] as const
    node.pod('b', {ingressSet: policy.install(rules, 2, 'icmp')})

    expect(node.fromPod('a', syn)).toMatchPacket({flags: 'RA'})
    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 81)).syn())).toMatchObject({action: 'drop'})
    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 82)).syn())).toMatchPacket({icmp: prohibited})
  })

  test('an endpoint that is not ready tells nobody so', () => {
    at('icmp').node.pod('b', {ingressSet: 0})

    expect(at('icmp').node.fromPod('a', syn)).toMatchObject(silent)
  })

  test('events and counters tell of the packet that was denied', () => {
    const {node} = at('reset')
    closeIngress(at('reset'))
    node.takeEvents()

    node.fromPod('a', syn)

    const told = node.takeEvents().map(({type, verdict, direction, tcpFlags}) => ({type, verdict, direction, tcpFlags}))
    expect(told).toEqual([
      {type: eventType.EVENT_VERDICT, verdict: -133, direction: 1, tcpFlags: 2},
      {type: eventType.EVENT_DROP, verdict: -133, direction: 1, tcpFlags: 2},
    ])
  })

  test('a flood is answered in part', () => {
    closeEgress(at('icmp'))
    const answers = Array.from({length: 400}, (_, n) =>
      at('icmp').node.fromPod('a', udp(end(a, 1024 + n), end(b, 53))),
    ).filter(({action}) => action === 'peer').length

    expect(answers).toBeGreaterThan(0)
    expect(answers).toBeLessThan(400)
  })
})
