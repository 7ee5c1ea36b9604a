import {expect, test} from 'vitest'
import type {Flow} from '../../../../src/api/gen/flow.ts'
import {FlowAggregator} from '../../../../src/hubble/export/flow-aggregator.ts'

const flow = (time: bigint, port: number, direction: number): {flow: Flow; node_name: string; time: bigint} => ({
  flow: {
    time,
    verdict: 1,
    traffic_direction: direction,
    l4: {TCP: {source_port: 40_000 + Number(time), destination_port: port}},
  },
  node_name: 'n1',
  time,
})
const fields = ['time', 'verdict', 'l4.TCP.destination_port']

test('flows that are alike become one, with the newest time and how many they were', () => {
  const aggregator = new FlowAggregator(fields)

  const now = aggregator.add([flow(1n, 80, 1), flow(2n, 443, 2), flow(3n, 80, 1), flow(4n, 80, 2), flow(5n, 80, 0)])

  expect(now).toEqual([])
  expect(aggregator.take()).toEqual([
    {
      flow: {
        time: 5n,
        verdict: 1,
        l4: {TCP: {destination_port: 80}},
        aggregate: {ingress_flow_count: 2, egress_flow_count: 1, unknown_direction_flow_count: 1},
      },
      node_name: 'n1',
      time: 5n,
    },
    {
      flow: {
        time: 2n,
        verdict: 1,
        l4: {TCP: {destination_port: 443}},
        aggregate: {ingress_flow_count: 0, egress_flow_count: 1, unknown_direction_flow_count: 0},
      },
      node_name: 'n1',
      time: 2n,
    },
  ])
  expect(aggregator.take()).toEqual([])
})

test('what is no flow does not wait', () => {
  const lost = {lost_events: {source: 1, num_events_lost: 5n}, time: 1n}

  expect(new FlowAggregator(fields).add([lost, flow(2n, 80, 1)])).toEqual([lost])
})

test('what has no more room is given away, and nothing is forgotten', () => {
  const aggregator = new FlowAggregator(['l4.TCP.destination_port'])
  const all = Array.from({length: 40_000}, (_, index) => flow(BigInt(index), index, 1))

  const given = [...aggregator.add(all), ...aggregator.take()]

  expect(given).toHaveLength(40_000)
})

test('a field that no flow has is refused', () => {
  expect(() => new FlowAggregator(['nothing'])).toThrow('nothing')
})
