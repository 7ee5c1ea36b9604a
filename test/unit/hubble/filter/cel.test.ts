/** Expressions in CEL over flows: what they mean, and what is refused. */
import {expect, test} from 'vitest'
import type {Flow} from '../../../../src/api/gen/flow.ts'
import {compileCel} from '../../../../src/hubble/filter/cel/compile.ts'

const flow: Flow = {
  time: 1_767_323_045_000_000_000n,
  verdict: 2,
  drop_reason_desc: 133,
  IP: {source: '10.0.1.5', destination: '10.0.2.7', ipVersion: 1},
  l4: {TCP: {source_port: 40_000, destination_port: 8080, flags: {SYN: true}}},
  source: {
    identity: 1234,
    namespace: 'shop',
    pod_name: 'web-0',
    labels: ['k8s:app=web', 'k8s:tier=front'],
    workloads: [{name: 'web', kind: 'StatefulSet'}],
  },
  destination: {identity: 2, labels: ['reserved:world']},
  is_reply: false,
  socket_cookie: 18_000_000_000_000_000_000n,
  ingress_denied_by: [{name: 'closed', namespace: 'shop', kind: 'NetworkPolicy'}],
  l7: {latency_ns: 1_500_000n, http: {code: 503, method: 'GET', url: '/v1/x'}},
}

test.each([
  'true',
  '_flow.source.namespace == "shop"',
  "_flow.source.pod_name.startsWith('web-') && _flow.source.pod_name.endsWith('0')",
  '_flow.l4.TCP.destination_port > 8000 && _flow.l4.TCP.destination_port <= 8080u',
  '_flow.l4.TCP.destination_port in [80, 8080, 443]',
  '_flow.verdict == Verdict.DROPPED && _flow.drop_reason_desc == flow.DropReason.POLICY_DENIED',
  // absent is the default of proto3
  '_flow.l4.UDP.destination_port == 0 && !has(_flow.l4.UDP) && has(_flow.l4.TCP)',
  'has(_flow.source.pod_name) && !has(_flow.destination.pod_name) && !has(_flow.source.cluster_name)',
  '_flow.destination.namespace == ""',
  // of three values
  '_flow.is_reply == false && !_flow.is_reply',
  '_flow.source.labels.exists(l, l == "k8s:app=web")',
  '_flow.source.labels.all(l, l.startsWith("k8s:")) && size(_flow.source.labels) == 2',
  '_flow.source.labels.exists_one(l, l.contains("tier"))',
  '_flow.source.labels.filter(l, l.contains("app"))[0] == "k8s:app=web"',
  '_flow.source.workloads.map(w, w.name) == ["web"]',
  '_flow.source.labels.exists(a, _flow.destination.labels.all(b, a != b))',
  '_flow.ingress_denied_by.exists(p, p.name == "closed" && p.kind == "NetworkPolicy")',
  '_flow.l7.http.url.matches("^/v[0-9]+/") && matches(_flow.l7.http.method, "(?i)get")',
  '_flow.l7.latency_ns / 1000000 == 1 && _flow.l7.latency_ns % 1000000 == 500000',
  '_flow.socket_cookie == 18000000000000000000u',
  '_flow.time > timestamp("2026-01-02T03:04:04Z") && _flow.time < timestamp("2026-01-02T03:04:06Z")',
  '(_flow.l7.http.code >= 500 ? "bad" : "good") == "bad"',
  'string(_flow.l4.TCP.destination_port) + "/tcp" == "8080/tcp"',
  'int("42") == 42 && double("1.5") > 1 && -1 < 0 && 0x10 == 16 && 1e3 == 1000',
  '"a\\tb" == \'a\\u0009b\' && r"\\d" == "\\\\d" && """x"y""" == "x\\"y"',
  '[1, 2] + [3] == [1, 2, 3] && 2 * 3 + 4 == 10 && 2 + 3 * 4 == 14 && 7 - 2 - 1 == 4',
  '!(false || false) // and no more',
  // one side decides, whatever is wrong with the other
  '_flow.node_labels[3] == "x" || true',
  '!(_flow.node_labels[3] == "x" && false)',
])('%s is true', (expression) => {
  expect(compileCel(expression)(flow)).toBe(true)
})

test.each([
  'false',
  '_flow.source.namespace == _flow.destination.namespace',
  '_flow.source.labels == _flow.destination.labels',
  '_flow.source == _flow.destination',
  // there is no such item: not a match, and no end of the stream
  '_flow.node_labels[0] == ""',
  '1 / (_flow.l4.UDP.destination_port) == 1',
  'int(_flow.source.pod_name) == 0',
])('%s is not', (expression) => {
  expect(compileCel(expression)(flow)).toBe(false)
})

test.each([
  ['', 'the end'],
  ['_flow.source', 'flow.Endpoint and not bool'],
  ['_flow.source.name == "x"', 'flow.Endpoint has no field name'],
  ['flow.source.namespace == "x"', 'there is no flow'],
  ['_flow.source.namespace == 1', 'string is not number'],
  ['_flow.verdict == Verdict.LOST', 'there is no Verdict'],
  ['_flow.source.namespace.toUpper() == "X"', 'there is no function toUpper'],
  ['_flow.source.namespace && true', 'string is not bool'],
  ['_flow.source.labels.exists(l, l.name == "x")', 'string has no fields'],
  ['_flow.source.labels.exists("x")', 'needs a name'],
  ['_flow.source.namespace < 3', 'string is not number'],
  ['"a" - "b" == "c"', '- is not for string'],
  ['_flow.source.pod_name.matches("(?=x)")', 'error parsing regexp'],
  ['_flow.source.pod_name.matches(_flow.source.namespace)', 'written out'],
  ['has(_flow)', 'has() needs a field'],
  ['true ? 1 : "x"', 'number is not string'],
  ['true &', 'at character 6'],
  ['"open', 'at character 1'],
  ['(true', 'the end'],
  ['true true', 'is not expected'],
  ['"\\q" == "q"', 'no escape'],
  [`${'('.repeat(100)}true${')'.repeat(100)}`, 'nested too deeply'],
  [`${'!'.repeat(100)}true`, 'nested too deeply'],
])('%s is refused', (expression, detail) => {
  expect(() => compileCel(expression)).toThrow(detail)
})

test('what would take too long does not match, and ends', () => {
  const labels = Array.from({length: 300}, (_, i) => `k8s:l${i}`)
  const all = compileCel(
    '_flow.source.labels.all(a, _flow.source.labels.all(b, _flow.source.labels.all(c, a != "x" || b != c)))',
  )

  expect(all({source: {labels}})).toBe(false)
  expect(all({source: {labels: labels.slice(0, 5)}})).toBe(true)
})
