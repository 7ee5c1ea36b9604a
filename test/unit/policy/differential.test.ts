/**
 * The compiler against the reference evaluator. More verdicts and another seed from the command line:
 * POLICY_VERDICTS=20000000 POLICY_SEED=7 npx vitest run --project unit test/unit/policy/differential.test.ts
 */
import {expect, test} from 'vitest'
import {policyMutants} from '../../support/mutants/policy.ts'
import {runPolicyMutant} from '../../support/mutants/run.ts'
import {compare, describeCounts, describeDifference} from '../../support/policy-reference/differential.ts'
import type {Shape} from '../../support/policy-reference/evaluate.ts'

const seed = Number(process.env['POLICY_SEED'] ?? 1)
const verdicts = Number(process.env['POLICY_VERDICTS'] ?? 1_000_000)

const everyShape: readonly Shape[] = [
  ...(['deny', 'deny over allow', 'port range', 'named port', 'cidr with except', 'entity', 'icmp'] as const),
  ...(['empty selector', 'node selector'] as const),
]

test('compiled rule sets say what the reference says', {timeout: 60_000 + verdicts}, () => {
  const outcome = compare({seed, verdicts})

  console.log(describeCounts(outcome))
  expect(outcome.difference === undefined ? '' : describeDifference(outcome.difference)).toBe('')
  expect(outcome.allowed / outcome.verdicts).toBeGreaterThan(0.3)
  expect(outcome.allowed / outcome.verdicts).toBeLessThan(0.7)
  for (const shape of everyShape) {
    expect((outcome.shapes.get(shape) ?? 0) / outcome.verdicts, shape).toBeGreaterThan(0.01)
  }
})

test.for(policyMutants)('the reference notices when $name', {timeout: 120_000}, async (mutant) => {
  const outcome = await runPolicyMutant(mutant, {seed: 1, verdicts: 150_000})

  expect(outcome.found).toBe(true)
})
