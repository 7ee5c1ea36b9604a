import {expect, test} from 'vitest'
import {parseQuantity} from '../../../src/model/quantity.ts'

test.each([
  ['1', 1],
  ['1500m', 1.5],
  ['64Mi', 67108864],
  ['10M', 1e7],
  ['1e6', 1e6],
  ['1E', 1e18],
  ['-2k', -2000],
  ['.5', 0.5],
])('%s is %d', (text, value) => {
  expect(parseQuantity(text)).toBeCloseTo(value)
})

test.each(['', 'M', '1MB', '1 M', '1e', '--1', '1e3M'])('%j is refused', (text) => {
  expect(parseQuantity(text)).toBeUndefined()
})
