/** Rule sets of the maps as a table. */
import {expect, test} from 'vitest'
import {policyMapOf, policyMapsText, policySetsText} from '../../../../src/cli/dbg/bpf/policy.ts'
import {groupsMax} from '../../../../src/policy/peer-groups.ts'
import {makePart, makeRuleSet} from '../../../../src/policy/rule-set.ts'

const member = (kind: 'identity' | 'class', number: number, group: number) => {
  const groups = new Uint8Array(groupsMax / 8)
  groups[group >> 3]! |= 1 << (group & 7)
  return {kind, number, groups}
}
const part = makePart(
  [
    {group: 5, verdict: 'deny', explicit: true, cookie: 11},
    {group: 9, verdict: 'allow', explicit: false, cookie: 12},
    {group: 0, verdict: 'allow', explicit: false, cookie: 13},
  ],
  [
    {protocol: 0, port: 0, rules: 1n},
    {protocol: 6, port: 80, rules: 2n},
    {protocol: 17, port: 0, rules: 4n},
    {protocol: 1, port: 9, rules: 4n},
  ],
  [{protocol: 6, port: 8192, bits: 3, rules: 2n}],
)
const sets = new Map([[20, makeRuleSet([part], {verdict: 'deny', cookie: 0})]])
const peers = [member('identity', 300, 9), member('class', 4, 5)]
const labels = new Map([[300, ['k8s:app=client', 'k8s:io.kubernetes.pod.namespace=shop']]])

test('each rule is shown for each port and each peer in its group, denies first', () => {
  const map = policyMapOf({id: 7, ingressSet: 20, egressSet: 1}, sets, peers, labels)

  expect(policyMapsText([map], {numeric: false, all: false}).replaceAll(/ +$/gm, '')).toBe(
    `POLICY   DIRECTION   LABELS (source:key[=value])            PORT/PROTO       PROXY PORT   AUTH TYPE   BYTES   PACKETS   PREFIX   COOKIE
Deny     Ingress     cidr-class:4                           ANY              NONE         disabled    -       -         0        11
Allow    Ingress     ANY                                    8/ICMP           NONE         disabled    -       -         24       13
Allow    Ingress     ANY                                    UDP              NONE         disabled    -       -         8        13
Allow    Ingress     k8s:app=client                         80/TCP           NONE         disabled    -       -         24       12
                     k8s:io.kubernetes.pod.namespace=shop
Allow    Ingress     k8s:app=client                         8192-16383/TCP   NONE         disabled    -       -         11       12
                     k8s:io.kubernetes.pod.namespace=shop
`,
  )
})

test('with -n identities are numbers, and all endpoints are headed', () => {
  const map = policyMapOf({id: 7, ingressSet: 20, egressSet: 0}, sets, peers, labels)

  const text = policyMapsText([map], {numeric: true, all: true})

  expect(text).toMatch(/^Endpoint ID: 7\n\nPOLICY {3}DIRECTION {3}IDENTITY/)
  expect(text).toMatch(/^Allow {4}Ingress {5}300 /m)
})

test('the list says which sets are open, closed, or missing', () => {
  const maps = [
    policyMapOf({id: 7, ingressSet: 20, egressSet: 1}, sets, [], labels),
    policyMapOf({id: 8, ingressSet: 0, egressSet: 33}, sets, [], labels),
  ]

  expect(policySetsText(maps)).toBe(`ENDPOINT   INGRESS SET      EGRESS SET             ENTRIES
7          20 (else deny)   open                   2
8          closed           33 (missing: closed)   0
`)
})
