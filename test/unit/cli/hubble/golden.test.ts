/**
 * Every type of flow in every layout, compared with files that people have looked at: golden/compact.txt and so on.
 * `npx vitest run test/unit/cli/hubble/golden.test.ts --update` writes them anew; look at the difference.
 */
import {beforeAll, expect, test} from 'vitest'
import type {Flow} from '../../../../src/api/gen/flow.ts'
import type {GetFlowsResponse} from '../../../../src/api/gen/observer.ts'
import {type FlowFormat, FlowPrinter} from '../../../../src/cli/hubble/flow-printer.ts'
import {plain} from '../../../../src/cli/render/style.ts'

beforeAll(() => {
  process.env['TZ'] = 'UTC'
})

const time = 1_700_000_000_123_456_789n
const tcp = {TCP: {source_port: 40_000, destination_port: 80, flags: {SYN: true}}}
const pod = {
  ID: 7,
  identity: 1234,
  namespace: 'shop',
  pod_name: 'web-0',
  labels: ['k8s:app=web'],
  workloads: [{name: 'web', kind: 'Deployment'}],
}
const base: Flow = {
  time,
  uuid: '00000000-0000-4000-8000-000000000000',
  verdict: 1,
  IP: {source: '10.0.1.5', destination: '10.0.2.7', ipVersion: 1},
  l4: tcp,
  source: pod,
  destination: {identity: 9, labels: ['reserved:world-ipv4']},
  Type: 1,
  node_name: 'lab/n1',
  event_type: {type: 4},
  traffic_direction: 2,
  trace_observation_point: 101,
  is_reply: false,
  Summary: 'TCP Flags: SYN',
}
const v6: Flow = {
  ...base,
  IP: {source: 'fd00::5', destination: '2001:db8::7', ipVersion: 2},
  destination: {identity: 10, labels: ['reserved:world-ipv6']},
}
const points = [
  [0, 101],
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 4],
  [5, 5],
  [6, 6],
  [7, 7],
  [8, 8],
  [9, 9],
  [10, 10],
  [11, 11],
  [12, 12],
  [13, 13],
] as const
const policy = [{name: 'web', namespace: 'shop', kind: 'CiliumNetworkPolicy'}]
const verdict = (match: number, more: Flow): Flow => ({
  ...base,
  event_type: {type: 5},
  policy_match_type: match,
  ...more,
})
const protocol = (l4: Flow['l4'], text: string, from: Flow = base): Flow => ({...from, l4, Summary: text})
const dns = {query: 'shop.example.', qtypes: ['A', 'AAAA'], observation_source: 'proxy'}
const http = {method: 'GET', url: 'http://shop/cart', protocol: 'HTTP/1.1'}
const layer7 = (l7: Flow['l7'], more: Flow = {}): Flow => ({
  ...base,
  Type: 2,
  event_type: {type: 129},
  l7,
  Summary: undefined,
  ...more,
})
const socket = (point: number): Flow => ({
  ...v6,
  Type: 3,
  verdict: point % 2 === 1 ? 6 : 7,
  event_type: {type: 7, sub_type: point},
  sock_xlate_point: point,
  is_reply: undefined,
  Summary: 'TCP',
  destination_service: {name: 'api', namespace: 'shop'},
})

