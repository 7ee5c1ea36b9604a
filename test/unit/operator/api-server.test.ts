import type {Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterEach, expect, test} from 'vitest'
import {close, healthServer, listen, metricsServer, parseListenAddress} from '../../../src/operator/api-server.ts'
import {OperatorMetrics} from '../../../src/operator/metrics.ts'
import {MetricRegistry} from '../../../src/runtime/metrics.ts'

const servers: Server[] = []
afterEach(() => Promise.all(servers.splice(0).map(close)))

test.each([
  ['127.0.0.1:9234', {host: '127.0.0.1', port: 9234}],
  ['[::1]:9234', {host: '::1', port: 9234}],
  ['localhost:9234', {host: 'localhost', port: 9234}],
  [':9963', {host: undefined, port: 9963}],
  ['', {host: '127.0.0.1', port: 0}],
])('%j is an address to listen on', (text, expected) => {
  expect(parseListenAddress(text)).toEqual(expected)
})

test.each([['9234'], ['127.0.0.1'], ['::1:9234'], ['127.0.0.1:65536']])('%j is none', (text) => {
  expect(parseListenAddress(text)).toBeUndefined()
})

test('healthz says ok, or why not, under both names', async () => {
  let problem: Error | undefined
  const url = await start(
    healthServer(async () => {
      if (problem !== undefined) throw problem
    }),
  )

  expect(await text(`${url}/healthz`)).toEqual([200, 'ok'])
  problem = new Error('no answer')
  expect(await text(`${url}/v1/healthz`)).toEqual([500, 'internal error: no answer'])
  expect(await text(`${url}/livez`)).toEqual([200, 'ok'])
  expect((await text(`${url}/other`))[0]).toBe(404)
})

test('metrics carry the names that dashboards look for', async () => {
  const registry = new MetricRegistry()
  const metrics = new OperatorMetrics(registry)
  metrics.ran('ciliumendpoint-gc', 'success')
  metrics.endpointsCollected('success')
  metrics.identitiesCollected({outcome: 'success', alive: 7, removed: 2, ms: 1500})
  metrics.unmanagedPods(1)
  metrics.logged('warn', 'ipam')
  metrics.logged('info', 'ipam')

  const [, body] = await text(`${await start(metricsServer(registry))}/metrics`)

  expect(body.split('\n').filter((line) => !line.startsWith('#') && line !== '')).toEqual([
    'cilium_operator_controllers_group_runs_total{status="success",group_name="ciliumendpoint-gc"} 1',
    'cilium_operator_endpoint_gc_objects{outcome="success"} 1',
    'cilium_operator_errors_warnings_total{level="warning",subsystem="ipam"} 1',
    'cilium_operator_identity_gc_entries{status="alive",identity_type="crd"} 7',
    'cilium_operator_identity_gc_entries{status="deleted",identity_type="crd"} 2',
    'cilium_operator_identity_gc_latency{outcome="success",identity_type="crd"} 1.5',
    'cilium_operator_identity_gc_runs{outcome="success",identity_type="crd"} 1',
    'cilium_operator_lbipam_conflicting_pools 0',
    'cilium_operator_lbipam_services_matching 0',
    'cilium_operator_lbipam_services_unsatisfied 0',
    'cilium_operator_unmanaged_pods 1',
  ])
})

test('an address that is taken is named with the key that changes it', async () => {
  const first = healthServer(async () => {})
  servers.push(first)
  await listen(first, {host: '127.0.0.1', port: 0}, 'operator-api-serve-addr')
  const {port} = first.address() as AddressInfo

  await expect(
    listen(
      healthServer(async () => {}),
      {host: '127.0.0.1', port},
      'operator-api-serve-addr',
    ),
  ).rejects.toMatchObject({
    code: 'OPERATOR_ADDRESS_IN_USE',
    fields: {address: `127.0.0.1:${port}`, key: 'operator-api-serve-addr'},
  })
})

async function start(server: Server): Promise<string> {
  servers.push(server)
  await listen(server, {host: '127.0.0.1', port: 0}, 'x')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function text(url: string): Promise<[number, string]> {
  const response = await fetch(url)
  return [response.status, await response.text()]
}
