import type {AddressInfo} from 'node:net'
import {availableParallelism} from 'node:os'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {agentRoutes} from '../../../../src/agent/api/agent-routes.ts'
import {healthRoutes} from '../../../../src/agent/api/health-routes.ts'
import {apiServer} from '../../../../src/agent/api/http.ts'
import type {ApiSources, FlowsState} from '../../../../src/agent/api/sources.ts'
import {changeConfig, parseConfig} from '../../../../src/agent/config.ts'
import {NodePools} from '../../../../src/agent/ipam/node-pools.ts'
import type {EndpointRow} from '../../../../src/agent/state/rows.ts'
import {createTables, type Tables} from '../../../../src/agent/state/tables.ts'
import type {StatusResponse} from '../../../../src/api/models.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {identity} from '../../../../src/model/identity.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {LabelSet} from '../../../../src/model/labels.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'
import {endpoint} from '../rows.ts'

let tables: Tables
let pools: NodePools
let registry: MetricRegistry
let url: string
let disconnected: EndpointRow[]
let state: {waitingFor: string; kubernetesError: string | undefined; cni: {ok: boolean; message: string}}
let flows: FlowsState | undefined
let close: () => void

beforeEach(async () => {
  tables = createTables()
  registry = new MetricRegistry()
  pools = new NodePools({ipv4: true, ipv6: true})
  pools.setCidrs([Cidr.of('10.0.1.0/24'), Cidr.of('fd00:1::/120')])
  disconnected = []
  flows = undefined
  state = {waitingFor: '', kubernetesError: undefined, cni: {ok: true, message: 'successfully wrote'}}
  const {texts, config: initial} = parseConfig(new Map([['enable-ipv6', 'true']]), 'node1')
  let config = initial
  const sources: ApiSources = {
    startedAt: 1_750_000_000_000,
    tables,
    pools,
    config: () => config,
    texts: () => texts,
    changeConfig: (changes) => {
      config = changeConfig(config, changes)
    },
    setAudit: async (row, audit) => {
      tables.endpoints.upsert({...row, audit})
    },
    facts: () => undefined,
    network: () => undefined,
    reflectors: () => new Map(),
    kubernetes: () => ({version: '1.34 (v1.34.4) [linux/amd64]', error: state.kubernetesError, since: 0}),
    runners: () => [],
    cniConfig: () => state.cni,
    datapath: () => undefined,
    health: () => undefined,
    waitingFor: () => state.waitingFor,
    services: () => undefined,
    metrics: () => registry.samples(),
    flows: () => flows,
    policy: () => undefined,
    disconnect: async (row) => void disconnected.push(row),
  } as ApiSources
  const server = apiServer({routes: {...agentRoutes(sources), ...healthRoutes(sources)}})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  close = () => server.close()
})
afterEach(() => close())

const call = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init)
// biome-ignore lint/suspicious/noExplicitAny: models of many shapes
const json = async (path: string, init?: RequestInit): Promise<any> => (await call(path, init)).json()

test('metrics are told with their labels and values, whether Prometheus reads them or not', async () => {
  registry
    .counter({name: 'cilium_drop_count_total', help: 'drops', labels: ['reason']})
    .labels('Stale')
    .inc(3)
  registry
    .histogram({name: 'cilium_call_seconds', help: 'calls', buckets: [1]})
    .labels()
    .observe(0.5)

  expect(await json('/v1/metrics')).toEqual([
    {name: 'cilium_call_seconds_bucket', labels: {le: '1'}, value: 1},
    {name: 'cilium_call_seconds_bucket', labels: {le: '+Inf'}, value: 1},
    {name: 'cilium_call_seconds_sum', labels: {}, value: 0.5},
    {name: 'cilium_call_seconds_count', labels: {}, value: 1},
    {name: 'cilium_drop_count_total', labels: {reason: 'Stale'}, value: 3},
  ])
})

