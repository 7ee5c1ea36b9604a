/** Work on policies, one piece after another, and how it goes. What fails is told, and asked for again a while later. */
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {RunnerState} from '../runner-state.ts'

export interface TurnsOptions {
  readonly clock: Clock
  readonly log: Log
  /** something has failed a while ago: what is to be done now? */
  readonly again: () => void
}

const retryMs = 1_000

export class Turns {
  readonly #options: TurnsOptions
  #running: Promise<void> = Promise.resolve()
  #retry: Timer | undefined
  #stopped = false
  #state: Omit<RunnerState, 'name'> = {
    ...{failing: 0, failures: 0, successes: 0},
    ...{lastError: undefined, lastErrorAt: undefined, lastSuccessAt: undefined},
  }

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  get state(): Omit<RunnerState, 'name'> {
    return this.#state
  }

  /** Does it after all that came before. */
  take(work: () => Promise<void>): void {
    this.#running = this.#running.then(async () => {
      if (this.#stopped) return
      const {clock, log} = this.#options
      try {
        await work()
        this.#state = {...this.#state, failing: 0, successes: this.#state.successes + 1, lastSuccessAt: clock.now()}
      } catch (thrown) {
        const error = CiliumError.from(thrown)
        this.#state = {
          ...this.#state,
          failing: this.#state.failing + 1,
          failures: this.#state.failures + 1,
          lastError: `${error.code} ${error.message}`,
          lastErrorAt: clock.now(),
        }
        log.error('policies cannot be put into force, will try again', {error})
        this.retryLater()
      }
    })
  }

  retryLater(): void {
    this.#retry?.cancel()
    this.#retry = this.#options.clock.after(retryMs, this.#options.again)
  }

  /** Nothing new is begun; resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry?.cancel()
    await this.#running
  }
}
