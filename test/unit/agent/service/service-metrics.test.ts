import {expect, test} from 'vitest'
import {ServiceClaimants} from '../../../../src/agent/reconcile/service-claimants.ts'
import {serviceRow} from '../../../../src/agent/reflect/service.ts'
import type {ServicePlan} from '../../../../src/agent/service/frontends.ts'
import {ServiceMetrics} from '../../../../src/agent/service/service-metrics.ts'
import {createTables} from '../../../../src/agent/state/tables.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {systemClock} from '../../../../src/runtime/clock.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'
import {ReconcilerRunner} from '../../../../src/runtime/reconciler.ts'

const plan: ServicePlan = {
  ipv4: true,
  ipv6: true,
  external: true,
  topology: false,
  externalClusterIp: false,
  rangesOnAll: false,
  sctp: false,
  algorithm: 'random',
  tableSize: 251,
  algorithmAnnotation: false,
  mode: 'snat',
  modeAnnotation: false,
  place: {node: 'worker1', zone: undefined},
  nodePortIps: [Ip.of('192.168.0.1')],
}

test('counts changes of services, and times each until all its frontends are written', async () => {
  const registry = new MetricRegistry()
  const tables = createTables()
  const written: string[] = []
  const fill = [{map: 'cilium_lb', used: 3, capacity: 12}]
  const metrics = new ServiceMetrics({registry, tables, clock: systemClock, fill: () => fill})
  const claimants = new ServiceClaimants(
    tables,
    () => plan,
    () => {},
  )
  const reconciler = metrics.observed({update: ({key}) => void written.push(key), remove: () => {}})
  const runner = new ReconcilerRunner({name: 'maps', table: tables.frontends, reconciler})
  metrics.start()
  claimants.start()
  runner.start()
  for (const [table, source] of [
    [tables.services, 'services'],
    [tables.endpointSlices, 'endpointslices'],
    [tables.pods, 'pods'],
    [tables.endpoints, 'disk'],
    [tables.localNode, 'node'],
  ] as const)
    table.markSynced(source)
  await tables.frontends.whenSynced()

  const row = serviceRow({
    metadata: {namespace: 'default', name: 'web'},
    spec: {type: 'NodePort', clusterIP: '10.96.0.1', ports: [{port: 80, nodePort: 30080}]},
  })!
  tables.services.upsert(row)
  await tables.frontends.until((table) => table.size === 4)
  await tables.frontends.until(() => written.length === 4)
  tables.services.delete('default/web')
  await tables.frontends.until((table) => table.size === 0)
  await runner.whenIdle()
  const text = await registry.expose()

  expect(text).toContain('cilium_services_events_total{action="add"} 1')
  expect(text).toContain('cilium_services_events_total{action="delete"} 1')
  expect(text).toContain('cilium_service_implementation_delay_count{action="add"} 1')
  expect(text).toContain('cilium_service_implementation_delay_count{action="delete"} 1')
  expect(text).toContain('cilium_bpf_map_pressure{map_name="cilium_lb"} 0.25')
  claimants.stop()
  metrics.stop()
  await runner.stop()
})
