/** Starts the parts of a process in order and stops them in reverse. The first error wins. */
import {CiliumError} from './errors.ts'
import {type Log, silentLog} from './log.ts'
import {runtimeErrors} from './runtime-errors.ts'

export interface Part {
  readonly name: string
  start?(signal: AbortSignal): void | Promise<void>
  stop?(): void | Promise<void>
  /** 30 s unless given */
  readonly startTimeoutMs?: number
  /** 5 s unless given */
  readonly stopTimeoutMs?: number
}

export class Lifecycle {
  private readonly parts: Part[] = []
  private readonly started: Part[] = []
  private readonly log: Log
  private readonly abort = new AbortController()
  private readonly ended = Promise.withResolvers<CiliumError | undefined>()
  private stopping: Promise<void> | undefined
  private firstError: CiliumError | undefined

  constructor(options: {log?: Log} = {}) {
    this.log = (options.log ?? silentLog).for('lifecycle')
  }

  /** Aborted as soon as the process begins to stop. */
  get signal(): AbortSignal {
    return this.abort.signal
  }

  add(part: Part): void {
    this.parts.push(part)
  }

  /**
   * Starts all parts, each after the one before it. When one fails, those already started are stopped again.
   *
   * @throws the part's own error, or START_FAILED when it took too long
   */
  async start(): Promise<void> {
    for (const part of this.parts) {
      if (this.abort.signal.aborted) return
      const timeoutMs = part.startTimeoutMs ?? 30_000
      // listed before it starts: a part that failed half-way has something to clean up, too
      this.started.push(part)
      try {
        await within(timeoutMs, part.start?.(this.abort.signal), () => {
          const detail = `not done after ${timeoutMs} ms`
          return new CiliumError(runtimeErrors.START_FAILED, {part: part.name, detail})
        })
      } catch (thrown) {
        this.fail(thrown)
        await this.stop()
        throw this.firstError
      }
      this.log.debug('started', {part: part.name})
    }
  }

  /** Stops what was started, the last first. Errors are logged and do not keep the others from stopping. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll()
    return this.stopping
  }

  /** Ends the process because of an error that no part can live with. The first one is what `run` reports. */
  fail(thrown: unknown): void {
    this.firstError ??= CiliumError.from(thrown)
    this.ended.resolve(this.firstError)
    this.abort.abort(this.firstError)
  }

  /**
   * Starts, waits for SIGTERM, SIGINT or `fail`, and stops. A second signal ends the process at once.
   *
   * @returns the error that ended it, undefined after a signal
   */
  async run(): Promise<CiliumError | undefined> {
    let signals = 0
    const onSignal = (signal: NodeJS.Signals) => {
      if (++signals > 1) process.exit(130)
      this.log.info('stopping', {signal})
      this.ended.resolve(undefined)
      this.abort.abort()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
    try {
      await this.start()
      await this.ended.promise
    } catch (thrown) {
      this.fail(thrown)
    } finally {
      await this.stop()
      process.off('SIGTERM', onSignal)
      process.off('SIGINT', onSignal)
    }
    return this.firstError
  }

  private async stopAll(): Promise<void> {
    this.abort.abort()
    for (const part of this.started.reverse()) {
      const timeoutMs = part.stopTimeoutMs ?? 5_000
      try {
        await within(
          timeoutMs,
          part.stop?.(),
          () => new CiliumError(runtimeErrors.STOP_TIMEOUT, {part: part.name, timeoutMs}),
        )
        this.log.debug('stopped', {part: part.name})
      } catch (thrown) {
        this.log.error('stopping failed', {part: part.name, error: CiliumError.from(thrown)}, {per: part.name})
      }
    }
    this.started.length = 0
  }
}

async function within(ms: number, work: void | Promise<void>, late: () => CiliumError): Promise<void> {
  if (work === undefined) return
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  try {
    await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
