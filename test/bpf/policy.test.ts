/** Rule sets in the kernel, asked with packets; and the flows that rest on what they said. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {endpointFlags, eventFlags, eventType, ruleSetNumber, verdictMatch} from '../../src/datapath/gen/enums.ts'
import {BpfNode, identities, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmp, tcp, udp} from './support/packet.ts'

const {SET_OPEN} = ruleSetNumber

let node: BpfNode
let policy: PolicyRules

beforeAll(async () => {
  node = await BpfNode.make('policy')
  policy = new PolicyRules(node)
})
afterAll(() => {
  policy?.close()
  node?.close()
})
beforeEach(() => {
  node.reset()
  policy.clear()
})

const denied = {action: 'drop', reason: 'POLICY_DENIED'}
const forbidden = {action: 'drop', reason: 'POLICY_DENY'}
const deny = {verdict: 'deny', cookie: 8} as const
const unknown = {action: 'drop', reason: 'NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION'}

describe.each(plans)('IPv$family', ({family, a, b, outside, end}) => {
  const to80 = tcp(end(a, 4000), end(b, 80)).syn()

  test('an identity and a port are allowed, another port or identity is not', () => {
    const ingressSet = policy.install([{identity: identities.a, protocol: 6, port: 80}])
    node.pod('b', {ingressSet})

    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer', to: 'b'})
    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 81)).syn())).toMatchObject(denied)
    expect(node.fromPod('a', udp(end(a, 4000), end(b, 80)))).toMatchObject(denied)
    expect(node.fromNet(tcp(end(outside, 4000), end(b, 80)).syn())).toMatchObject(denied)
  })

  test('an explicit deny of everybody beats an allow of one identity and port', () => {
    node.pod('b', {ingressSet: policy.install([deny, {identity: identities.a, protocol: 6, port: 80}])})

    expect(node.fromPod('a', to80)).toMatchObject(forbidden)
  })

  test('a CIDR class is asked about, and 0 is no class', () => {
    node.pod('b', {ingressSet: policy.install([{cidrClass: 5}])})
    node.address(outside, {identity: 2, cidrClass: 5})

    expect(node.fromNet(tcp(end(outside, 4000), end(b, 80)).syn())).toMatchObject({action: 'peer'})
    expect(node.fromPod('a', to80)).toMatchObject(denied)
  })

  test('blocks of ports hold what they say', () => {
    node.pod('b', {ingressSet: policy.install([{protocol: 6, port: 8192, bits: 3}])})
    const verdict = (port: number) => node.fromPod('a', tcp(end(a, 4000), end(b, port)).syn()).action

    expect([8191, 8192, 16383, 16384].map(verdict)).toEqual(['drop', 'peer', 'peer', 'drop'])
  })

  test('of several rules the first speaks, whatever part of the set it is in', () => {
    const others = Array.from({length: 70}, (_, i) => ({identity: identities.a, protocol: 6, port: 1000 + i}))
    const rules = [...others, {identity: identities.a, protocol: 6, port: 80}, {...deny, protocol: 6, port: 1000}]
    node.pod('b', {ingressSet: policy.install(rules, 64)})
    const verdict = (port: number) => node.fromPod('a', tcp(end(a, 4000), end(b, port)).syn()).action

    expect([1000, 1063, 1064, 1069, 80].map(verdict)).toEqual(Array(5).fill('peer'))
    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 1070)).syn())).toMatchObject(denied)
  })

  test('a peer of whom nobody knows what it is does not pass where a deny may be about it', () => {
    const everybody = {protocol: 6}
    node.pod('b', {ingressSet: policy.install([{...deny, identity: identities.remote}, everybody])})
    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer'})

    node.flush()
    policy.forget(identities.a)
    expect(node.fromPod('a', to80)).toMatchObject(unknown)

    node.pod('b', {ingressSet: policy.install([everybody])})
    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer'})
    policy.know(identities.a)
  })

  test('both ends are asked: the way out first', () => {
    const everything = [{}]
    const nothing: [] = []
    node.pod('a', {egressSet: policy.install(nothing)})
    node.pod('b', {ingressSet: policy.install(everything)})
    expect(node.fromPod('a', to80)).toMatchObject(denied)

    node.pod('a', {egressSet: policy.install(everything)})
    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer'})

    node.flush()
    node.pod('b', {ingressSet: policy.install(nothing)})
    expect(node.fromPod('a', to80)).toMatchObject(denied)
  })

  test('a flow is judged again by its own port and direction, whichever way the next packet travels', () => {
    const only80 = [{identity: identities.a, protocol: 6, port: 80}]
    node.pod('b', {ingressSet: policy.install(only80)})
    const request = node.fromPod('a', to80)
    const reply = answer(request.packet).synAck()

    node.pod('b', {ingressSet: policy.install(only80)})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})
    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer', to: 'b'})

    node.pod('b', {ingressSet: policy.install([])})
    expect(node.fromPod('b', reply)).toMatchObject(denied)
    expect(node.fromPod('a', to80)).toMatchObject(denied)

    node.pod('b', {ingressSet: SET_OPEN})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})
  })

  test('a peer that was relabelled is judged by its new identity, in both directions', () => {
    node.pod('b', {ingressSet: policy.install([{identity: identities.a}])})
    const request = node.fromPod('a', to80)
    const reply = answer(request.packet).synAck()
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer'})

    policy.know(1111)
    node.pod('a', {identity: 1111})
    node.address(a, {identity: 1111, endpoint: 1 | (1 << 16)})
    node.moveEpoch()

    expect(node.fromPod('b', reply)).toMatchObject(denied)
    expect(node.fromPod('a', to80)).toMatchObject(denied)
  })

  test('an endpoint in audit mode is told about and let through, until it is no more', () => {
    const {ENDPOINT_AUDIT} = endpointFlags
    node.pod('b', {ingressSet: policy.install([]), flags: ENDPOINT_AUDIT})
    node.takeEvents()

    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer'})

    const [told] = node.takeEvents().filter(({type}) => type === eventType.EVENT_VERDICT)
    expect(told).toMatchObject({verdict: 0, cookie: 99, reason: verdictMatch.MATCH_NONE, direction: 1})
    expect(told!.flags & eventFlags.EVENT_AUDITED).not.toBe(0)
    node.pod('b', {flags: 0})
    node.moveEpoch()
    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 80)).ack())).toMatchObject(denied)
  })

  test('what the sender’s end audits is told also when the receiver allows it, and nothing else is', () => {
    node.pod('a', {egressSet: policy.install([]), flags: endpointFlags.ENDPOINT_AUDIT})
    node.pod('b', {ingressSet: policy.install([{identity: identities.a}])})
    node.takeEvents()
    node.fromPod('a', to80)

    const told = node.takeEvents().filter(({type}) => type === eventType.EVENT_VERDICT)
    expect(told.map(({cookie, direction}) => ({cookie, direction}))).toEqual([{cookie: 99, direction: 2}])

    node.pod('a', {flags: 0, egressSet: SET_OPEN})
    node.fromPod('a', tcp(end(a, 4001), end(b, 80)).syn())
    const [allowed] = node.takeEvents().filter(({type}) => type === eventType.EVENT_VERDICT)
    expect(allowed!.flags & eventFlags.EVENT_AUDITED).toBe(0)
  })

  test('verdict events name the rule and how it matched, for allow, deny and default deny', () => {
    const allow = {identity: identities.a, protocol: 6, port: 80}
    const not81 = {...deny, protocol: 6, port: 81}
    node.pod('b', {ingressSet: policy.install([not81, allow])})
    node.takeEvents()

    for (const port of [80, 81, 82]) node.fromPod('a', tcp(end(a, 4000), end(b, port)).syn())

    const told = node
      .takeEvents()
      .filter(({type}) => type === eventType.EVENT_VERDICT)
      .map(({cookie, verdict, reason, direction, dport}) => ({cookie, verdict, reason, direction, dport}))
    expect(told).toEqual([
      {cookie: 7, verdict: 0, reason: verdictMatch.MATCH_L3_L4, direction: 1, dport: 80},
      {cookie: 8, verdict: -181, reason: verdictMatch.MATCH_L4, direction: 1, dport: 81},
      {cookie: 99, verdict: -133, reason: verdictMatch.MATCH_NONE, direction: 1, dport: 82},
    ])
  })

  test('an echo request is asked about by its type, and its flow stays one of requests', () => {
    const [protocol, type] = family === 4 ? [1, 8] : [58, 128]
    const requests = [{protocol, port: type + 1}]
    node.pod('b', {ingressSet: policy.install(requests)})
    const ping = icmp(a, b).echo(7)
    const request = node.fromPod('a', ping)
    const reply = answer(request.packet)
    expect(request).toMatchObject({action: 'peer', to: 'b'})

    node.pod('b', {ingressSet: policy.install(requests)})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})

    node.pod('b', {ingressSet: policy.install([{protocol, port: type}])})
    expect(node.fromPod('b', reply)).toMatchObject(denied)
    expect(node.fromPod('a', ping)).toMatchObject(denied)
  })
})
