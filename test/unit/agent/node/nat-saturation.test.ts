import {expect, test} from 'vitest'
import {NatSaturation} from '../../../../src/agent/node/nat-saturation.ts'
import {flowFlags} from '../../../../src/datapath/gen/enums.ts'
import {type Flow, type FlowKey, flowKeyZero, flowZero} from '../../../../src/datapath/gen/types.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'
import {FakeClock} from '../../../support/fake-clock.ts'

const {FLOW_REVERSE, FLOW_SNAT} = flowFlags
const address = (text: string) => Ip.of(text).toMappedBytes()

/** The answer's entry of a masqueraded flow. */
function answer(from: string, sport: number, to: string, dport: number, change: Partial<Flow> = {}): [FlowKey, Flow] {
  const key = {...flowKeyZero, src: address(from), dst: address(to), sport, dport, proto: 17}
  return [key, {...flowZero, flags: FLOW_REVERSE | FLOW_SNAT, ...change}]
}

test('tells how full the fullest pair of address and destination is, over all shards', async () => {
  const registry = new MetricRegistry()
  const clock = new FakeClock()
  const shards = [
    [answer('203.0.113.9', 53, '192.168.0.1', 40001), answer('203.0.113.9', 53, '192.168.0.1', 40002)],
    [
      answer('203.0.113.9', 53, '192.168.0.1', 40003),
      answer('203.0.113.9', 54, '192.168.0.1', 40004),
      answer('203.0.113.9', 53, '192.168.0.2', 40005),
      answer('203.0.113.9', 53, '192.168.0.1', 40006, {flags: FLOW_REVERSE}),
      answer('2001:db8::9', 53, 'fd01::1', 40007),
    ],
  ]
  const saturation = new NatSaturation(registry, {clock, intervalMs: 30_000, ports: 100, shards: () => shards})

  await saturation.look()

  expect(await registry.expose()).toContain('cilium_nat_endpoint_max_connection{family="ipv4"} 3\n')
  expect(await registry.expose()).toContain('cilium_nat_endpoint_max_connection{family="ipv6"} 1\n')
})

test('goes down again, and waits for flows to be there', async () => {
  const registry = new MetricRegistry()
  let shards: [FlowKey, Flow][][] | undefined
  const saturation = new NatSaturation(registry, {
    clock: new FakeClock(),
    intervalMs: 0,
    ports: 100,
    shards: () => shards,
  })

  await saturation.look()
  expect(await registry.expose()).not.toContain('max_connection{')
  shards = [[answer('203.0.113.9', 53, '192.168.0.1', 40001)]]
  await saturation.look()
  expect(await registry.expose()).toContain('max_connection{family="ipv4"} 1\n')
  shards = []
  await saturation.look()
  expect(await registry.expose()).toContain('max_connection{family="ipv4"} 0\n')
})
