import {type Clock, sleep} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

export interface LoopOptions {
  /** names the loop in logs and metrics */
  readonly name: string
  /** pause between runs; 0: never */
  readonly intervalMs: number
  readonly run: (signal: AbortSignal) => Promise<void>
  /** told after every run */
  readonly onRun: (outcome: 'success' | 'failure') => void
  readonly clock: Clock
  readonly log: Log
}

/** Runs again and again until the signal. A run that fails is logged and counted, and comes again. */
export async function loop(options: LoopOptions, signal: AbortSignal): Promise<void> {
  const {name, intervalMs, run, onRun, clock, log} = options
  if (intervalMs <= 0) return
  while (!signal.aborted) {
    try {
      await run(signal)
      onRun('success')
    } catch (thrown) {
      if (signal.aborted) return
      onRun('failure')
      log.warn('a run failed, the next one comes', {loop: name, error: CiliumError.from(thrown)}, {per: name})
    }
    await sleep(clock, intervalMs, signal).catch(() => {})
  }
}
