/** One measured figure: several runs, interleaved with what it is compared to. */
export interface BenchRow {
  readonly name: string
  /** ns, us, ms, ops/s, MiB, ... */
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
  /** the budget, the ratio to a baseline, or what was special */
  readonly note?: string
}
