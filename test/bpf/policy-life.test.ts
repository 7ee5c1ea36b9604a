/**
 * Established flows and what changes under them: whichever way the next packet travels, it is judged by what is true
 * now. The pod `b` of this node has rules, about what it receives or about what it sends; its peer is a pod of this node
 * or of another.
 */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {addressFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {BpfNode, identities, type Outcome, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {tcp} from './support/packet.ts'

const {SET_OPEN} = ruleSetNumber
const denied = {action: 'drop', reason: 'POLICY_DENIED'}
const forbidden = {action: 'drop', reason: 'POLICY_DENY'}
const other = 1111
const deny = {verdict: 'deny', cookie: 8} as const

let node: BpfNode
let policy: PolicyRules

beforeAll(async () => {
  node = await BpfNode.make('policy-life')
  policy = new PolicyRules(node)
  policy.know(other)
})
afterAll(() => {
  policy?.close()
  node?.close()
})
beforeEach(() => {
  node.reset()
  policy.clear()
})

const ways = [
  {name: 'the request', next: 'request'},
  {name: 'the answer', next: 'reply'},
] as const
const peers = [
  {where: 'of this node', local: true},
  {where: 'of another node', local: false},
] as const
const rules = [
  {of: 'ingress', own: 'ingressSet', back: 'egressSet'},
  {of: 'egress', own: 'egressSet', back: 'ingressSet'},
] as const
const cases = plans.flatMap((plan) =>
  peers.flatMap((peer) => ways.flatMap((way) => rules.map((rule) => ({...plan, ...peer, ...way, ...rule})))),
)

describe.each(cases)(
  '$of, IPv$family, peer $where, next comes $name',
  ({a, b, remote, end, local, next, of, own, back}) => {
    const peer = local ? a : remote
    const identity = local ? identities.a : identities.remote
    const [client, server] = of === 'ingress' ? [peer, b] : [b, peer]
    const request = tcp(end(client, 4000), end(server, 80)).syn()
    const fromPeer = (packet: typeof request): Outcome => (local ? node.fromPod('a', packet) : node.fromNet(packet))
    const fromB = (packet: typeof request): Outcome => node.fromPod('b', packet)
    const [ask, reply] = of === 'ingress' ? [fromPeer, fromB] : [fromB, fromPeer]
    /** who gets the packet that comes next */
    const receiver = (next === 'request') === (of === 'ingress') ? 'b' : local ? 'a' : undefined
    const passes = () => (receiver === undefined ? {} : {action: 'peer', to: receiver})
    const rule = (set: number) => node.pod('b', {[own]: set})

    /** A flow that both ends have seen. Gives the packet that comes next. */
    function establish(set: number): () => Outcome {
      rule(set)
      const sent = ask(request)
      expect(sent.action).not.toBe('drop')
      const synAck = answer(sent.packet).synAck()
      expect(reply(synAck).action).not.toBe('drop')
      const ack = tcp(end(client, 4000), end(server, 80)).ack()
      return next === 'request' ? () => ask(ack) : () => reply(synAck)
    }

    /** The peer's address belongs to this identity now. */
    function become(number: number): void {
      if (local) node.pod('a', {identity: number})
      const flags = local ? {endpoint: 1 | (1 << 16)} : {flags: addressFlags.ADDRESS_NATIVE}
      node.address(peer, {identity: number, ...flags})
      node.moveEpoch()
    }

    test('a peer that was relabelled is judged by its new labels, and by the old ones when it gets them back', () => {
      const packet = establish(policy.install([{identity, protocol: 6, port: 80}]))

      become(other)
      expect(packet()).toMatchObject(denied)

      become(identity)
      expect(packet()).toMatchObject(passes())
      expect(packet().action).not.toBe('drop')
    })

    test('an identity that a deny is about is refused from the moment an address has it', () => {
      const packet = establish(policy.install([{...deny, identity: other}, {protocol: 6}]))

      become(other)

      expect(packet()).toMatchObject(forbidden)
    })

    test('a deny added for an identity that nobody had before holds for flows that were allowed', () => {
      const packet = establish(policy.install([{protocol: 6}]))

      rule(policy.install([{...deny, identity}, {protocol: 6}]))

      expect(packet()).toMatchObject(forbidden)
    })

    test('a set that flips to and fro is followed at each step', () => {
      const open = policy.install([{identity, protocol: 6, port: 80}])
      const closed = policy.install([{identity, protocol: 6, port: 81}])
      const packet = establish(open)

      for (const [set, allowed] of [
        [closed, false],
        [open, true],
        [closed, false],
        [SET_OPEN, true],
        [closed, false],
      ] as const) {
        rule(set)
        if (allowed) expect(packet().action).not.toBe('drop')
        else expect(packet()).toMatchObject(denied)
      }
    })

    test('what the other end’s rules refuse from now on is refused, too, where it is ours', () => {
      const packet = establish(SET_OPEN)

      node.pod('a', {[back]: policy.install([])})

      if (local) expect(packet()).toMatchObject(denied)
      else expect(packet().action).not.toBe('drop')
    })

    test('an address that another pod got is that pod', () => {
      const packet = establish(policy.install([{identity, protocol: 6, port: 80}]))
      // an answer to somebody who is gone begins a flow of its own
      node.pod('b', {[back]: policy.install([{identity}])})

      if (local) {
        node.pod('a', {identity: other, generation: 2})
        node.address(peer, {identity: other, endpoint: 1 | (2 << 16)})
        node.moveEpoch()
      } else become(other)

      const outcome = packet()
      expect(outcome.action).toBe('drop')
      expect(['POLICY_DENIED', 'STALE_ENDPOINT']).toContain(outcome.action === 'drop' ? outcome.reason : '')
    })

    test('the pod that got the protected address is judged by its own rules', () => {
      const packet = establish(policy.install([{identity, protocol: 6, port: 80}]))

      const nothing = policy.install([])
      node.pod('b', {generation: 2, identity: other, ingressSet: nothing, egressSet: nothing})
      node.address(b, {identity: other, endpoint: 2 | (2 << 16)})
      node.moveEpoch()

      expect(packet().action).toBe('drop')
      expect(ask(request)).toMatchObject(denied)
    })
  },
)