describe('health', () => {
  test('is Ok when everything has started, and empty for kubelet', async () => {
    expect((await json('/v1/healthz')).cilium.state).toBe('Ok')
    const probe = await call('/healthz')
    expect([probe.status, await probe.text()]).toEqual([200, ''])
  })

  test('is a warning while it starts, with what it waits for', async () => {
    state.waitingFor = 'no IPv4 pod CIDR for node node1 yet'

    expect((await json('/v1/healthz')).cilium).toMatchObject({
      state: 'Warning',
      msg: expect.stringContaining('no IPv4 pod CIDR'),
    })
    expect((await call('/healthz')).status).toBe(503)
  })

  test('counts the API server only for those who ask for it', async () => {
    state.kubernetesError = 'K8S_UNREACHABLE'

    expect((await call('/healthz')).status).toBe(503)
    expect((await call('/healthz', {headers: {'require-k8s-connectivity': 'false'}})).status).toBe(200)
  })

  test('is a failure when the CNI configuration cannot be written', async () => {
    state.cni = {ok: false, message: 'CNI_CONF_FAILED'}

    expect((await json('/v1/healthz', {headers: {brief: 'true'}})).cilium.state).toBe('Failure')
  })

  test('has every part that readers take for granted', async () => {
    const status = await json('/v1/healthz')

    expect(status['kube-proxy-replacement'].features.nodePort).toBeDefined()
    expect(status.ipam.status).toBe('IPv4: 1/254 allocated from 10.0.1.0/24, IPv6: 1/254 allocated from fd00:1::/120, ')
    expect(status['identity-range']).toEqual({'min-identity': 256, 'max-identity': 65_535})
    expect(status.cluster.self).toBe('default/node1')
  })
})

describe('endpoints', () => {
  beforeEach(() => {
    tables.endpoints.upsert(endpoint({id: 7, namespace: 'default', pod: 'web'}))
    tables.endpoints.upsert(endpoint({id: 12, labels: LabelSet.parse(['k8s:app=db'])}))
  })

  test('are listed by number', async () => {
    expect((await json('/v1/endpoint')).map((one: {id: number}) => one.id)).toEqual([7, 12])
  })

  test.each([
    ['7'],
    ['cilium-local:7'],
    ['container-id:container7'],
    ['cni-attachment-id:container7:eth0'],
    ['pod-name:default:web'],
    ['cep-name:default:web'],
    ['ipv4:10.0.1.7'],
    ['ipv6:fd00:1::7'],
  ])('are found as %s', async (id) => {
    expect((await json(`/v1/endpoint/${encodeURIComponent(id)}`)).id).toBe(7)
  })

  test('that are not there are 404, names that are none 400, both with a text', async () => {
    for (const [id, status] of [
      ['99', 404],
      ['seven', 400],
      ['shoe-size:7', 400],
    ] as const) {
      const answer = await call(`/v1/endpoint/${id}`)
      expect(answer.status).toBe(status)
      expect(typeof (await answer.json())).toBe('string')
    }
  })

  test('are disconnected on request', async () => {
    expect((await call('/v1/endpoint/7', {method: 'DELETE'})).status).toBe(200)
    expect(disconnected.map(({id}) => id)).toEqual([7])
  })

  test('show labels that count and those that do not', async () => {
    const {status} = await json('/v1/endpoint/7')

    expect(status.labels['security-relevant']).toEqual(['k8s:app=web'])
    expect(status.labels.disabled).toEqual(['k8s:pod-template-hash=x'])
    expect(status['external-identifiers']['pod-name']).toBe('default/web')
  })
})

test('identities are the built-in ones and those of the cluster', async () => {
  tables.identities.upsert({id: identity(4711), labels: LabelSet.parse(['k8s:app=web'])})

  expect((await json('/v1/identity/4711')).labels).toEqual(['k8s:app=web'])
  expect((await json('/v1/identity/1')).labels).toEqual(['reserved:host'])
  expect((await call('/v1/identity/4712')).status).toBe(404)
  expect((await call('/v1/identity/x')).status).toBe(400)
  expect((await json('/v1/identity')).map((one: {id: number}) => one.id)).toContain(4711)
})

