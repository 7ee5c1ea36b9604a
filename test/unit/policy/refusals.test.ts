/** Objects that are refused, each with the field that is wrong: nothing unclear ever becomes a rule. */
import {expect, test} from 'vitest'
import {checkCiliumPolicy} from '../../../src/policy/cilium-policy.ts'
import {checkNetworkPolicy} from '../../../src/policy/network-policy.ts'
import {defaultPolicyOptions} from '../../../src/policy/options.ts'
import {invalidCiliumPolicies, invalidNetworkPolicies} from '../../support/invalid-policies.ts'

const metadata = {name: 'p', namespace: 'a'}
const options = defaultPolicyOptions

test.for(invalidNetworkPolicies)('a NetworkPolicy with %s is refused', ([, spec, path, reason]) => {
  const checked = checkNetworkPolicy({metadata, spec}, options)

  expect(checked.ok).toBe(false)
  const problems = checked.ok ? [] : checked.problems
  expect(problems).toContainEqual({path, reason: expect.stringMatching(reason)})
})

test.for(invalidCiliumPolicies)('a CiliumNetworkPolicy with %s is refused', ([, spec, path, reason]) => {
  const checked = checkCiliumPolicy('CiliumNetworkPolicy', {metadata, spec}, options)

  expect(checked.ok).toBe(false)
  const problems = checked.ok ? [] : checked.problems
  expect(problems).toContainEqual({path, reason: expect.stringMatching(reason)})
})

test('whatever the object is, checking it never throws', () => {
  const odd = [undefined, null, 1, 'x', [], {}, {metadata: 1}, {metadata, spec: 1}, {metadata, specs: [1]}]
  for (const object of [
    ...odd,
    {metadata, spec: {endpointSelector: 7, ingress: 'no'}},
    {metadata, spec: {ingress: [[]]}},
  ]) {
    expect(checkNetworkPolicy(object, options).ok).toBe(false)
    expect(checkCiliumPolicy('CiliumNetworkPolicy', object, options).ok).toBe(false)
    expect(checkCiliumPolicy('CiliumClusterwideNetworkPolicy', object, options).ok).toBe(false)
  }
})
