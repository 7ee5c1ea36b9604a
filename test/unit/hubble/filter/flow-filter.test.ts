import {expect, test} from 'vitest'
import {type Flow, FlowFilter} from '../../../../src/api/gen/flow.ts'
import {compileFilter, compileFilters, filterFields} from '../../../../src/hubble/filter/flow-filter.ts'

const flow: Flow = {
  uuid: 'u1',
  verdict: 1,
  IP: {source: '10.0.1.5', destination: '10.0.2.7', ipVersion: 1, source_xlated: '192.168.1.1'},
  l4: {TCP: {source_port: 40_000, destination_port: 80, flags: {SYN: true, ACK: true}}},
  source: {
    identity: 1234,
    namespace: 'shop',
    pod_name: 'web-0',
    labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'],
    workloads: [{name: 'web', kind: 'StatefulSet'}],
    cluster_name: 'lab',
  },
  destination: {identity: 2, labels: ['reserved:world']},
  destination_names: ['api.example.com.'],
  destination_service: {name: 'api', namespace: 'default'},
  node_name: 'lab/worker-1',
  node_labels: ['kubernetes.io/os=linux'],
  event_type: {type: 4, sub_type: 0},
  interface: {index: 4, name: 'eth0'},
  is_reply: false,
  l7: {http: {code: 503, method: 'GET', url: 'http://api/v1/x?y=1', headers: [{key: 'A', value: 'b'}]}},
  trace_context: {parent: {trace_id: 'abc'}},
  ip_trace_id: {trace_id: 9n},
}

const cases: readonly [keyof FlowFilter, FlowFilter, FlowFilter][] = [
  ['uuid', {uuid: ['u1']}, {uuid: ['u2']}],
  ['source_ip', {source_ip: ['10.0.0.0/16']}, {source_ip: ['10.1.0.0/16', '10.0.1.6']}],
  ['source_ip_xlated', {source_ip_xlated: ['192.168.1.1']}, {source_ip_xlated: ['192.168.1.2']}],
  ['source_pod', {source_pod: ['shop/web']}, {source_pod: ['web', 'shop/api', 'other/']}],
  ['source_pod', {source_pod: ['/web-0']}, {source_pod: ['/eb']}],
  ['source_pod', {source_pod: ['shop/']}, {source_pod: ['sho/']}],
  ['destination_pod', {source_pod: ['/']}, {destination_pod: ['/']}],
  ['destination_fqdn', {destination_fqdn: ['*.Example.com']}, {destination_fqdn: ['example.com', '*.org']}],
  ['source_fqdn', {destination_fqdn: ['api.example.com']}, {source_fqdn: ['*']}],
  ['source_label', {source_label: ['app=web']}, {source_label: ['app!=web']}],
  ['source_label', {source_label: ['k8s:app in (api, web)']}, {source_label: ['container:app=web', '!app']}],
  ['destination_label', {destination_label: ['reserved:world']}, {destination_label: ['reserved:host']}],
  ['source_service', {destination_service: ['api']}, {source_service: ['api']}],
  ['destination_service', {destination_service: ['default/a']}, {destination_service: ['shop/api']}],
  ['source_workload', {source_workload: [{name: 'web'}]}, {source_workload: [{kind: 'Deployment'}]}],
  ['destination_workload', {source_workload: [{}]}, {destination_workload: [{}]}],
  ['source_cluster_name', {source_cluster_name: ['lab']}, {source_cluster_name: ['other']}],
  ['destination_cluster_name', {}, {destination_cluster_name: ['lab']}],
  ['interface', {interface: [{name: 'eth0'}]}, {interface: [{index: 5}, {name: 'eth0', index: 5}]}],
  ['http_status_code', {http_status_code: ['5+']}, {http_status_code: ['404', '50+'].slice(0, 1)}],
  ['http_method', {http_method: ['get']}, {http_method: ['POST']}],
  ['http_path', {http_path: ['^/v1/x$']}, {http_path: ['y=1']}],
  ['http_url', {http_url: ['y=1']}, {http_url: ['^x']}],
  ['http_path', {http_path: ['(?i)^/V1/[[:alpha:]]\\z']}, {http_path: ['^/v1/[[:digit:]]']}],
  ['http_header', {http_header: [{key: 'A', value: 'b'}]}, {http_header: [{key: 'A', value: 'c'}]}],
  ['dns_query', {}, {dns_query: ['.*']}],
  ['tcp_flags', {tcp_flags: [{SYN: true}]}, {tcp_flags: [{SYN: true, FIN: true}]}],
  ['node_name', {node_name: ['worker-*']}, {node_name: ['other/worker-1', 'worker']}],
  ['node_labels', {node_labels: ['kubernetes.io/os=linux']}, {node_labels: ['kubernetes.io/os=windows']}],
  ['trace_id', {trace_id: ['abc']}, {trace_id: ['abd']}],
  ['ip_trace_id', {ip_trace_id: [9n]}, {ip_trace_id: [8n]}],
  ['reply', {reply: [false]}, {reply: [true]}],
  [
    'experimental',
    {experimental: {cel_expression: ['false', '_flow.verdict == Verdict.FORWARDED']}},
    {experimental: {cel_expression: ['_flow.verdict == Verdict.DROPPED']}},
  ],
]

test.each(cases)('%s lets through what it names and nothing else', (_, matching, other) => {
  expect(compileFilter(matching)(flow)).toBe(true)
  expect(compileFilter(other)(flow)).toBe(false)
})

test('every field of the filter message is compiled', () => {
  expect([...filterFields].sort()).toEqual(FlowFilter.fields.map(({name}) => name).sort())
})

test('fields are joined by and, values and filters by or, the black list wins', () => {
  const both = {source_pod: ['shop/'], destination_port: ['80']}

  expect(compileFilter({...both, destination_port: ['81']})(flow)).toBe(false)
  expect(compileFilters([{uuid: ['x']}, both], [])(flow)).toBe(true)
  expect(compileFilters([both], [{verdict: [1]}])(flow)).toBe(false)
  expect(compileFilters([], [])(flow)).toBe(true)
})

test.each<[FlowFilter]>([
  [{source_pod: ['']}],
  [{source_ip: ['10.0.0']}],
  [{destination_port: ['http']}],
  [{protocol: ['ipx']}],
  [{http_path: ['(']}],
  // what RE2 does not have, since it takes more than linear time
  [{http_path: ['^/(?=v1)']}],
  [{http_url: ['(a)\\1']}],
  [{dns_query: ['(x{1000}){1000}']}],
  [{http_status_code: ['6+']}],
  [{source_label: ['a in b']}],
  [{experimental: {cel_expression: ['_flow.nothing']}}],
])('%j is refused', (filter) => {
  expect(() => compileFilter(filter)).toThrow('flow filter')
})

test('an expression with nested repetitions answers at once, whatever the text', () => {
  const matches = compileFilter({http_path: ['^(/?a+)+$']})

  expect(matches({l7: {http: {url: `http://x/${'a'.repeat(5_000)}!`}}})).toBe(false)
})