describe('configuration', () => {
  test('shows what is in force and changes what may change', async () => {
    const body = JSON.stringify({options: {Debug: 'true', MonitorAggregationLevel: 'none'}})

    expect((await call('/v1/config', {method: 'PATCH', body})).status).toBe(200)
    const {status, spec} = await json('/v1/config')
    expect(spec.options).toEqual({Debug: 'Enabled', MonitorAggregationLevel: 'none'})
    expect(status.daemonConfigurationMap['enable-ipv6']).toBe('true')
  })

  test.each([
    ['not json', 400],
    ['[]', 400],
    ['{"options":{"enable-ipv4":"false"}}', 400],
    ['{"options":{"Debug":"perhaps"}}', 400],
    ['{"options":{"__proto__":"x"}}', 400],
  ])('%s is answered %i', async (body, status) => {
    expect((await call('/v1/config', {method: 'PATCH', body})).status).toBe(status)
  })
})

describe('addresses', () => {
  test('are given, taken and released, and what is in use is not given away', async () => {
    const {address} = await json('/v1/ipam', {method: 'POST'})
    expect(address).toEqual({ipv4: '10.0.1.2', ipv6: 'fd00:1::2'})
    expect((await call('/v1/ipam/10.0.1.9?owner=me', {method: 'POST'})).status).toBe(200)
    expect((await call('/v1/ipam/10.0.1.9?owner=you', {method: 'POST'})).status).toBe(409)
    expect((await call('/v1/ipam/10.0.1.9', {method: 'DELETE'})).status).toBe(200)
    expect((await call('/v1/ipam/10.0.1.1', {method: 'DELETE'})).status).toBe(403)
    expect((await call('/v1/ipam/10.9.9.9', {method: 'DELETE'})).status).toBe(404)
    expect((await call('/v1/ipam/shoe', {method: 'DELETE'})).status).toBe(400)
  })

  test('are listed with identity and way', async () => {
    tables.addresses.upsert({
      cidr: Cidr.host(Ip.of('10.0.2.9')),
      source: 'remote-endpoint',
      owner: 'pod/default/far',
      identity: identity(4711),
      cidrClass: 0,
      endpoint: undefined,
      localHost: false,
      remoteNode: false,
      native: false,
      tunnel: Ip.of('192.0.2.2'),
    })

    expect(await json('/v1/ip?cidr=10.0.2.0/24')).toEqual([
      {
        cidr: '10.0.2.9/32',
        identity: 4711,
        hostIP: '192.0.2.2',
        metadata: {source: 'custom-resource', name: 'far', namespace: 'default'},
      },
    ])
    expect(await json('/v1/ip?cidr=10.0.3.0/24')).toEqual([])
    expect((await call('/v1/ip?cidr=x')).status).toBe(400)
  })
})

test('tables can be printed, one or all', async () => {
  tables.namespaces.upsert({name: 'default', labels: {}})

  expect((await json('/statedb/dump/namespaces')).rows).toHaveLength(1)
  expect(Object.keys(await json('/statedb/dump'))).toContain('endpoints')
  expect((await call('/statedb/dump/none')).status).toBe(404)
})

test('what is not there is 404, another method 405, a long body refused', async () => {
  expect((await call('/v1/nothing')).status).toBe(404)
  expect((await call('/v1/ip', {method: 'POST'})).status).toBe(405)
  expect((await call('/v1/config', {method: 'PATCH', body: 'x'.repeat(2 << 20)})).status).toBe(400)
})

test('the thread of flows is told with its numbers, or why it has none', async () => {
  const model = async () => {
    const {hubble, nodeMonitor} = (await (await call('/v1/healthz')).json()) as StatusResponse
    return {hubble, nodeMonitor}
  }
  const counts = {flows: 10, capacity: 4095, seen: 5000, lost: 7, ringBytes: 2 ** 25, unreadable: 1, uptimeMs: 61_500}
  expect(await model()).toEqual({hubble: {state: 'Disabled'}, nodeMonitor: undefined})

  flows = {counts, problem: undefined}
  expect(await model()).toMatchObject({
    hubble: {
      state: 'Ok',
      observer: {'current-flows': 10, 'max-flows': 4095, 'seen-flows': 5000, uptime: '61.500s'},
    },
    nodeMonitor: {lost: 7, unknown: 1, npages: Math.floor(8192 / availableParallelism()), pagesize: 4096},
  })

  flows = {counts: undefined, problem: 'starting'}
  expect((await model()).hubble).toEqual({state: 'Warning', msg: 'starting'})
  flows = {counts: undefined, problem: 'it ended'}
  expect((await model()).hubble).toEqual({state: 'Failure', msg: 'it ended'})
})
