import {expect, test} from 'vitest'
import {readExposition} from '../../../../src/cli/dbg/exposition.ts'

test('metrics are read with their labels, comments are not', () => {
  const text = `# HELP cilium_drop_count_total x
# TYPE cilium_drop_count_total counter
cilium_drop_count_total{direction="INGRESS",reason="Policy denied"} 3
cilium_up 1 1700000000
cilium_latency_bucket{le="+Inf"} +Inf
cilium_bad NaN
not a metric
`

  expect(readExposition(text)).toEqual([
    {name: 'cilium_drop_count_total', labels: {direction: 'INGRESS', reason: 'Policy denied'}, value: 3},
    {name: 'cilium_up', labels: {}, value: 1},
    {name: 'cilium_latency_bucket', labels: {le: '+Inf'}, value: Number.POSITIVE_INFINITY},
  ])
})

test('quotes, backslashes and line ends in labels come out as they were', () => {
  expect(readExposition('m{a="x\\"y\\\\z\\nw",b="}"} 1')).toEqual([
    {name: 'm', labels: {a: 'x"y\\z\nw', b: '}'}, value: 1},
  ])
})
