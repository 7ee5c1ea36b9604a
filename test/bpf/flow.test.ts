/** The life of flows: opening, established, closing, expired, and what happens when there are too many. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {FLOW_SHARD_ENTRIES} from '../../src/datapath/gen/constants.ts'
import {flowState} from '../../src/datapath/gen/enums.ts'
import {BpfNode, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmp, tcp, udp} from './support/packet.ts'

const {FLOW_OPENING, FLOW_ESTABLISHED, FLOW_CLOSING} = flowState

let node: BpfNode
let small: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('flow')
  small = await BpfNode.make('flow-one-shard', {config: {flowShards: 1}})
})
afterAll(() => {
  node?.close()
  small?.close()
})
beforeEach(() => {
  node.reset()
  small.reset()
})

/** Seconds until each entry of the only flow expires, rounded. */
function lifetimes(of = node): number[] {
  const now = Number(process.hrtime.bigint())
  return of.flows().map(({flow}) => Math.round((Number(flow.expires) - now) / 1e9))
}

describe.each(plans)('IPv$family', ({a, b, outside, end}) => {
  const [from, to] = [end(a, 4000), end(b, 80)]
  const states = () => node.flows().map(({flow}) => flow.state)

  test('a connection is established when each side has acknowledged the other, not before', () => {
    node.fromPod('a', tcp(from, to).syn())
    expect(states()).toEqual([FLOW_OPENING, FLOW_OPENING])
    node.fromPod('b', tcp(to, from).synAck())
    expect(states()).toEqual([FLOW_OPENING, FLOW_OPENING])
    expect(node.flows().map(({flow}) => flow.answered)).toEqual([0, 0])
    expect(lifetimes()).toEqual([60, 60])

    node.fromPod('a', tcp(from, to).ack())

    expect(states()).toEqual([FLOW_ESTABLISHED, FLOW_ESTABLISHED])
    expect(node.flows().map(({flow}) => flow.answered)).toEqual([1, 1])
    expect(lifetimes()).toEqual([8000, 8000])
  })

  test('one met in the middle is established when both have been heard', () => {
    node.fromPod('a', tcp(from, to).push('x'))
    expect(states()).toEqual([FLOW_OPENING, FLOW_OPENING])
    node.fromPod('b', tcp(to, from).ack())

    expect(states()).toEqual([FLOW_ESTABLISHED, FLOW_ESTABLISHED])
  })

  test('it closes when both have said so, or one aborts', () => {
    const establish = () => {
      node.fromPod('a', tcp(from, to).syn())
      node.fromPod('b', tcp(to, from).synAck())
      node.fromPod('a', tcp(from, to).ack())
    }
    establish()
    node.fromPod('a', tcp(from, to).fin())
    expect(states()).toEqual([FLOW_ESTABLISHED, FLOW_ESTABLISHED])
    node.fromPod('b', tcp(to, from).fin())
    expect(states()).toEqual([FLOW_CLOSING, FLOW_CLOSING])
    expect(lifetimes()).toEqual([10, 10])

    node.reset()
    establish()
    node.fromPod('b', tcp(to, from).rst())
    expect(states()).toEqual([FLOW_CLOSING, FLOW_CLOSING])
  })

  test('a new connection takes the tuple of one that has ended', () => {
    node.fromPod('a', tcp(from, to).syn())
    node.fromPod('b', tcp(to, from).rst())
    const before = node.flows()[0]!.flow.created

    node.fromPod('a', tcp(from, to).syn())

    expect(states()).toEqual([FLOW_OPENING, FLOW_OPENING])
    expect(node.flows()).toHaveLength(2)
    expect(node.flows()[0]!.flow.created).toBeGreaterThanOrEqual(before)
  })

  test('datagrams and pings are answered by the first answer', () => {
    const query = node.fromPod('a', udp(from, to).data('q'))
    expect(lifetimes()).toEqual([60, 60])
    node.fromPod('b', answer(query.packet).data('r'))
    const ping = node.fromPod('a', icmp(a, b).echo(1))
    node.fromPod('b', answer(ping.packet))

    expect(node.flows().map(({flow}) => flow.answered)).toEqual([1, 1, 1, 1])
    const shards = [...node.shards.entries()].map(([, shard]) => shard)
    expect(shards.reduce((sum, {flows}) => sum + flows, 0)).toBe(4)
    expect(shards.reduce((sum, {unanswered}) => sum + unanswered, 0)).toBe(0)
  })

  test('an expired flow is deleted, both entries, and its packets begin a new one', () => {
    node.fromPod('a', udp(from, to).data('q'))
    for (const {key} of node.flows()) node.changeFlow(key, {expires: 1n})

    expect(node.fromPod('a', udp(from, to).data('q'))).toMatchObject({action: 'peer'})
    expect(lifetimes()).toEqual([60, 60])

    for (const {key} of node.flows()) node.changeFlow(key, {expires: 1n})
    node.expire()
    expect(node.flows()).toEqual([])
    const shards = [...node.shards.entries()].map(([, shard]) => shard)
    expect(shards.reduce((sum, {flows}) => sum + flows, 0)).toBe(0)
    expect(shards.reduce((sum, {unanswered}) => sum + unanswered, 0)).toBe(0)
    expect(shards.reduce((sum, {expired}) => sum + expired, 0)).toBe(1)
  })

  test('an entry lives as long as the other of its pair', () => {
    node.fromPod('a', udp(from, to).data('q'))
    const [first] = node.flows()
    node.changeFlow(first!.key, {expires: 1n})

    node.expire()

    expect(lifetimes()).toEqual([60, 60])
  })

  test('half a pair does not outlive its time', () => {
    node.fromPod('a', udp(from, to).data('q'))
    const [first, second] = node.flows()
    node.changeFlow(first!.key, {expires: 1n, toSport: 9999})
    node.changeFlow(second!.key, {expires: 1n})

    node.expire()

    expect(node.flows()).toEqual([])
  })

  test('a flood of unanswered flows is refused at a quarter, and what is established goes on', () => {
    small.fromPod('a', tcp(from, to).syn())
    small.fromPod('b', tcp(to, from).synAck())
    small.fromPod('a', tcp(from, to).ack())

    const reasons = new Map<string, number>()
    for (let i = 0; i < 700; i++) {
      const {action, reason} = small.fromPod('a', tcp(end(a, 10000 + i), to).syn())
      const what = reason || action
      reasons.set(what, (reasons.get(what) ?? 0) + 1)
    }

    // each flow has two entries in the only shard
    expect(reasons).toEqual(
      new Map([
        ['peer', FLOW_SHARD_ENTRIES / 8],
        ['TOO_MANY_UNANSWERED', 700 - FLOW_SHARD_ENTRIES / 8],
      ]),
    )
    expect(small.shards.get(0)!.refused).toBe(700 - FLOW_SHARD_ENTRIES / 8)
    expect(small.fromPod('a', tcp(from, to).push('still here'))).toMatchObject({action: 'peer', to: 'b'})
    expect(small.fromPod('b', tcp(to, from).ack())).toMatchObject({action: 'peer', to: 'a'})
  })

  test('a full shard refuses new flows with its own reason', () => {
    let refused = ''
    for (let i = 0; i < FLOW_SHARD_ENTRIES / 2 + 1 && !refused; i++) {
      const [client, server] = [end(a, 10000 + i), end(b, 53)]
      refused = small.fromPod('a', udp(client, server)).reason
      if (!refused) small.fromPod('b', udp(server, client))
    }

    expect(refused).toBe('FLOW_TABLE_FULL')
    expect(small.flows()).toHaveLength(FLOW_SHARD_ENTRIES)
    expect(small.fromPod('a', udp(end(a, 10000), end(b, 53)))).toMatchObject({action: 'peer'})
    // nothing is left of the flow that was refused
    expect(small.shards.get(0)).toMatchObject({flows: FLOW_SHARD_ENTRIES, unanswered: 0})
  })

  test('a masqueraded flow that found no room leaves no claim on its port', () => {
    for (let i = 0; i < FLOW_SHARD_ENTRIES / 8; i++) small.fromPod('a', udp(end(a, 10000 + i), end(b, 53)))

    expect(small.fromPod('a', udp(end(a, 40000), end(outside, 53)))).toMatchObject({reason: 'TOO_MANY_UNANSWERED'})
    expect(small.flows()).toHaveLength(FLOW_SHARD_ENTRIES / 4)
  })

  test('counts that have gone wrong are put right by the walk', () => {
    small.fromPod('a', udp(from, to))
    small.shards.put(0, {flows: 900, unanswered: 1024, expired: 0, refused: 0})
    expect(small.fromPod('a', udp(end(a, 5), to))).toMatchObject({reason: 'TOO_MANY_UNANSWERED'})

    small.expire()

    expect(small.shards.get(0)).toMatchObject({flows: 2, unanswered: 2})
    expect(small.fromPod('a', udp(end(a, 5), to))).toMatchObject({action: 'peer'})
  })
})
