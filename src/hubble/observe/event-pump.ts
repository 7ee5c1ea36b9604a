/** Takes events from the rings into the store, by a timer, and wakes those who follow. */
import type {Clocks} from './boot-time.ts'
import {BootTime} from './boot-time.ts'
import type {EventTap} from './event-tap.ts'
import type {FlowStore} from './flow-store.ts'

/** `EventStream` of the datapath. */
export interface EventSource {
  poll(handler: (view: DataView, offset: number, length: number) => void, limit?: number): number
  /** true while what waits is more than half of what finds room */
  readonly isCrowded: boolean
  /** bytes that all rings hold */
  readonly capacity: number
  counts(): {readonly written: number; readonly lost: number}
}

export interface EventPumpOptions {
  readonly source: EventSource
  readonly store: FlowStore
  readonly clocks: Clocks
  /** 10 ms unless given */
  readonly tickMs?: number
}

/** events taken before those who follow get their turn */
const eventsPerTurn = 65_536
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
  /** events that were overwritten before those who follow had read them */
  overtaken = 0
  #waiting: (() => void)[] = []
  readonly #keepers: (() => void)[] = []
  #timers: NodeJS.Timeout[] = []
  #turn: NodeJS.Immediate | undefined
  readonly #eventsPerTurn: number
  #lostAtStart = 0
  #lost = 0
  #lastCount = 0

  constructor(options: EventPumpOptions) {
    this.#options = options
    this.store = options.store
    // who follows a small store is not overtaken by one turn
    this.#eventsPerTurn = Math.min(eventsPerTurn, this.halfStore)
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
    clearImmediate(this.#turn)
    this.wake()
  }

  /**
   * Takes what is there, in turns with those who follow: as long as the programs find room, they may read what one turn
   * has brought before the next overwrites it. In a crowd the rings go first: what they lose nobody ever sees.
   */
  tick(): void {
    const {tap, store} = this
    const handler =
      tap?.isWanted === true
        ? (view: DataView, offset: number, length: number) => {
            store.append(view, offset, length)
            tap.take(view, offset, length)
          }
        : store.append
    const {source} = this.#options
    let taken: number
    let total = 0
    do {
      taken = source.poll(handler, this.#eventsPerTurn)
      total += taken
      for (const keep of this.#keepers) keep()
    } while (taken === this.#eventsPerTurn && source.isCrowded && total < 8 * eventsPerTurn)
    if (total > 0) this.wake()
    clearImmediate(this.#turn)
    this.#turn = taken === this.#eventsPerTurn ? setImmediate(() => this.tick()) : undefined
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

  /** Bytes that the rings hold. */
  get ringBytes(): number {
    return this.#options.source.capacity
  }

  /** No turn brings more events than this. */
  get halfStore(): number {
    return (this.store.capacity + 1) / 2
  }

  /** For who must see every event: called after each turn, and has read by then unless less than half a store is unread. */
  keepUp(keep: () => void): void {
    this.#keepers.push(keep)
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
