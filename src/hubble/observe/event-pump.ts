/** Takes events from the rings into the store, by a timer, and wakes those who follow. */
import type {Clocks} from './boot-time.ts'
import {BootTime} from './boot-time.ts'
import type {EventTap} from './event-tap.ts'
import type {FlowStore} from './flow-store.ts'

/** `EventStream` of the datapath. */
export interface EventSource {
  poll(handler: (view: DataView, offset: number, length: number) => void, limit?: number): number
  counts(): {readonly written: number; readonly lost: number}
}

export interface EventPumpOptions {
  readonly source: EventSource
  readonly store: FlowStore
  readonly clocks: Clocks
  /** 10 ms unless given */
  readonly tickMs?: number
}

/** events taken in one go: followers want their turn too */
const eventsPerTick = 65_536
const countsEveryMs = 1000
/** seconds over which the rate is told */
const rateWindow = 60

export class EventPump {
  readonly store: FlowStore
  readonly time: BootTime
  readonly #options: EventPumpOptions
  readonly #seen: number[] = []
  /** gets a copy of everything while it wants to */
  tap: EventTap | undefined
  #waiting: (() => void)[] = []
  #timers: NodeJS.Timeout[] = []
  #lostAtStart = 0
  #lost = 0
  #lastCount = 0

  constructor(options: EventPumpOptions) {
    this.#options = options
    this.store = options.store
    this.time = new BootTime(options.clocks)
  }

  start(): void {
    const {source, tickMs = 10} = this.#options
    // what waits in the rings since before this start is stored; what was lost before is not ours to tell
    this.#lost = this.#lostAtStart = source.counts().lost
    this.#lastCount = this.#now()
    this.#timers = [setInterval(() => this.tick(), tickMs), setInterval(() => this.count(), countsEveryMs)]
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.wake()
  }

  /** Takes what is there. */
  tick(): void {
    const {tap, store} = this
    const handler =
      tap?.isWanted === true
        ? (view: DataView, offset: number, length: number) => {
            store.append(view, offset, length)
            tap.take(view, offset, length)
          }
        : store.append
    let taken: number
    let total = 0
    do {
      taken = this.#options.source.poll(handler, eventsPerTick)
      total += taken
    } while (taken === eventsPerTick && total < 8 * eventsPerTick)
    if (total > 0) this.wake()
  }

  /** Compares with the counters of the programs, and looks at the clock. */
  count(): void {
    const {lost} = this.#options.source.counts()
    const now = this.#now()
    if (lost > this.#lost) {
      this.store.addLoss(lost - this.#lost, this.#lastCount, now)
      this.wake()
    }
    this.#lost = lost
    this.#lastCount = now
    this.time.update(this.store.next)
    this.#seen.push(this.store.next)
    if (this.#seen.length > rateWindow) this.#seen.shift()
  }

  /** Events a second over the last minute. */
  get rate(): number {
    const first = this.#seen[0]
    if (first === undefined || this.#seen.length < 2) return 0
    return (this.#seen.at(-1)! - first) / (((this.#seen.length - 1) * countsEveryMs) / 1000)
  }

  /** Events that found no room in a ring since the start. */
  get lost(): number {
    return this.#lost - this.#lostAtStart
  }

  /** Resolves when something new is there, or the signal is aborted. */
  async more(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done, {once: true})
      this.#waiting.push(done)
    })
  }

  /** Tells those who wait that something new is there. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  #now(): number {
    return Number(this.#options.clocks.boot())
  }
}
