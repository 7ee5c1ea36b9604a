import {expect, test} from 'vitest'
import {freeIndex} from '../../../src/lab/network.ts'

test('a lab takes the first number that no lab and no route of the machine has', () => {
  expect(freeIndex(new Set(), [])).toBe(0)
  expect(freeIndex(new Set([0, 1]), ['172.30.2.0/24', '172.30.3.7', 'default'])).toBe(4)
})

test('there is no number when all are taken', () => {
  expect(freeIndex(new Set(Array.from({length: 256}, (_, i) => i)), [])).toBeUndefined()
})
