/** Median and ends of what several runs gave. */
import type {BenchRow} from './rows.ts'

export function spread(values: readonly number[]): Pick<BenchRow, 'median' | 'min' | 'max' | 'runs'> {
  const sorted = [...values].sort((x, y) => x - y)
  const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return {median: middle, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN, runs: sorted.length}
}
