import {expect, test} from 'vitest'
import {selectTests, splitPatterns} from '../../../../src/cli/connectivity/selection.ts'
import {suite} from '../../../../src/cli/connectivity/suite.ts'

const paths = (patterns: readonly string[]) =>
  selectTests(suite, splitPatterns(patterns)).flatMap((test) => test.scenarios.map(({name}) => `${test.name}/${name}`))

test('without patterns all tests run', () => {
  expect(selectTests(suite, []).map(({name}) => name)).toEqual(suite.map(({name}) => name))
})

test('a pattern with a slash before it chooses scenarios of all tests', () => {
  const chosen = paths(['/pod-to-cidr'])

  expect(chosen).toContain('no-policies/pod-to-cidr')
  expect(chosen).toContain('to-cidr-external/pod-to-cidr')
  expect(chosen.every((path) => path.endsWith('/pod-to-cidr'))).toBe(true)
})

test('a whole path can be chosen exactly', () => {
  expect(paths(['^no-policies/pod-to-pod$'])).toEqual(['no-policies/pod-to-pod'])
})

test('a pattern with ! leaves out, and leaving out wins', () => {
  const chosen = paths(['no-policies', '!/pod-to-world', '!no-policies-extra'])

  expect(chosen).toContain('no-policies/pod-to-pod')
  expect(chosen).not.toContain('no-policies/pod-to-world')
  expect(chosen.some((path) => path.startsWith('no-policies-extra/'))).toBe(false)
})

test('patterns are separated by commas as well as by repeating the flag', () => {
  const both = ['no-policies/host-to-pod', 'no-policies/pod-to-cidr']

  expect(paths(['^no-policies/pod-to-cidr,/host-to-pod$', '!entity,!except,!host-firewall'])).toEqual(both)
  expect(paths(['^no-policies/pod-to-cidr', '^no-policies/host-to-pod$'])).toEqual(both)
})

test('a pattern that matches nothing is refused with what may have been meant', () => {
  expect(() => paths(['helth'])).toThrow(
    expect.objectContaining({code: 'TEST_UNKNOWN', advice: 'did you mean health?'}),
  )
})

test('what is no regular expression is refused', () => {
  expect(() => paths(['('])).toThrow(expect.objectContaining({code: 'TEST_PATTERN_INVALID'}))
})

test('no two tests and no two scenarios of a test have one name', () => {
  expect(new Set(suite.map(({name}) => name)).size).toBe(suite.length)
  for (const {scenarios} of suite) expect(new Set(scenarios.map(({name}) => name)).size).toBe(scenarios.length)
})
