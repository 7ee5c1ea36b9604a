/** The annotation that says what a denied sender is told. */
import {describe, expect, test} from 'vitest'
import {policyRow} from '../../../src/agent/reflect/policy.ts'
import {LabelSet} from '../../../src/model/labels.ts'
import {compileRules} from '../../../src/policy/compile.ts'
import {expandPolicy} from '../../../src/policy/expand.ts'
import {defaultPolicyOptions as options} from '../../../src/policy/options.ts'
import {PeerGroups} from '../../../src/policy/peer-groups.ts'
import {denyResponseAnnotation} from '../../../src/policy/policy-ref.ts'
import {resolveRules} from '../../../src/policy/resolve.ts'
import type {PolicyKind} from '../../../src/policy/rule.ts'
import {RuleCookies} from '../../../src/policy/rule-cookies.ts'

const podSelector = {matchLabels: {app: 'web'}}
const specs: Readonly<Record<PolicyKind, object>> = {
  NetworkPolicy: {podSelector, policyTypes: ['Ingress']},
  CiliumNetworkPolicy: {endpointSelector: podSelector, ingress: [{}], ingressDeny: [{fromEntities: ['world']}]},
  CiliumClusterwideNetworkPolicy: {
    endpointSelector: podSelector,
    ingress: [{}],
    ingressDeny: [{fromEntities: ['world']}],
  },
}
const kinds = Object.keys(specs) as PolicyKind[]

function row(kind: PolicyKind, response?: string, name = 'web') {
  const annotations = response === undefined ? {} : {[denyResponseAnnotation]: response}
  return policyRow(kind, {metadata: {name, namespace: 'shop', annotations}, spec: specs[kind]} as never, options)
}

/** What stands over a pod of the shop, by these policies. */
function compiled(...rows: ReturnType<typeof row>[]) {
  const policies = rows.map(({checked}) => {
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
    return expandPolicy(checked.policy, {cidrGroups: [], services: []}, options)
  })
  const labels = LabelSet.fromRecord({app: 'web', 'io.kubernetes.pod.namespace': 'shop'})
  const subject = {kind: 'endpoint', labels, namedPorts: new Map()} as const
  const resolved = resolveRules(policies, subject, 'ingress', 'default')
  if (resolved === 'open') throw new Error('open')
  return compileRules(resolved, subject, new PeerGroups(), new RuleCookies())
}

describe.each(kinds)('%s', (kind) => {
  test.each(['none', 'icmp', 'reset'] as const)(
    'says %s of what it isolates and of what it denies by name',
    (response) => {
      const set = compiled(row(kind, response))

      expect(set.fallback).toMatchObject({verdict: 'deny', response})
      for (const {verdict, response: said} of set.parts.flatMap(({rules}) => rules)) {
        expect(said).toBe(verdict === 'deny' ? response : undefined)
      }
    },
  )

  test('without it the node’s configuration counts', () => {
    const set = compiled(row(kind))

    expect([set.fallback, ...set.parts.flatMap(({rules}) => rules)].map(({response}) => response)).not.toContainEqual(
      expect.anything(),
    )
  })

  test('another word is refused where it stands', () => {
    const {checked} = row(kind, 'shout')

    expect(checked).toMatchObject({
      ok: false,
      problems: [
        {
          path: `metadata.annotations[${denyResponseAnnotation}]`,
          reason: 'must be one of none, icmp, reset, not "shout"',
        },
      ],
    })
  })

  test('a change of it alone is a change of the policy', () => {
    expect(row(kind, 'icmp').content).not.toBe(row(kind, 'reset').content)
    expect(row(kind).content).not.toBe(row(kind, 'none').content)
  })
})

test('of several that isolate, the first that says something is heard', () => {
  const set = compiled(row('CiliumNetworkPolicy', undefined, 'a'), row('CiliumNetworkPolicy', 'reset', 'b'))

  expect(set.fallback.response).toBe('reset')
})
