/** The node's own traffic under policy, at each hook that meets it: which packets rules are asked about, and which never. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {HOST_SLOT} from '../../src/datapath/gen/constants.ts'
import {direction, endpointFlags, eventFlags, eventType, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {endpointZero} from '../../src/datapath/gen/types.ts'
import {BpfNode, devices, identities, type Outcome, type Plan, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmpError, neighbourSolicitation} from './support/messages.ts'
import {fragments, icmp, type Packet, tcp, udp, vxlan} from './support/packet.ts'

const {SET_OPEN, SET_CLOSED} = ruleSetNumber
const {DIR_INGRESS, DIR_EGRESS} = direction
const denied = {action: 'drop', reason: 'POLICY_DENIED'}
const forbidden = {action: 'drop', reason: 'POLICY_DENY'}
const tcpTo = (port: number) => ({protocol: 6, port})

let native: BpfNode
let tunnel: BpfNode
let stack: BpfNode
const rules = new Map<BpfNode, PolicyRules>()

beforeAll(async () => {
  native = await BpfNode.make('hostfw-native', {config: {hostFirewall: 1, services: 1, defrag: 1}})
  tunnel = await BpfNode.make('hostfw-tunnel', {config: {hostFirewall: 1, services: 1, tunnel: 1}})
  stack = await BpfNode.make('hostfw-stack', {config: {hostFirewall: 1, hostRouting: 0}})
  for (const node of [native, tunnel, stack]) rules.set(node, new PolicyRules(node))
})
afterAll(() => {
  for (const [node, policy] of rules) {
    policy.close()
    node.close()
  }
})
beforeEach(() => {
  for (const [node, policy] of rules) {
    node.reset()
    policy.clear()
    host(node, {})
  }
})

interface Host {
  readonly ingress?: number
  readonly egress?: number
  readonly audit?: boolean
}

/** The row of the node's own stack. */
function host(node: BpfNode, {ingress = SET_OPEN, egress = SET_OPEN, audit = false}: Host): void {
  node.endpoints.put(HOST_SLOT, {
    ...endpointZero,
    ...{ifindex: devices.host, identity: 1, id: HOST_SLOT, generation: 1},
    ...{ingressSet: ingress, egressSet: egress, flags: audit ? endpointFlags.ENDPOINT_AUDIT : 0},
  })
}

const install = (node: BpfNode, ...args: Parameters<PolicyRules['install']>) => rules.get(node)!.install(...args)

interface Case extends Plan {
  readonly routing: string
  readonly at: () => BpfNode
}
const cases: readonly Case[] = plans.flatMap((plan) => [
  {...plan, routing: 'native', at: () => native},
  {...plan, routing: 'overlay', at: () => tunnel},
  {...plan, routing: 'stack', at: () => stack},
])

