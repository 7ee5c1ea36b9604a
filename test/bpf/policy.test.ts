/** Rule sets in the kernel, asked with packets; and the flows that rest on what they said. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {endpointFlags, eventType, ruleSetNumber, verdictMatch} from '../../src/datapath/gen/enums.ts'
import {PolicyTables} from '../../src/datapath/maps/policy.ts'
import {type Entry, makeRuleSet, type RangeEntry, type RuleSet} from '../../src/policy/rule-set.ts'
import {BpfNode, identities, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmp, tcp, udp} from './support/packet.ts'

const {SET_OPEN, SET_FIRST} = ruleSetNumber

let node: BpfNode
let tables: PolicyTables
let next = SET_FIRST
let written: [number, RuleSet][] = []

beforeAll(async () => {
  node = await BpfNode.make('policy')
  tables = new PolicyTables((name) => node.fd(name))
})
afterAll(() => {
  tables?.close()
  node?.close()
})
beforeEach(() => {
  node.reset()
  for (const [number, set] of written) tables.remove(number, set)
  written = []
})

/** Writes a set under a fresh number. */
function install(set: RuleSet): number {
  const number = next++
  tables.write(number, set)
  written.push([number, set])
  return number
}

function entry(change: Partial<Entry>): Entry {
  const zero = {peerKind: 0, peer: 0, protocol: 0, port: 0, verdict: 'allow', explicit: false} as const
  return {...zero, precedence: 512, cookie: 7, ...change}
}

function setOf(entries: Entry[], ranges: RangeEntry[] = []): RuleSet {
  return makeRuleSet(entries, ranges, {verdict: 'deny', cookie: 99})
}

const denied = {action: 'drop', reason: 'POLICY_DENIED'}
const forbidden = {action: 'drop', reason: 'POLICY_DENY'}
const deny = {verdict: 'deny', explicit: true, precedence: 768, cookie: 8} as const

describe.each(plans)('IPv$family', ({family, a, b, outside, end}) => {
  const to80 = tcp(end(a, 4000), end(b, 80)).syn()

  test('an identity and a port are allowed, another port or identity is not', () => {
    const ingressSet = install(setOf([entry({peerKind: 1, peer: identities.a, protocol: 6, port: 80})]))
    node.pod('b', {ingressSet})

    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer', to: 'b'})
    expect(node.fromPod('a', tcp(end(a, 4000), end(b, 81)).syn())).toMatchObject(denied)
    expect(node.fromPod('a', udp(end(a, 4000), end(b, 80)))).toMatchObject(denied)
    expect(node.fromNet(tcp(end(outside, 4000), end(b, 80)).syn())).toMatchObject(denied)
  })

  test('an explicit deny of everybody beats an allow of one identity and port', () => {
    const allow = entry({peerKind: 1, peer: identities.a, protocol: 6, port: 80})
    node.pod('b', {ingressSet: install(setOf([allow, entry(deny)]))})

    expect(node.fromPod('a', to80)).toMatchObject(forbidden)
  })

  test('a CIDR class is asked about, and 0 is no class', () => {
    node.pod('b', {ingressSet: install(setOf([entry({peerKind: 2, peer: 5})]))})
    node.address(outside, {identity: 2, cidrClass: 5})

    expect(node.fromNet(tcp(end(outside, 4000), end(b, 80)).syn())).toMatchObject({action: 'peer'})
    expect(node.fromPod('a', to80)).toMatchObject(denied)
  })

  test('blocks of ports hold what they say', () => {
    const block = {...entry({protocol: 6, port: 8192}), bits: 3}
    node.pod('b', {ingressSet: install(setOf([], [block]))})
    const verdict = (port: number) => node.fromPod('a', tcp(end(a, 4000), end(b, port)).syn()).action

    expect([8191, 8192, 16383, 16384].map(verdict)).toEqual(['drop', 'peer', 'peer', 'drop'])
  })

  test('both ends are asked: the way out first', () => {
    const everything = setOf([entry({})])
    const nothing = setOf([])
    node.pod('a', {egressSet: install(nothing)})
    node.pod('b', {ingressSet: install(everything)})
    expect(node.fromPod('a', to80)).toMatchObject(denied)

    node.pod('a', {egressSet: install(everything)})
    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer'})

    node.flush()
    node.pod('b', {ingressSet: install(nothing)})
    expect(node.fromPod('a', to80)).toMatchObject(denied)
  })

  test('a flow is judged again by its own port and direction, whichever way the next packet travels', () => {
    const only80 = () => setOf([entry({peerKind: 1, peer: identities.a, protocol: 6, port: 80})])
    node.pod('b', {ingressSet: install(only80())})
    const request = node.fromPod('a', to80)
    const reply = answer(request.packet).synAck()

    node.pod('b', {ingressSet: install(only80())})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})
    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer', to: 'b'})

    node.pod('b', {ingressSet: install(setOf([]))})
    expect(node.fromPod('b', reply)).toMatchObject(denied)
    expect(node.fromPod('a', to80)).toMatchObject(denied)

    node.pod('b', {ingressSet: SET_OPEN})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})
  })

  test('a peer that was relabelled is judged by its new identity, in both directions', () => {
    node.pod('b', {ingressSet: install(setOf([entry({peerKind: 1, peer: identities.a})]))})
    const request = node.fromPod('a', to80)
    const reply = answer(request.packet).synAck()
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer'})

    node.pod('a', {identity: 1111})
    node.address(a, {identity: 1111, endpoint: 1 | (1 << 16)})
    node.moveEpoch()

    expect(node.fromPod('b', reply)).toMatchObject(denied)
    expect(node.fromPod('a', to80)).toMatchObject(denied)
  })

  test('an endpoint in audit mode is told about and let through', () => {
    node.pod('b', {ingressSet: install(setOf([])), flags: endpointFlags.ENDPOINT_AUDIT})

    expect(node.fromPod('a', to80)).toMatchObject({action: 'peer'})
  })

  test('verdict events name the rule and how it matched, for allow, deny and default deny', () => {
    const allow = entry({peerKind: 1, peer: identities.a, protocol: 6, port: 80})
    const not81 = entry({...deny, protocol: 6, port: 81})
    node.pod('b', {ingressSet: install(setOf([allow, not81]))})
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
    const requests = () => setOf([entry({protocol, port: type + 1})])
    node.pod('b', {ingressSet: install(requests())})
    const ping = icmp(a, b).echo(7)
    const request = node.fromPod('a', ping)
    const reply = answer(request.packet)
    expect(request).toMatchObject({action: 'peer', to: 'b'})

    node.pod('b', {ingressSet: install(requests())})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})

    node.pod('b', {ingressSet: install(setOf([entry({protocol, port: type})]))})
    expect(node.fromPod('b', reply)).toMatchObject(denied)
    expect(node.fromPod('a', ping)).toMatchObject(denied)
  })
})
