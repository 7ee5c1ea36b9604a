/** Growing pauses between attempts, spread at random so that many clients do not come back together. */

export interface BackoffOptions {
  readonly minMs: number
  readonly maxMs: number
  /** growth per attempt, 2 unless given */
  readonly factor?: number
  /** share of the pause that is random, 0..1, a half unless given */
  readonly jitter?: number
  /** 0 <= n < 1 */
  readonly random?: () => number
}

/** The pause before attempt `attempt` (1 is the first retry), in milliseconds. */
export function backoffMs(options: BackoffOptions, attempt: number): number {
  const {minMs, maxMs, factor = 2, jitter = 0.5, random = Math.random} = options
  const full = Math.min(maxMs, minMs * factor ** Math.min(Math.max(attempt - 1, 0), 60))
  return full * (1 - jitter * random())
}

/** Counts attempts and says how long to wait before the next. */
export class Backoff {
  private readonly options: BackoffOptions
  private attempt = 0

  constructor(options: BackoffOptions) {
    this.options = options
  }

  /** Failures since the last reset. */
  get failures(): number {
    return this.attempt
  }

  next(): number {
    this.attempt++
    return backoffMs(this.options, this.attempt)
  }

  reset(): void {
    this.attempt = 0
  }
}