describe.each(cases)('IPv$family, $routing', ({node: own, node2, outside, a, end, at}) => {
  const asks = (port = 22, from = outside) => tcp(end(from, 4000), end(own, port)).syn()
  const calls = (port = 443, to = outside) => tcp(end(own, 40_000), end(to, port)).syn()

  test('a node without rules sends and receives as ever, and every flow is remembered', () => {
    expect(at().fromNet(asks())).toMatchObject({action: 'pass', reason: ''})
    expect(at().toNet(answer(asks()).synAck())).toMatchObject({action: 'pass'})
    expect(at().toNet(calls())).toMatchObject({action: 'pass'})
    expect(at().fromNet(answer(calls()).synAck())).toMatchObject({action: 'pass'})
    expect(at().flows()).toHaveLength(4)
  })

  test('what comes in is judged by its sender and port, and the answers of what is allowed leave', () => {
    host(at(), {ingress: install(at(), [tcpTo(22)]), egress: install(at(), [])})

    expect(at().fromNet(asks(22))).toMatchObject({action: 'pass'})
    expect(at().toNet(answer(asks(22)).synAck())).toMatchObject({action: 'pass'})
    expect(at().fromNet(asks(23))).toMatchObject(denied)
    // not asked for: a packet of the node's own
    expect(at().toNet(answer(asks(23)).synAck())).toMatchObject(denied)
  })

  test('what goes out is judged by its receiver and port, and the answers of what is allowed come in', () => {
    host(at(), {ingress: install(at(), []), egress: install(at(), [tcpTo(443)])})

    expect(at().toNet(calls(443))).toMatchObject({action: 'pass'})
    expect(at().fromNet(answer(calls(443)).synAck())).toMatchObject({action: 'pass'})
    expect(at().toNet(calls(80))).toMatchObject(denied)
    expect(at().fromNet(answer(calls(80)).synAck())).toMatchObject(denied)
  })

  test('a denied packet is told of with reason, rule, direction and both identities', () => {
    host(at(), {ingress: install(at(), [{...tcpTo(22), verdict: 'deny', cookie: 77}])})
    at().takeEvents()

    expect(at().fromNet(asks(22, node2))).toMatchObject(forbidden)

    const [verdict, drop] = at().takeEvents()
    expect(verdict).toMatchObject({
      cookie: 77,
      direction: DIR_INGRESS,
      srcIdentity: 6,
      dstIdentity: 1,
      dstEndpoint: HOST_SLOT,
    })
    expect(verdict!.verdict).toBeLessThan(0)
    expect(drop).toMatchObject({direction: DIR_INGRESS, srcIdentity: 6, dstIdentity: 1, dport: 22})
  })

  test.each([
    {name: 'in', first: () => asks(22), next: () => tcp(end(outside, 4000), end(own, 22)).ack()},
    {name: 'out', first: () => calls(443), next: () => tcp(end(own, 40_000), end(outside, 443)).ack()},
  ])(
    'an established flow that goes $name is judged again when the rules change, whichever way its next packet goes',
    ({name, first, next}) => {
      const [there, back] = name === 'in' ? (['fromNet', 'toNet'] as const) : (['toNet', 'fromNet'] as const)
      const set = (to: number) => host(at(), name === 'in' ? {ingress: to} : {egress: to})
      set(install(at(), [{protocol: 6}]))
      expect(at()[there](first())).toMatchObject({action: 'pass'})
      const reply = answer(first()).synAck()
      expect(at()[back](reply)).toMatchObject({action: 'pass'})

      set(install(at(), [tcpTo(9)]))
      expect(at()[there](next())).toMatchObject(denied)
      expect(at()[back](reply)).toMatchObject(denied)

      set(SET_OPEN)
      expect(at()[back](reply)).toMatchObject({action: 'pass'})
      expect(at()[there](next())).toMatchObject({action: 'pass'})
    },
  )

  test('in audit mode it is told and let through', () => {
    host(at(), {ingress: install(at(), []), egress: install(at(), []), audit: true})
    at().takeEvents()

    expect(at().fromNet(asks())).toMatchObject({action: 'pass'})
    expect(at().toNet(calls())).toMatchObject({action: 'pass'})

    const verdicts = at()
      .takeEvents()
      .filter(({type}) => type === eventType.EVENT_VERDICT)
    expect(verdicts.map(({flags, direction}) => [flags & eventFlags.EVENT_AUDITED, direction])).toEqual([
      [eventFlags.EVENT_AUDITED, DIR_INGRESS],
      [eventFlags.EVENT_AUDITED, DIR_EGRESS],
    ])
  })

  test('a node whose row is not there yet has no rules', () => {
    at().endpoints.put(HOST_SLOT, endpointZero)

    expect(at().fromNet(asks())).toMatchObject({action: 'pass'})
    expect(at().toNet(calls())).toMatchObject({action: 'pass'})
  })

  test('a closed node is still told of errors about its packets, gets its address, and finds its neighbours', () => {
    host(at(), {ingress: SET_CLOSED, egress: SET_CLOSED})
    const [client, server] = own.includes(':') ? [546, 547] : [68, 67]
    const lost = udp(end(own, 50_000), end(node2, 9999)).data('x')

    expect(at().fromNet(icmpError('too-big', outside, lost, {mtu: 1280}))).toMatchObject({action: 'pass'})
    expect(at().toNet(icmpError('port-unreachable', own, udp(end(node2, 1), end(own, 2)).data('x')))).toMatchObject({
      action: 'pass',
    })
    expect(at().fromNet(udp(end(outside, server), end(own, client)))).toMatchObject({action: 'pass'})
    expect(at().toNet(udp(end(own, client), end(outside, server)))).toMatchObject({action: 'pass'})
    expect(at().fromNet(udp(end(outside, client), end(own, server)))).toMatchObject(denied)
    if (!own.includes(':')) return
    const sender = {ip: node2, mac: '02:00:00:00:ee:02'}
    expect(at().fromNet(neighbourSolicitation(sender, own))).toMatchObject({action: 'pass'})
  })

  test('pods of the node are asked for what they send to it, and the node may always reach them', () => {
    host(at(), {ingress: install(at(), [tcpTo(22)]), egress: SET_CLOSED})
    const probe = tcp(end(own, 41_000), end(a, 80)).syn()

    expect(at().fromPod('a', tcp(end(a, 4000), end(own, 22)).syn())).toMatchObject({action: 'pass'})
    expect(at().fromPod('a', tcp(end(a, 4000), end(own, 23)).syn())).toMatchObject(denied)
    expect(at().toPod('a', probe)).toMatchObject({action: 'pass'})
    expect(at().fromPod('a', answer(probe).synAck())).toMatchObject({action: 'pass'})
  })

  test('pods are judged by their own rules and not by the node’s', () => {
    host(at(), {ingress: SET_CLOSED, egress: SET_CLOSED})

    expect(at().fromPod('a', tcp(end(a, 4000), end(outside, 443)).syn()).action).not.toBe('drop')
    expect(at().toNet(tcp(end(a, 4001), end(outside, 443)).syn()).action).not.toBe('drop')
  })

  test('nobody outside speaks for the node where it has rules', () => {
    host(at(), {ingress: install(at(), [{identity: 1}])})

    expect(at().fromNet(tcp(end(own, 4000), end(own, 22)).syn())).toMatchObject({
      action: 'drop',
      reason: 'INVALID_SOURCE_IP',
    })
  })

  test('pieces whose ports nobody knows pass only where no port matters', () => {
    const [, later] = fragments(udp(end(outside, 4000), end(own, 53)).data(3000), 1200, 99) as [Packet, Packet]
    host(at(), {ingress: install(at(), [{protocol: 17, port: 53}])})

    const met = at().fromNet(later)

    // where the stack reassembles, it is met again with its ports
    if (at() === native) expect(met).toMatchPacket({dst: own.includes(':') ? 'fd00:dead::9' : '192.0.0.9'})
    else expect(met).toMatchObject({action: 'drop', reason: 'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND'})
  })

  test('a datagram in pieces is judged by its first one’s port', () => {
    host(at(), {ingress: install(at(), [{protocol: 17, port: 53}])})
    const send = (port: number, id: number): Outcome[] =>
      fragments(udp(end(outside, 4000), end(own, port)).data(3000), 1200, id).map((piece) => at().fromNet(piece))

    expect(send(53, 7).map(({action}) => action)).toEqual(['pass', 'pass', 'pass'])
    expect(send(54, 8).map(({reason}) => reason)).toEqual(['POLICY_DENIED', 'POLICY_DENIED', 'POLICY_DENIED'])
  })

  test('what its rules allow passes also when there is no room to remember it', () => {
    host(at(), {ingress: install(at(), [tcpTo(22)]), egress: install(at(), [tcpTo(443)])})
    for (let shard = 0; shard < at().config.flowShards; shard++) {
      at().shards.put(shard, {...at().shards.get(shard)!, unanswered: 4096})
    }

    expect(at().fromNet(asks(22))).toMatchObject({action: 'pass'})
    expect(at().fromNet(asks(23))).toMatchObject(denied)
    expect(at().toNet(calls(443))).toMatchObject({action: 'pass'})
    expect(at().toNet(calls(80))).toMatchObject(denied)
  })

  test('an echo request is ICMP of its type to the rules', () => {
    host(at(), {ingress: install(at(), [{protocol: own.includes(':') ? 58 : 1, port: own.includes(':') ? 129 : 9}])})

    expect(at().fromNet(icmp(outside, own).echo(7, 1))).toMatchObject({action: 'pass'})
    expect(at().toNet(icmp(own, outside).echoReply(7, 1))).toMatchObject({action: 'pass'})
  })

  test('a denied sender from the wire is answered where the rule says so', () => {
    host(at(), {ingress: install(at(), [], 1, 'reset')})

    const refused = at().fromNet(asks(22))

    expect(refused).toMatchObject({reason: 'POLICY_DENIED'})
    expect(refused.action).not.toBe('drop')
    expect(refused).toMatchPacket({src: end(own, 22), dst: end(outside, 4000)})
  })
})

