import {expect, test} from 'vitest'
import {ProbeMetrics} from '../../../../src/agent/health/probe-metrics.ts'
import type {ProbeRow} from '../../../../src/agent/state/rows.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'

function row(node: string, change: Partial<ProbeRow> = {}): ProbeRow {
  const common = {kind: 'host', ip: Ip.of('192.0.2.1'), primary: true, protocol: 'icmp'} as const
  return {...common, node, failure: '', latencyNs: 2_000_000, at: 0, ...change}
}

test('nodes are counted by whether all of their addresses answer, and those not probed yet as unknown', () => {
  const registry = new MetricRegistry()
  const metrics = new ProbeMetrics(registry, {cluster: 'c', node: 'n1'})
  const failure = 'Connection timed out'

  metrics.counted(
    'host',
    [row('n1'), row('n1', {protocol: 'http'}), row('n2'), row('n2', {ip: Ip.of('2001:db8::2'), failure})],
    new Set(['n1', 'n2', 'n3']),
  )
  metrics.counted('endpoint', [row('n1', {kind: 'endpoint'})], new Set(['n1']))

  const text = registry.render()
  const of = (type: string, status: string) =>
    `cilium_node_health_connectivity_status{source_cluster="c",source_node_name="n1",type="${type}",status="${status}"}`
  expect(text).toContain(`${of('node', 'reachable')} 1\n`)
  expect(text).toContain(`${of('node', 'unreachable')} 1\n`)
  expect(text).toContain(`${of('node', 'unknown')} 1\n`)
  expect(text).toContain(`${of('endpoint', 'reachable')} 1\n`)
  expect(text).toContain('cilium_unreachable_nodes 1\n')
  expect(text).toContain('cilium_unreachable_health_endpoints 0\n')
})

test('what answers is timed by the way it was asked', () => {
  const registry = new MetricRegistry()
  const metrics = new ProbeMetrics(registry, {cluster: 'c', node: 'n1'})

  metrics.answered(row('n2'))
  metrics.answered(row('n2', {kind: 'endpoint', primary: false, protocol: 'http', latencyNs: 20_000_000}))

  const text = registry.render()
  const name = 'cilium_node_health_connectivity_latency_seconds'
  const source = 'source_cluster="c",source_node_name="n1"'
  expect(text).toContain(`${name}_sum{${source},type="node",address_type="primary",protocol="icmp"} 0.002\n`)
  expect(text).toContain(`${name}_sum{${source},type="endpoint",address_type="secondary",protocol="http"} 0.02\n`)
})
