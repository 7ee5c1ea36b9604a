/** What proxies tell: kept among the events, found by filters, counted, redacted before anybody hears it. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Client, credentials} from '@grpc/grpc-js'
import {afterEach, beforeEach, expect, test} from 'vitest'
import type {Layer7} from '../../../../src/api/gen/flow.ts'
import {type GetFlowsRequest, type GetFlowsResponse, ObserverService} from '../../../../src/api/gen/observer.ts'
import type {AccessRecord} from '../../../../src/hubble/observe/access-record.ts'
import {NodeServer} from '../../../../src/hubble/server/node-server.ts'
import {Ring} from '../ring.ts'

const folder = mkdtempSync(join(tmpdir(), 'access-'))
const socketPath = join(folder, 'hubble.sock')
const metricsPort = 20_000 + (process.pid % 10_000)
const ring = new Ring()
let server: NodeServer
let client: Client

beforeEach(async () => {
  server = new NodeServer(
    {
      clusterName: 'lab',
      nodeName: 'n1',
      version: '1',
      capacity: 7,
      pinRoot: '',
      socketPath,
      monitorPath: '',
      listenAddress: '',
      tls: undefined,
      exports: [],
      flowLogsPath: '',
      redact: {urlQuery: true, userInfo: true, headers: {allow: ['accept'], deny: []}, apiKey: true},
      metrics: {specs: ['dns:query', 'httpV2'], address: `127.0.0.1:${metricsPort}`},
    },
    ring,
  )
  await server.start()
  client = new Client(`unix://${socketPath}`, credentials.createInsecure())
})
afterEach(async () => {
  client.close()
  await server.stop()
  rmSync(folder, {recursive: true, force: true})
})

const access = (record: Layer7, more: Partial<AccessRecord> = {}): AccessRecord => ({
  time: process.hrtime.bigint(),
  source: {ip: 'fd00::5', port: 40_000, identity: 300, endpoint: 7},
  destination: {ip: 'fd00::7', port: 80, identity: 301, endpoint: 0},
  protocol: 6,
  verdict: 1,
  direction: 2,
  isReply: false,
  proxyPort: 15_000,
  record,
  ...more,
})
const tell = (...records: AccessRecord[]) => server.hear({kind: 'access', records})

async function flows(request: GetFlowsRequest) {
  const {path, requestSerialize, responseDeserialize} = ObserverService.GetFlows
  const found = []
  for await (const one of client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request))
    found.push((one as GetFlowsResponse).flow!)
  return found
}

const request: Layer7 = {
  type: 1,
  http: {
    method: 'GET',
    url: 'http://ann:pw@shop/cart?id=1',
    headers: [{key: 'cookie', value: 'c'}],
    protocol: 'HTTP/1.1',
  },
}
const answer: Layer7 = {type: 2, latency_ns: 20_000_000n, http: {...request.http, code: 503}}
const dns: Layer7 = {type: 2, dns: {query: 'a.b.', qtypes: ['AAAA'], rrtypes: ['AAAA'], ips: ['fd00::9'], rcode: 0}}

test('a record is a flow of layer 7, and says nothing that it must not', async () => {
  tell(access(request, {traceId: '0af7651916cd43dd8448eb211c80319c'}))

  expect(await flows({number: 1n})).toMatchObject([
    {
      Type: 2,
      verdict: 1,
      event_type: {type: 129},
      traffic_direction: 2,
      is_reply: false,
      proxy_port: 15_000,
      IP: {source: 'fd00::5', destination: 'fd00::7', ipVersion: 2},
      source: {ID: 7, identity: 300},
      l7: {
        type: 1,
        http: {
          method: 'GET',
          url: 'http://ann:HUBBLE_REDACTED@shop/cart',
          headers: [{key: 'cookie', value: 'HUBBLE_REDACTED'}],
        },
      },
      trace_context: {parent: {trace_id: '0af7651916cd43dd8448eb211c80319c'}},
    },
  ])
})

test('filters find records among packets', async () => {
  ring.write({dport: 1})
  await expect.poll(() => server.counts.seen).toBe(1)
  tell(access(request), access(answer, {isReply: true, verdict: 2}), access(dns, {protocol: 17, isReply: true}))
  const count = async (filter: object) => (await flows({number: 100n, whitelist: [filter]})).length

  expect(await count({protocol: ['http']})).toBe(2)
  expect(await count({protocol: ['dns', 'tcp']})).toBe(4)
  expect(await count({http_status_code: ['5+']})).toBe(1)
  expect(await count({http_method: ['get'], verdict: [2]})).toBe(1)
  expect(await count({http_path: ['^/cart$']})).toBe(2)
  expect(await count({dns_query: ['^a\\.']})).toBe(1)
  expect(await count({event_type: [{type: 129}]})).toBe(3)
  expect(await count({reply: [true]})).toBe(2)
})

test('a record is forgotten with its event, and never told with another', async () => {
  tell(access(request))
  ring.write(...Array.from({length: 8}, () => ({dport: 1})))
  await expect.poll(() => server.counts.seen).toBe(9)

  expect((await flows({number: 100n})).some(({l7}) => l7 !== undefined)).toBe(false)
})

test('requests and answers are counted', async () => {
  tell(
    access(request),
    access(answer, {isReply: true, direction: 1}),
    access(dns, {protocol: 17, isReply: true, direction: 1}),
  )

  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()

  expect(text).toContain(
    'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="503",reporter="client"} 1',
  )
  expect(text).toContain('hubble_http_request_duration_seconds_bucket{method="GET",reporter="client",le="0.025"} 1')
  expect(text).toContain('hubble_dns_responses_total{query="a.b.",rcode="No Error",qtypes="AAAA",ips_returned="1"} 1')
  expect(text).toContain('hubble_dns_response_types_total{query="a.b.",type="AAAA",qtypes="AAAA"} 1')
})

test('names that DNS gave stand beside addresses', async () => {
  server.hear({kind: 'names', changes: {dns: [['fd00::7', ['shop.example.']]]}})
  tell(access(request))

  expect(
    (await flows({number: 1n, whitelist: [{destination_fqdn: ['*.example']}]})).map((one) => one.destination_names),
  ).toEqual([['shop.example.']])
})
