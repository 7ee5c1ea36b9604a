import {setTimeout as sleep} from 'node:timers/promises'

export interface UntilOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** between two looks; 300 ms when absent */
  readonly pauseMs?: number
}

/**
 * Looks again and again until there is a value.
 *
 * @returns undefined when the time is over
 */
export async function until<T>(look: () => Promise<T | undefined>, options: UntilOptions): Promise<T | undefined> {
  const deadline = performance.now() + options.timeoutMs
  for (;;) {
    options.signal.throwIfAborted()
    const value = await look()
    if (value !== undefined) return value
    if (performance.now() >= deadline) return undefined
    await sleep(options.pauseMs ?? 300, undefined, {signal: options.signal})
  }
}
