import {setTimeout as sleep} from 'node:timers/promises'
import {fail} from '../runtime/errors.ts'
import {LAB_NOT_READY} from './errors.ts'

export interface WaitOptions {
  readonly signal: AbortSignal
  readonly timeoutMs?: number
  readonly everyMs?: number
  /** where to look when it never comes */
  readonly where: string
}

/**
 * Asks again and again until the answer is not undefined or false.
 *
 * @param what completes "gave up waiting for ..."
 * @throws LAB_NOT_READY after timeoutMs, the reason of the signal, or what `check` throws
 */
export async function waitFor<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 60_000
  const deadline = performance.now() + timeoutMs
  for (;;) {
    options.signal.throwIfAborted()
    const answer = await check()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > deadline) {
      fail(LAB_NOT_READY, {what, seconds: Math.round(timeoutMs / 1000), where: options.where})
    }
    await sleep(options.everyMs ?? 50, undefined, {signal: options.signal})
  }
}
