/** Time as a value that is handed in, so that tests turn it by hand. */

export interface Clock {
  /** wall clock, milliseconds since 1970; may jump */
  now(): number
  /** milliseconds since some fixed point; never goes back */
  monotonic(): number
  /** Runs `task` once after `ms`. The timer alone does not keep the process alive. */
  after(ms: number, task: () => void): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, Math.min(ms, 0x7fffffff))
    timer.unref()
    return {cancel: () => clearTimeout(timer)}
  },
}

/** Waits. Rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, {once: true})
  })
}

/** Runs `task` every `ms`, the next time counted from the end of the last; stops when cancelled. */
export function every(clock: Clock, ms: number, task: () => void | Promise<void>): Timer {
  let timer: Timer | undefined
  let cancelled = false
  const next = () => {
    timer = clock.after(ms, async () => {
      try {
        await task()
      } finally {
        if (!cancelled) next()
      }
    })
  }
  next()
  return {
    cancel() {
      cancelled = true
      timer?.cancel()
    },
  }
}
