/** Pods of other nodes in the overlay, with the sender's identity in the tunnel. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {addressFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {addr, BpfNode, identities, macs, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {tcp, udp, vxlan} from './support/packet.ts'

const done = 0x0300

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('overlay', {config: {tunnel: 1}})
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({a, b, remote, router, node: host, node2, outside, end}) => {
  test('a pod of another node is reached through the tunnel, and answers', () => {
    const request = node.fromPod('a', tcp(end(a, 4000), end(remote, 80)).syn())
    const reply = node.fromOverlay(answer(request.packet).synAck())

    expect(request).toMatchObject({
      action: 'redirect',
      to: 'overlay',
      hop: '192.168.0.2',
      vni: identities.a,
      mark: done,
    })
    expect(request).toMatchPacket({src: end(a, 4000), dst: end(remote, 80), ttl: 63})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({ttl: 63, macDestination: macs.a.pod})
  })

  test('a pod of another node reaches one here, and the answer goes back to the node it came from', () => {
    const request = node.fromOverlay(tcp(end(remote, 4000), end(b, 80)).syn(), {remote: '192.168.0.77'})
    const reply = node.fromPod('b', answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'peer', to: 'b'})
    expect(reply).toMatchObject({action: 'redirect', to: 'overlay', hop: '192.168.0.77', vni: identities.b})
    expect(node.flows()[0]!.flow.srcIdentity).toBe(identities.remote)
  })

  test('an underlay of IPv6 carries both families', () => {
    node.address(remote, {identity: identities.remote, tunnel: addr('fd01::2')})
    const request = node.fromPod('a', udp(end(a, 4000), end(remote, 53)))
    const incoming = node.fromOverlay(udp(end(remote, 5000), end(b, 53)), {remote: 'fd01::2'})

    expect(request).toMatchObject({action: 'redirect', hop: 'fd01::2', vni: identities.a})
    expect(incoming).toMatchObject({action: 'peer', to: 'b'})
    expect(node.fromPod('b', answer(incoming.packet))).toMatchObject({hop: 'fd01::2'})
  })

  test('identities that are no sender’s are refused', () => {
    for (const identity of [0, 1])
      expect(node.fromOverlay(udp(end(remote, 1), end(b, 53)), {identity})).toMatchObject({
        action: 'drop',
        reason: 'INVALID_IDENTITY',
      })
    expect(node.fromOverlay(udp(end(remote, 1), end(b, 53)), {identity: 6})).toMatchObject({action: 'peer'})
    expect(node.flows()).toHaveLength(2)
  })

  test('a sender whose identity changes is judged anew', () => {
    node.fromOverlay(udp(end(remote, 1), end(b, 53)))
    const identitiesOf = () => new Set(node.flows().map(({flow}) => flow.srcIdentity))
    expect(identitiesOf()).toEqual(new Set([identities.remote]))

    node.fromOverlay(udp(end(remote, 1), end(b, 53)), {identity: 3003})

    expect(identitiesOf()).toEqual(new Set([identities.remote, 3003]))
    expect(node.takeEvents().map((event) => event.srcIdentity)).toContain(identities.remote)
  })

  test('local addresses do not come out of a tunnel', () => {
    for (const source of [a, host, router])
      expect(node.fromOverlay(udp(end(source, 1), end(b, 53)))).toMatchObject({reason: 'INVALID_SOURCE_IP'})
    node.fromPod('a', udp(end(a, 4000), end(b, 53)))
    expect(node.fromOverlay(udp(end(a, 4000), end(b, 53)))).toMatchObject({reason: 'INVALID_SOURCE_IP'})
  })

  test('pods of other nodes do not come without a tunnel', () => {
    expect(node.fromNet(udp(end(remote, 1), end(b, 53)))).toMatchObject({reason: 'INVALID_SOURCE_IP'})
  })

  test('what is for nobody here is refused', () => {
    expect(node.fromOverlay(udp(end(remote, 1), end(outside, 53)))).toMatchObject({reason: 'STALE_OR_UNROUTABLE_IP'})
    expect(node.fromOverlay(udp(end(remote, 1), end(remote, 53)))).toMatchObject({reason: 'STALE_OR_UNROUTABLE_IP'})
  })

  test("the node's router address is the stack's", () => {
    expect(node.fromOverlay(tcp(end(remote, 1), end(router, 4240)).syn())).toMatchObject({action: 'pass'})
    expect(node.flows()).toHaveLength(0)
  })

  test("what the stack sends to another node's pod gets the tunnel, and the host is a remote node there", () => {
    const sent = node.toOverlay(tcp(end(router, 4000), end(remote, 80)).syn())

    expect(sent).toMatchObject({action: 'pass', hop: '192.168.0.2', vni: 6})
    expect(node.toOverlay(tcp(end(router, 4000), end(outside, 80)).syn())).toMatchObject({
      reason: 'NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT',
    })
  })

  test("a pod's packet by way of the stack goes with the pod's identity, judged by its rules", () => {
    const sent = node.toOverlay(udp(end(a, 4000), end(remote, 53)))
    node.pod('b', {egressSet: ruleSetNumber.SET_CLOSED})

    expect(sent).toMatchObject({action: 'pass', vni: identities.a})
    expect(node.toOverlay(udp(end(b, 4000), end(remote, 53)))).toMatchObject({reason: 'POLICY_DENIED'})
  })

  test('other nodes are reached with the node’s address, for they know no way to a pod', () => {
    expect(node.fromPod('a', tcp(end(a, 40000), end(node2, 10250)).syn())).toMatchPacket({src: end(host, 40000)})
  })

  test('pods may not speak the tunnel’s language to nodes', () => {
    const inner = udp(end(a, 1), end(b, 2))
    for (const target of [host, node2])
      expect(node.fromPod('a', vxlan(a, target, 1, inner))).toMatchObject({
        action: 'drop',
        reason: 'ENCAPSULATION_TRAFFIC_IS_PROHIBITED',
      })
    expect(node.fromPod('a', vxlan(a, b, 1, inner))).toMatchObject({action: 'peer'})
  })

  test('world is world on every node', () => {
    node.address(a, {identity: 1001, endpoint: 1 | (1 << 16)})
    node.pod('a', {identity: 9})
    expect(node.fromPod('a', udp(end(a, 1), end(remote, 53)))).toMatchObject({vni: 2})
    node.pod('a', {identity: (1 << 24) + 5})
    expect(node.fromPod('a', udp(end(a, 2), end(remote, 53)))).toMatchObject({vni: 2})
    // a node that policies know by its labels is a node to others
    node.pod('a', {identity: 0x02000005})
    expect(node.fromPod('a', udp(end(a, 3), end(remote, 53)))).toMatchObject({vni: 6})
  })
})

describe.each(plans)('nodes that policies tell apart, IPv$family', ({a, b, remote, family, node2, end}) => {
  const [one, other] = [0x02000005, 0x02000006]
  const router = family === 4 ? '10.0.2.1' : 'fd00:2::1'
  const denied = {action: 'drop', reason: 'POLICY_DENIED'}
  const become = (ip: string, identity: number) => {
    const tunnel = ip === router ? {tunnel: addr('192.168.0.2')} : {}
    node.address(ip, {identity, flags: addressFlags.ADDRESS_REMOTE_NODE, ...tunnel})
    node.moveEpoch()
  }
  let policy: PolicyRules
  beforeAll(() => {
    policy = new PolicyRules(node)
    for (const identity of [one, other]) policy.know(identity)
  })
  afterAll(() => policy?.close())
  beforeEach(() => {
    policy.clear()
    for (const ip of [router, node2]) become(ip, one)
  })
  const sent = (from: string, identity = 6) =>
    node.fromOverlay(tcp(end(from, 4000), end(b, 80)).syn(), {identity, remote: '192.168.0.2'})

  test('one is known by its address, of which the tunnel says only that it is a node’s', () => {
    node.pod('b', {ingressSet: policy.install([{identity: one, protocol: 6, port: 80}])})

    for (const ip of [router, node2]) expect(sent(ip)).toMatchObject({action: 'peer', to: 'b'})
    expect(new Set(node.flows().map(({flow}) => flow.srcIdentity))).toEqual(new Set([one]))
    expect(node.takeEvents().every(({srcIdentity}) => srcIdentity === one)).toBe(true)
  })

  test('another one is refused, and neither a pod of a node nor an unknown sender passes for it', () => {
    node.pod('b', {ingressSet: policy.install([{identity: one, protocol: 6, port: 80}])})
    become(router, other)

    expect(sent(router)).toMatchObject(denied)
    expect(sent(router, identities.remote)).toMatchObject(denied)
    expect(sent(remote)).toMatchObject(denied)
    expect(sent(family === 4 ? '10.0.2.77' : 'fd00:2::77')).toMatchObject(denied)
    expect(sent(node2)).toMatchObject({action: 'peer'})
  })

  test.each(['request', 'answer'] as const)(
    'relabelled, the next %s of an established flow is judged by it',
    (next) => {
      node.pod('b', {ingressSet: policy.install([{identity: one, protocol: 6, port: 80}])})
      const reply = answer(sent(router).packet).synAck()
      expect(node.fromPod('b', reply)).toMatchObject({action: 'redirect', to: 'overlay'})
      const packet = () => (next === 'request' ? sent(router) : node.fromPod('b', reply))

      become(router, other)
      expect(packet()).toMatchObject(denied)

      become(router, one)
      expect(packet().action).not.toBe('drop')
    },
  )

  test('what a pod asks of one is answered by it, and not judged again with every packet', () => {
    node.pod('a', {egressSet: policy.install([{identity: one, protocol: 6, port: 4240}])})
    const request = node.fromPod('a', tcp(end(a, 4000), end(router, 4240)).syn())
    expect(request).toMatchObject({action: 'redirect', to: 'overlay'})
    node.takeEvents()

    const reply = node.fromOverlay(answer(request.packet).synAck(), {identity: 6, remote: '192.168.0.2'})

    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(node.flows().map(({flow}) => flow.dstIdentity)).toEqual([one, one])
    become(router, other)
    expect(node.fromOverlay(answer(request.packet).synAck(), {identity: 6, remote: '192.168.0.2'})).toMatchObject(
      denied,
    )
  })
})

test('a remote node flagged as such is not a pod behind a tunnel', () => {
  node.address('192.168.0.2', {identity: 6, flags: addressFlags.ADDRESS_REMOTE_NODE})
  expect(node.fromPod('a', udp('10.0.1.10:40001', '192.168.0.2:53'))).toMatchPacket({src: '192.168.0.1:40001'})
})