const flows: readonly Flow[] = [
  ...points.map(([sub_type, point]) => ({...base, event_type: {type: 4, sub_type}, trace_observation_point: point})),
  v6,
  {
    ...v6,
    is_reply: true,
    reply: true,
    l4: {TCP: {source_port: 80, destination_port: 40_000, flags: {SYN: true, ACK: true}}},
    Summary: 'TCP Flags: SYN, ACK',
  },
  {...base, is_reply: undefined},
  {
    ...base,
    source: {identity: 1},
    destination: {identity: 6},
    IP: {...base.IP, encrypted: true},
    tunnel: {protocol: 1},
  },
  {
    ...base,
    source: undefined,
    destination: undefined,
    IP: undefined,
    l4: undefined,
    ethernet: {source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02'},
    Summary: '',
  },
  ...[133, 181, 158, 169, 171, 208, 213].map((reason) => ({
    ...v6,
    verdict: 2,
    is_reply: undefined,
    event_type: {type: 1, sub_type: reason},
    drop_reason: reason,
    drop_reason_desc: reason,
    file: {name: 'pod.c', line: 12},
  })),
  ...[0, 1, 2, 3, 4, 5, 6].map((match) => verdict(match, {traffic_direction: 1, ingress_allowed_by: policy})),
  verdict(0, {verdict: 2, drop_reason_desc: 133, is_reply: undefined, egress_denied_by: policy}),
  verdict(1, {verdict: 4, egress_allowed_by: policy}),
  verdict(3, {verdict: 5, proxy_port: 15_000}),
  protocol({UDP: {source_port: 5353, destination_port: 53}}, 'UDP'),
  protocol({SCTP: {source_port: 1, destination_port: 2}}, 'SCTP', v6),
  protocol({ICMPv4: {type: 8}}, 'ICMPv4 EchoRequest'),
  protocol({ICMPv4: {type: 3, code: 4}}, 'ICMPv4 DestinationUnreachable(FragmentationNeeded)'),
  protocol({ICMPv6: {type: 135}}, 'ICMPv6 NeighborSolicitation', v6),
  protocol({VRRP: {}}, 'VRRP'),
  protocol({IGMP: {}}, 'IGMP'),
  ...[1, 2, 3, 4].map(socket),
  {...base, event_type: {type: 3, sub_type: 4}, debug_capture_point: 4},
  layer7({type: 1, dns}),
  layer7({type: 2, dns: {...dns, ips: ['192.0.2.1', '2001:db8::1'], ttl: 30}}, {is_reply: true}),
  layer7({type: 2, dns: {...dns, rcode: 3}}, {is_reply: true}),
  layer7({type: 1, http}),
  layer7({type: 2, latency_ns: 12_000_000n, http: {...http, code: 503}}, {is_reply: true}),
  layer7({type: 1, http}, {verdict: 2}),
  layer7({type: 1, kafka: {api_key: 'produce', topic: 'orders', correlation_id: 4}}),
]
const responses: readonly GetFlowsResponse[] = [
  ...flows.map((flow) => ({flow, node_name: 'lab/n1', time})),
  {lost_events: {source: 1, num_events_lost: 5n, cpu: 2, first: time, last: time}, node_name: 'lab/n1', time},
  {lost_events: {source: 3, num_events_lost: 1n}, node_name: 'lab/n1', time},
  {node_status: {state_change: 2, node_names: ['lab/n2']}, node_name: 'relay', time},
  {node_status: {state_change: 4, node_names: ['lab/n2'], message: 'no answer'}, node_name: 'relay', time},
]

test.each<[string, FlowFormat, object]>([
  ['compact', 'compact', {}],
  ['compact-all', 'compact', {nodeName: true, policyNames: true, explain: true, debug: true}],
  ['compact-numeric', 'compact', {translate: false, numeric: true}],
  ['dict', 'dict', {nodeName: true}],
  ['table', 'table', {}],
  ['json', 'json', {}],
])('%s', async (name, format, more) => {
  const printer = new FlowPrinter({
    format,
    style: plain,
    timeFormat: 'StampMilli',
    nodeName: false,
    policyNames: false,
    translate: true,
    numeric: false,
    debug: false,
    legacyJson: false,
    explain: false,
    ...more,
  })
  let text = ''
  for (const response of responses) {
    const {out, err} = printer.print(response)
    text += out + err.replace(/^/, err === '' ? '' : 'stderr: ')
  }
  text += printer.end()

  await expect(text).toMatchFileSnapshot(`golden/${name}.txt`)
})
