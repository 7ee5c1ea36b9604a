/** How the work of one part goes that is tried again when it fails: what the status shows. */
export interface RunnerState {
  readonly name: string
  readonly failing: number
  /** of the row that failed last */
  readonly lastError: string | undefined
  readonly lastErrorAt: number | undefined
  readonly lastSuccessAt: number | undefined
  readonly successes: number
  readonly failures: number
}
