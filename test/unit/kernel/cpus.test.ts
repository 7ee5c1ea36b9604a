import {expect, test} from 'vitest'
import {countCpus} from '../../../src/kernel/cpus.ts'

test.each([
  ['0', 1],
  ['0-1', 2],
  ['0-3,8-11', 12],
  ['0,2,4\n', 5],
])('the list %j makes %i values per key', (list, count) => {
  expect(countCpus(list)).toBe(count)
})
