/** What verdicts rest on: sets, identities, the epoch. The next packet of a flow is judged anew, in both directions. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {endpointFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {addr, BpfNode, identities, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {tcp, udp} from './support/packet.ts'

const {SET_CLOSED, SET_OPEN, SET_FIRST} = ruleSetNumber
const denied = {action: 'drop', reason: 'POLICY_DENIED'}
const noSuchSet = {action: 'drop', reason: 'NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION'}

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('verdict')
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({family, a, b, remote, router, outside, end}) => {
  const packet = tcp(end(a, 4000), end(b, 80)).syn()

  test('a closed endpoint sends nothing and gets nothing', () => {
    node.pod('a', {egressSet: SET_CLOSED})
    expect(node.fromPod('a', packet)).toMatchObject(denied)

    node.reset()
    node.pod('b', {ingressSet: SET_CLOSED})
    expect(node.fromPod('a', packet)).toMatchObject(denied)
    expect(node.fromNet(udp(end(remote, 1), end(b, 53)))).toMatchObject(denied)
    expect(node.flows()).toEqual([])
  })

  test('a set that nobody has written is closed, with a reason of its own', () => {
    node.pod('b', {ingressSet: SET_FIRST + 3})

    expect(node.fromPod('a', packet)).toMatchObject(noSuchSet)
  })

  test('zeroed memory is closed', () => {
    node.pod('b', {ingressSet: 0, egressSet: 0})

    expect(node.fromPod('a', packet)).toMatchObject(denied)
    expect(node.fromPod('b', tcp(end(b, 1), end(a, 80)).syn())).toMatchObject(denied)
  })

  test('a node always reaches its own pods', () => {
    node.pod('a', {ingressSet: SET_CLOSED})

    expect(node.toPod('a', tcp(end(router, 4000), end(a, 8080)).syn())).toMatchObject({action: 'pass'})
    expect(node.fromPod('a', tcp(end(a, 8080), end(router, 4000)).synAck())).toMatchObject({action: 'pass'})
    expect(node.fromPod('b', tcp(end(b, 1), end(a, 8080)).syn())).toMatchObject(denied)
  })

  test.each([
    {name: "the receiver's ingress", change: () => node.pod('b', {ingressSet: SET_CLOSED})},
    {name: "the sender's egress", change: () => node.pod('a', {egressSet: SET_CLOSED})},
  ])('$name set flips: both directions of the flow are judged anew, and again when it flips back', ({change}) => {
    const request = node.fromPod('a', packet)
    const reply = answer(request.packet).synAck()
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer'})

    change()
    expect(node.fromPod('a', packet)).toMatchObject(denied)
    expect(node.fromPod('b', reply)).toMatchObject(denied)

    node.pod('a', {egressSet: SET_OPEN})
    node.pod('b', {ingressSet: SET_OPEN})
    expect(node.fromPod('b', reply)).toMatchObject({action: 'peer', to: 'a'})
    expect(node.fromPod('a', packet)).toMatchObject({action: 'peer', to: 'b'})
  })

  test("replies are not judged by the answerer's egress set", () => {
    const request = node.fromPod('a', packet)
    node.pod('b', {egressSet: SET_CLOSED})

    expect(node.fromPod('b', answer(request.packet).synAck())).toMatchObject({action: 'peer', to: 'a'})
    expect(node.fromPod('b', tcp(end(b, 7), end(a, 80)).syn())).toMatchObject(denied)
  })

  test('masqueraded and inbound flows are judged anew in both directions', () => {
    const out = node.fromPod('a', tcp(end(a, 40001), end(outside, 443)).syn())
    const into = node.fromNet(tcp(end(remote, 4000), end(b, 80)).syn())
    node.pod('a', {egressSet: SET_CLOSED})
    node.pod('b', {ingressSet: SET_CLOSED})

    expect(node.fromPod('a', tcp(end(a, 40001), end(outside, 443)).ack())).toMatchObject(denied)
    expect(node.fromNet(answer(out.packet).synAck())).toMatchObject(denied)
    expect(node.fromNet(tcp(end(remote, 4000), end(b, 80)).ack())).toMatchObject(denied)
    expect(node.fromPod('b', answer(into.packet).synAck())).toMatchObject(denied)
  })

  test('a moved epoch makes the next packet of each direction learn the identities', () => {
    const request = node.fromPod('a', packet)
    node.fromPod('b', answer(request.packet).synAck())
    node.pod('b', {identity: 7007})
    node.address(b, {identity: 7007, endpoint: 2 | (1 << 16)})
    node.fromPod('a', packet)
    expect(node.flows().map(({flow}) => flow.dstIdentity)).toEqual([identities.b, identities.b])

    node.moveEpoch()
    node.fromPod('a', packet)
    node.fromPod('b', answer(request.packet).ack())

    expect(node.flows().map(({flow}) => flow.dstIdentity)).toEqual([7007, 7007])
    expect(node.flows()).toHaveLength(2)
  })

  test('an address that loses its identity is known as what its prefix says', () => {
    node.fromNet(udp(end(remote, 4000), end(b, 53)))
    node.addresses.delete(addr(remote))
    node.moveEpoch()

    expect(node.fromNet(udp(end(remote, 4000), end(b, 53)))).toMatchObject({action: 'peer'})
    expect(node.flows().map(({flow}) => flow.srcIdentity)).toContain(family === 4 ? 9 : 10)
  })

  test('an address given to another pod makes a new flow', () => {
    node.fromPod('a', udp(end(a, 4000), end(b, 53)))
    node.address(b, {identity: identities.a, endpoint: 1 | (1 << 16)})
    node.address(a, {identity: identities.a, endpoint: 1 | (1 << 16)})
    node.moveEpoch()

    // b's address is pod a's now: what a sends there comes back into a
    expect(node.fromPod('a', udp(end(a, 4000), end(b, 53)))).toMatchObject({action: 'peer', to: 'a'})
  })

  test('no mark opens a closed pod', () => {
    node.pod('a', {ingressSet: SET_CLOSED})
    for (let mark = 0; mark < 0x1000; mark += 0x100)
      expect(node.toPod('a', tcp(end(remote, 4000), end(a, 80)).syn(), {mark})).toMatchObject(denied)
  })

  test('audit mode opens nothing of which no rule set has spoken', () => {
    node.pod('b', {ingressSet: SET_FIRST + 1, flags: endpointFlags.ENDPOINT_AUDIT})
    expect(node.fromPod('a', packet)).toMatchObject({action: 'drop'})

    node.pod('b', {ingressSet: SET_CLOSED, flags: endpointFlags.ENDPOINT_AUDIT})
    expect(node.fromPod('a', packet)).toMatchObject(denied)
  })

  test('enforcement mode never opens every set', async () => {
    const never = await BpfNode.make('never', {config: {policy: 0}})
    try {
      never.pod('b', {ingressSet: SET_CLOSED})
      expect(never.fromPod('a', packet)).toMatchObject({action: 'peer', to: 'b'})
    } finally {
      never.close()
    }
  })
})
