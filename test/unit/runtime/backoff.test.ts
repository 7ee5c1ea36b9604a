import fc from 'fast-check'
import {expect, test} from 'vitest'
import {Backoff, backoffMs} from '../../../src/runtime/backoff.ts'

test('pauses double up to the limit and start again after a reset', () => {
  const backoff = new Backoff({minMs: 100, maxMs: 1000, jitter: 0})
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000])
  expect(backoff.failures).toBe(6)
  backoff.reset()
  expect(backoff.next()).toBe(100)
})

test('the random part only shortens, and never by more than its share', () => {
  fc.assert(
    fc.property(fc.integer({min: 1, max: 1000}), fc.double({min: 0, max: 0.999, noNaN: true}), (attempt, random) => {
      const ms = backoffMs({minMs: 10, maxMs: 5000, jitter: 0.5, random: () => random}, attempt)
      const full = backoffMs({minMs: 10, maxMs: 5000, jitter: 0}, attempt)
      expect(ms).toBeLessThanOrEqual(full)
      expect(ms).toBeGreaterThanOrEqual(full / 2)
    }),
  )
})