describe.each(plans)('IPv$family, in the overlay', ({node: own, node2, router, remote, outside, end}) => {
  test('what nodes carry for each other is not the node’s own to judge', () => {
    host(tunnel, {ingress: SET_CLOSED, egress: SET_CLOSED})
    const inner = tcp(end(remote, 1), end(router, 2)).syn()

    expect(tunnel.fromNet(vxlan(end(node2, 33_000), end(own, 8472), 2001, inner))).toMatchObject({action: 'pass'})
    expect(tunnel.toNet(vxlan(end(own, 33_000), end(node2, 8472), 2001, inner))).toMatchObject({action: 'pass'})
    expect(tunnel.flows()).toHaveLength(0)
    expect(tunnel.fromNet(vxlan(end(outside, 33_000), end(own, 8472), 2001, inner))).toMatchObject(denied)
    expect(tunnel.toNet(vxlan(end(own, 33_000), end(outside, 8472), 2001, inner))).toMatchObject(denied)
  })

  test('a pod of another node that asks the node is judged by the identity in the tunnel', () => {
    host(tunnel, {ingress: install(tunnel, [{identity: identities.remote, ...tcpTo(22)}])})
    const asks = (port: number) => tcp(end(remote, 4000), end(router, port)).syn()

    expect(tunnel.fromOverlay(asks(22))).toMatchObject({action: 'pass'})
    expect(tunnel.toOverlay(answer(asks(22)).synAck())).toMatchObject({action: 'pass', vni: 6})
    expect(tunnel.fromOverlay(asks(23))).toMatchObject(denied)
    expect(tunnel.fromOverlay(tcp(end(remote, 4001), end(router, 22)).syn(), {identity: 2})).toMatchObject(denied)
  })

  test('what the node asks of a pod of another node is judged, and its answer comes back', () => {
    host(tunnel, {ingress: SET_CLOSED, egress: install(tunnel, [{identity: identities.remote, ...tcpTo(80)}])})
    const asks = (port: number) => tcp(end(router, 40_000), end(remote, port)).syn()

    expect(tunnel.toOverlay(asks(80))).toMatchObject({action: 'pass', hop: '192.168.0.2', vni: 6})
    expect(tunnel.fromOverlay(answer(asks(80)).synAck())).toMatchObject({action: 'pass'})
    expect(tunnel.toOverlay(asks(81))).toMatchObject(denied)
    host(tunnel, {egress: SET_CLOSED})
    expect(tunnel.toOverlay(asks(80))).toMatchObject(denied)
    expect(tunnel.fromOverlay(answer(asks(80)).synAck())).toMatchObject(denied)
  })

  test('nobody claims a pod’s address from the wire where pods are reached by the overlay', () => {
    host(tunnel, {ingress: install(tunnel, [{identity: identities.remote}])})

    expect(tunnel.fromNet(tcp(end(remote, 4000), end(own, 22)).syn())).toMatchObject({
      action: 'drop',
      reason: 'INVALID_SOURCE_IP',
    })
  })
})

describe.each(plans)('IPv$family, with the host firewall off', ({node: own, outside, end}) => {
  test('rules of the node’s row are not looked at, and nothing is remembered', async () => {
    const off = await BpfNode.make(`hostfw-off${own.includes(':') ? 6 : 4}`, {config: {}})
    try {
      host(off, {ingress: SET_CLOSED, egress: SET_CLOSED})

      expect(off.fromNet(tcp(end(outside, 4000), end(own, 22)).syn())).toMatchObject({action: 'pass'})
      expect(off.toNet(tcp(end(own, 22), end(outside, 4000)).synAck())).toMatchObject({action: 'pass'})
      expect(off.flows()).toHaveLength(0)
    } finally {
      off.close()
    }
  })
})
