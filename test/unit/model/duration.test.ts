import fc from 'fast-check'
import {expect, test} from 'vitest'
import {formatDuration, parseDuration} from '../../../src/model/duration.ts'

test.each([
  ['0', 0, '0s'],
  ['0s', 0, '0s'],
  ['1m30s', 90_000, '1m30s'],
  ['90s', 90_000, '1m30s'],
  ['1h', 3_600_000, '1h0m0s'],
  ['1h5m', 3_900_000, '1h5m0s'],
  ['1.5s', 1500, '1.5s'],
  ['.5s', 500, '500ms'],
  ['250ms', 250, '250ms'],
  ['100us', 0.1, '100µs'],
  ['100µs', 0.1, '100µs'],
  ['3ns', 3e-6, '3ns'],
  ['-2s', -2000, '-2s'],
  ['+2s', 2000, '2s'],
])('%s is %d ms and written as %s', (text, ms, written) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 9)
  expect(formatDuration(ms)).toBe(written)
})

test.each(['', '5', 's', '1 s', '1d', '1m30', '--1s', '1.2.3s', '1e3s', `${'9'.repeat(400)}h`])(
  '%j is refused',
  (text) => {
    expect(parseDuration(text)).toBeUndefined()
  },
)

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({min: -1e12, max: 1e12}), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBeCloseTo(ms, 3)
    }),
  )
})
