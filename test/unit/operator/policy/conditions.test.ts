import {expect, test} from 'vitest'
import {conditionsOf} from '../../../../src/operator/policy/conditions.ts'
import {checkCiliumPolicy} from '../../../../src/policy/cilium-policy.ts'
import {defaultPolicyOptions} from '../../../../src/policy/options.ts'

const now = '2026-01-01T00:00:00.000Z'
const later = '2026-01-02T00:00:00.000Z'
const checked = (spec: object) =>
  checkCiliumPolicy('CiliumNetworkPolicy', {metadata: {name: 'p', namespace: 'default'}, spec}, defaultPolicyOptions)
const allow = {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}

test('a sound policy is valid and enforceable', () => {
  expect(conditionsOf(checked(allow), [], now)).toMatchObject([
    {type: 'Valid', status: 'True', lastTransitionTime: now},
    {type: 'Enforceable', status: 'True', lastTransitionTime: now},
  ])
})

test('an invalid one names the field and why', () => {
  const [valid] = conditionsOf(checked({endpointSelector: {}, ingress: [{fromCIDR: ['10.0.0.0/8', 'x']}]}), [], now)!

  expect(valid).toMatchObject({
    type: 'Valid',
    status: 'False',
    message: 'spec.ingress[0].fromCIDR[1]: not a prefix: "x"',
  })
})

test('what cannot be enforced is named, and that it is denied', () => {
  const names = {endpointSelector: {}, egress: [{toFQDNs: [{matchName: 'example.com'}]}]}
  const found = conditionsOf(checked(names), [], now)!.find(({type}) => type === 'Enforceable')

  expect(found).toMatchObject({status: 'False', reason: 'NotAvailable'})
  expect(found!.message).toMatch(/^denied instead: spec.egress\[0\].toFQDNs: /)
})

test('nothing is written when the object says it already, and a change of another condition is nobody’s', () => {
  const foreign = {type: 'Theirs', status: 'True'}
  const first = conditionsOf(checked(allow), [foreign], now)!
  expect(first).toContainEqual(foreign)

  expect(conditionsOf(checked(allow), first, later)).toBeUndefined()
})

test('the time of a condition is that of its last change of status', () => {
  const first = conditionsOf(checked(allow), [], now)!
  const broken = conditionsOf(checked({...allow, ingres: []}), first, later)!

  expect(broken).toMatchObject([{type: 'Valid', status: 'False', lastTransitionTime: later}])
  expect(conditionsOf(checked({...allow, egres: []}), broken, now)).toMatchObject([{lastTransitionTime: later}])
})
