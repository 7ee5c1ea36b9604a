/** Flows that arrive at OpenTelemetry's own receiver. */
import {createInterface} from 'node:readline'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, test} from 'vitest'
import type {Flow} from '../../../src/api/gen/flow.ts'
import {OtlpSink} from '../../../src/hubble/export/otlp-sink.ts'
import {otlpReceiver} from '../../support/hubble/go-programs.ts'

interface Attribute {
  readonly key: string
  readonly value: Record<string, unknown>
}

const lines: string[] = []
const waiting: (() => void)[] = []
let stop = () => {}
let endpoint = ''

beforeAll(async () => {
  const child = execa(await otlpReceiver(), {reject: false})
  stop = () => void child.kill()
  createInterface({input: child.stdout}).on('line', (line) => {
    lines.push(line)
    for (const wake of waiting.splice(0)) wake()
  })
  while (lines.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
  endpoint = lines.shift()!
}, 600_000)
afterAll(() => stop())

async function line(): Promise<{scope: string; json: Record<string, unknown>}> {
  while (lines.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
  const text = lines.shift()!
  const at = text.indexOf(' {')
  return {scope: text.slice(0, at), json: JSON.parse(text.slice(at + 1)) as Record<string, unknown>}
}

const plain = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map(({key, value}) => [key, Object.values(value)[0]]))

const drop: Flow = {
  time: 1_700_000_000_123_456_789n,
  uuid: 'u-1',
  verdict: 2,
  drop_reason_desc: 133,
  IP: {source: 'fd00::5', destination: '10.0.2.7', ipVersion: 2},
  l4: {TCP: {source_port: 40_000, destination_port: 80, flags: {SYN: true}}},
  source: {
    identity: 1234,
    namespace: 'shop',
    pod_name: 'web-0',
    labels: ['k8s:app=web'],
    workloads: [{name: 'web', kind: 'Deployment'}],
  },
  destination: {identity: 2},
  Type: 1,
  event_type: {type: 1, sub_type: 133},
  traffic_direction: 2,
  Summary: 'TCP Flags: SYN',
}

function sink(signals: readonly ('logs' | 'traces')[], headers: Record<string, string> = {}) {
  const failed: string[] = []
  const made = new OtlpSink({
    endpoint,
    signals,
    tls: undefined,
    headers,
    nodeName: 'lab/n1',
    clusterName: 'lab',
    version: '1.2.3',
    failed: (message) => failed.push(message),
  })
  return {made, failed}
}

test('a flow is a log record with who, what and why', async () => {
  const {made, failed} = sink(['logs'], {'x-scope': 'team-a'})

  made.write([{flow: drop}, {lost_events: {num_events_lost: 1n}}])
  const {scope, json} = await line()
  await made.close()

  expect(failed).toEqual([])
  expect(scope).toBe('[team-a]')
  const [{resource, scopeLogs}] = json['resourceLogs'] as [
    {resource: {attributes: Attribute[]}; scopeLogs: {scope: object; logRecords: Record<string, unknown>[]}[]},
  ]
  expect(plain(resource.attributes)).toEqual({
    'service.name': 'hubble',
    'service.version': '1.2.3',
    'k8s.cluster.name': 'lab',
    'k8s.node.name': 'n1',
  })
  const [record, ...more] = scopeLogs[0]!.logRecords
  expect(more).toEqual([])
  expect(record).toMatchObject({
    timeUnixNano: '1700000000123456789',
    severityNumber: 13,
    severityText: 'WARN',
    body: {stringValue: 'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) Policy denied DROPPED (TCP Flags: SYN)'},
  })
  expect(plain(record!['attributes'] as Attribute[])).toMatchObject({
    'source.address': 'fd00::5',
    'source.port': '40000',
    'destination.port': '80',
    'network.transport': 'tcp',
    'network.type': 'ipv6',
    'hubble.verdict': 'DROPPED',
    'hubble.drop_reason': 'Policy denied',
    'source.k8s.pod.name': 'web-0',
    'source.k8s.workload.kind': 'Deployment',
    'source.hubble.identity': '1234',
  })
  expect(made.sent).toBe(1)
})

test('flows of one connection are spans of one trace; those of a request bear its trace', async () => {
  const {made} = sink(['traces'])
  const back: Flow = {
    ...drop,
    verdict: 1,
    uuid: 'u-2',
    is_reply: true,
    IP: {source: '10.0.2.7', destination: 'fd00::5'},
    l4: {TCP: {source_port: 80, destination_port: 40_000}},
  }
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const request: Flow = {
    ...drop,
    verdict: 1,
    Type: 2,
    l7: {type: 2, latency_ns: 5_000_000n, http: {method: 'GET', url: 'http://a/', code: 200}},
    trace_context: {parent: {trace_id: traceId}},
  }

  made.write([{flow: drop}, {flow: back}, {flow: request}])
  const {json} = await line()
  await made.close()

  const [{scopeSpans}] = json['resourceSpans'] as [{scopeSpans: [{spans: Record<string, unknown>[]}]}]
  const [first, second, third] = scopeSpans[0].spans
  expect(first!['traceId']).toBe(second!['traceId'])
  expect(first!['spanId']).not.toBe(second!['spanId'])
  expect(first!['status']).toEqual({message: 'Policy denied', code: 2})
  expect(third).toMatchObject({
    traceId,
    name: 'GET',
    kind: 3,
    startTimeUnixNano: '1700000000118456789',
    endTimeUnixNano: '1700000000123456789',
  })
})

test('flows wait for a receiver that is away, and what finds no room is counted', async () => {
  const failed: string[] = []
  const made = new OtlpSink({
    endpoint: '127.0.0.1:1',
    signals: ['logs'],
    tls: undefined,
    headers: {},
    nodeName: 'n1',
    clusterName: 'lab',
    version: '1',
    failed: (message) => failed.push(message),
  })

  made.write(Array.from({length: 20_000}, () => ({flow: drop})))
  await expect.poll(() => failed.length, {timeout: 30_000}).toBeGreaterThan(0)
  expect(made.lost).toBe(20_000 - 16_384)
  await made.close()

  expect(made.sent + made.lost).toBe(20_000)
  expect(failed[0]).toContain('127.0.0.1:1 does not take flows')
})
