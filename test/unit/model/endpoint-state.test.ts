import {expect, test} from 'vitest'
import {endpointStates, policyEnforcements} from '../../../src/model/endpoint-state.ts'

test('every state says what it means', () => {
  expect(Object.entries(endpointStates).every(([name, meaning]) => /^[a-z-]+$/.test(name) && meaning.length > 3)).toBe(
    true,
  )
  expect(policyEnforcements).toContain('audit-both')
})
