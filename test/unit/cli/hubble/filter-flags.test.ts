import {expect, test} from 'vitest'
import {filtersFromFlags} from '../../../../src/cli/hubble/filter-flags.ts'

const flags = (...words: string[]) =>
  words.map((word) => {
    const [name, value = 'true'] = word.split('=', 2) as [string, string?]
    return {name, value}
  })

test.each([
  [['pod=shop/web'], [{source_pod: ['shop/web']}, {destination_pod: ['shop/web']}]],
  [['from-pod=shop/web', 'to-port=80'], [{source_pod: ['shop/web'], destination_port: ['80']}]],
  [['namespace=shop'], [{source_pod: ['shop/']}, {destination_pod: ['shop/']}]],
  [
    ['namespace=shop', 'pod=web'],
    [{source_pod: ['shop/web']}, {destination_pod: ['shop/web']}],
  ],
  [['from-namespace=a', 'to-namespace=b'], [{source_pod: ['a/'], destination_pod: ['b/']}]],
  [
    ['all-namespaces', 'pod=web'],
    [{source_pod: ['/web']}, {destination_pod: ['/web']}],
  ],
  [['to-all-namespaces'], [{destination_pod: ['/']}]],
  [['verdict=dropped', 'verdict=FORWARDED'], [{verdict: [2, 1]}]],
  [['type=dns'], [{protocol: ['dns']}]],
  [['type=HTTP'], [{protocol: ['http']}]],
  [['type=trace:to-endpoint', 'type=drop'], [{event_type: [{type: 4, match_sub_type: true, sub_type: 0}, {type: 1}]}]],
  [['identity=world'], [{source_identity: [2]}, {destination_identity: [2]}]],
  [
    ['workload=Deployment/web'],
    [
      {source_workload: [{kind: 'Deployment', name: 'web'}]},
      {destination_workload: [{kind: 'Deployment', name: 'web'}]},
    ],
  ],
  [['tcp-flags=syn,ack'], [{tcp_flags: [{SYN: true, ACK: true}]}]],
  [['ipv6', 'ip-version=none'], [{ip_version: [2, 0]}]],
  [['encrypted'], [{encrypted: [true]}]],
  [
    ['cel-expression=_flow.is_reply', 'to-port=80'],
    [{destination_port: ['80'], experimental: {cel_expression: ['_flow.is_reply']}}],
  ],
  [['allowlist={"sourcePod":["x"]}'], [{source_pod: ['x']}]],
])('%j asks for %j', (words, whitelist) => {
  expect(filtersFromFlags(flags(...(words as string[])))).toEqual({whitelist, blacklist: []})
})

test('--not holds for the one filter after it', () => {
  expect(filtersFromFlags(flags('not', 'port=53', 'namespace=shop', 'not', 'verdict=DROPPED'))).toEqual({
    whitelist: [{source_pod: ['shop/']}, {destination_pod: ['shop/']}],
    blacklist: [
      {source_port: ['53'], verdict: [2]},
      {destination_port: ['53'], verdict: [2]},
    ],
  })
})

test.each([
  ['fqdn=a.b', 'ip=10.0.0.1'],
  ['label=a', 'from-label=b'],
  ['namespace=a', 'from-pod=b'],
  ['encrypted', 'unencrypted'],
  ['not'],
  ['verdict=LOST'],
  ['identity=nobody'],
  ['type=trace:nowhere'],
  ['denylist={"x":1}'],
  ['ip=10.0.0'],
  ['cel-expression=_flow.nothing'],
])('%s %s is refused', (...words) => {
  expect(() => filtersFromFlags(flags(...words.filter((word) => word !== undefined)))).toThrow()
})
