import {expect, test} from 'vitest'
import {nearest} from '../../../src/cli/suggestion.ts'

const commands = ['status', 'install', 'uninstall', 'connectivity test', 'config view']

test.each([
  ['statsu', 'status'],
  ['stat', 'status'],
  ['instal', 'install'],
  ['conectivity test', 'connectivity test'],
])('%s was meant to be %s', (typed, meant) => {
  expect(nearest(typed, commands)).toBe(meant)
})

test('a word that is like none of them gets no suggestion', () => {
  expect(nearest('frobnicate', commands)).toBeUndefined()
})
