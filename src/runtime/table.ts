/**
 * A table of rows in memory: what reflectors write, engines read and write, and reconcilers make true. Rows are
 * immutable values; a change is a new row under the same key. Single-threaded: no locks, no transactions.
 */
import type {Clock, Timer} from './clock.ts'
import {systemClock} from './clock.ts'
import {CiliumError} from './errors.ts'
import {runtimeErrors} from './runtime-errors.ts'

/** One key's change since the last delivery. `row` is undefined when it was removed, `old` when it is new. */
export interface TableChange<Row> {
  readonly key: string
  readonly row: Row | undefined
  readonly old: Row | undefined
}

/** How far reality follows a row. */
export type RowState = 'pending' | 'done' | 'error'

export interface RowStatus {
  readonly state: RowState
  /** wall clock, ms, since when in this state */
  readonly since: number
  /** attempts that failed since the row last changed */
  readonly retries: number
  readonly code?: string
  readonly message?: string
}

/** A column to look rows up by: the values under which a row is found. */
export type RowIndex<Row> = (row: Row) => Iterable<string>

export interface TableOptions<Row, Index extends string> {
  readonly name: string
  readonly key: (row: Row) => string
  readonly indexes?: Readonly<Record<Index, RowIndex<Row>>>
  /** Rows that are equal change nothing; identity unless given. */
  readonly equal?: (a: Row, b: Row) => boolean
  /** Names of sources that must say "synced" before the table is; more can be added while it runs. */
  readonly sources?: readonly string[]
  readonly clock?: Clock
}

export interface WaitOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  /** what is waited for, for the error's text */
  readonly what?: string
}

export class Table<Row, Index extends string = never> {
  readonly name: string
  private readonly keyOf: (row: Row) => string
  private readonly equal: (a: Row, b: Row) => boolean
  private readonly clock: Clock
  private readonly byKey = new Map<string, Row>()
  private readonly indexes = new Map<string, {of: RowIndex<Row>; found: Map<string, string | Set<string>>}>()
  private readonly subscriptions = new Set<Subscription<Row>>()
  private readonly watchers = new Set<() => void>()
  /** by reconciler, then by key */
  private readonly statuses = new Map<string, Map<string, RowStatus>>()
  private readonly unsynced: Set<string>
  private before = new Map<string, Row | undefined>()
  private scheduled = false
  private changeCount = 0

  constructor(options: TableOptions<Row, Index>) {
    this.name = options.name
    this.keyOf = options.key
    this.equal = options.equal ?? Object.is
    this.clock = options.clock ?? systemClock
    this.unsynced = new Set(options.sources)
    for (const [name, of] of Object.entries(options.indexes ?? {})) {
      this.indexes.set(name, {of: of as RowIndex<Row>, found: new Map()})
    }
  }

  get size(): number {
    return this.byKey.size
  }

  /** Counts every change of a row. */
  get revision(): number {
    return this.changeCount
  }

  get(key: string): Row | undefined {
    return this.byKey.get(key)
  }

  has(key: string): boolean {
    return this.byKey.has(key)
  }

  /** All rows, in no particular order; safe to change the table meanwhile. */
  values(): IterableIterator<Row> {
    return this.byKey.values()
  }

  /** All rows sorted by key. */
  sorted(): Row[] {
    return [...this.byKey.keys()].sort().map((key) => this.byKey.get(key)!)
  }

  /** Rows under this value of an index, in the order they came. */
  by(index: Index, value: string): Row[] {
    const keys = this.indexes.get(index)?.found.get(value)
    if (keys === undefined) return []
    return typeof keys === 'string' ? [this.byKey.get(keys)!] : Array.from(keys, (key) => this.byKey.get(key)!)
  }

  /** The key under which a row is kept. */
  keyFor(row: Row): string {
    return this.keyOf(row)
  }

  /** Puts a row in or replaces the one with its key. @returns false when an equal row was there already */
  upsert(row: Row): boolean {
    const key = this.keyOf(row)
    const old = this.byKey.get(key)
    if (old !== undefined && this.equal(old, row)) return false
    this.note(key, old)
    if (old !== undefined) this.unindex(key, old)
    this.byKey.set(key, row)
    for (const {of, found} of this.indexes.values()) {
      for (const value of of(row)) {
        const keys = found.get(value)
        // most values have one key: a set for each would cost more than the rows
        if (keys === undefined || keys === key) found.set(value, key)
        else if (typeof keys === 'string') found.set(value, new Set([keys, key]))
        else keys.add(key)
      }
    }
    return true
  }

  /** @returns the row that was removed */
  delete(key: string): Row | undefined {
    const old = this.byKey.get(key)
    if (old === undefined) return undefined
    this.note(key, old)
    this.unindex(key, old)
    this.byKey.delete(key)
    return old
  }

  /** Makes the table hold exactly these rows: what a list gives. Rows that are equal stay unchanged. */
  replaceAll(rows: Iterable<Row>): void {
    const gone = new Set(this.byKey.keys())
    for (const row of rows) {
      gone.delete(this.keyOf(row))
      this.upsert(row)
    }
    for (const key of gone) this.delete(key)
  }

  /**
   * Calls `listener` with all changes of a turn at once (a microtask later), one per key; a row that was put in and
   * removed within the turn is not mentioned. With `initial` the first call has all rows there are by then.
   *
   * @returns ends the subscription
   */
  subscribe(listener: (changes: readonly TableChange<Row>[]) => void, options: {initial?: boolean} = {}): () => void {
    const subscription: Subscription<Row> = {listener, wantsAll: options.initial === true}
    this.subscriptions.add(subscription)
    if (subscription.wantsAll) this.schedule()
    return () => this.subscriptions.delete(subscription)
  }

  /**
   * Waits until `predicate` gives something (not false, undefined or null), looked at now and after every change of
   * rows, statuses and sync marks.
   *
   * @throws WAIT_TIMEOUT, or the signal's reason
   */
  until<T>(predicate: (table: this) => T | false | undefined | null, options: WaitOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const {signal, timeoutMs} = options
      if (signal?.aborted) return reject(signal.reason)
      let timer: Timer | undefined
      const end = () => {
        this.watchers.delete(look)
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        end()
        reject(signal!.reason)
      }
      const look = () => {
        try {
          const found = predicate(this)
          if (found === undefined || found === null || found === false) return
          end()
          resolve(found)
        } catch (thrown) {
          end()
          reject(thrown)
        }
      }
      this.watchers.add(look)
      signal?.addEventListener('abort', onAbort, {once: true})
      if (timeoutMs !== undefined) {
        timer = this.clock.after(timeoutMs, () => {
          end()
          const what = options.what ?? `a change of table ${this.name}`
          reject(new CiliumError(runtimeErrors.WAIT_TIMEOUT, {what, timeoutMs}))
        })
      }
      look()
    })
  }

  /** True when every source has said that it has delivered all it had. */
  get synced(): boolean {
    return this.unsynced.size === 0
  }

  /** Sources that have not said so yet, sorted. */
  get waitingFor(): readonly string[] {
    return [...this.unsynced].sort()
  }

  /** Adds a source that the table waits for. @returns marks it as synced */
  addSource(name: string): () => void {
    this.unsynced.add(name)
    return () => this.markSynced(name)
  }

  markSynced(source: string): void {
    if (this.unsynced.delete(source)) this.schedule()
  }

  whenSynced(options: WaitOptions = {}): Promise<true> {
    return this.until((table) => table.synced, {
      what: `sync of table ${this.name}`,
      ...options,
    }) as Promise<true>
  }

  /** Writes how far reality follows the row, as `by` (a reconciler) sees it. Kept for removed rows until cleared. */
  setStatus(key: string, by: string, status: Omit<RowStatus, 'since'>): void {
    let all = this.statuses.get(by)
    if (all === undefined) this.statuses.set(by, (all = new Map<string, RowStatus>()))
    const old = all.get(key)
    const since = old?.state === status.state ? old.since : this.clock.now()
    all.set(key, {...status, since})
    this.schedule()
  }

  /** Forgets what `by` said of this key: the row is removed and reality has followed. */
  clearStatus(key: string, by: string): void {
    if (this.statuses.get(by)?.delete(key)) this.schedule()
  }

  /** The status of one reconciler, or the worst of all: an error before pending before done. */
  status(key: string, by?: string): RowStatus | undefined {
    if (by !== undefined) return this.statuses.get(by)?.get(key)
    let worst: RowStatus | undefined
    for (const all of this.statuses.values()) {
      const status = all.get(key)
      if (status === undefined) continue
      if (worst === undefined || badness[status.state] > badness[worst.state]) worst = status
    }
    return worst
  }

  /** Every key whose status is an error, removed rows included, sorted. */
  errors(): {readonly key: string; readonly by: string; readonly status: RowStatus}[] {
    const found: {key: string; by: string; status: RowStatus}[] = []
    for (const [by, all] of this.statuses) {
      for (const [key, status] of all) if (status.state === 'error') found.push({key, by, status})
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.by < b.by ? -1 : 1))
  }

  /** The whole table as plain values, rows sorted by key: for listings, tests and diagnosis. */
  dump(): TableDump<Row> {
    const reconcilers = [...this.statuses].sort(([a], [b]) => (a < b ? -1 : 1))
    const rows = [...this.byKey.keys()].sort().map((key) => {
      const statuses = reconcilers.flatMap(([by, all]): [string, RowStatus][] => {
        const status = all.get(key)
        return status === undefined ? [] : [[by, status]]
      })
      return {key, row: this.byKey.get(key)!, status: Object.fromEntries(statuses)}
    })
    return {name: this.name, revision: this.changeCount, synced: this.synced, waitingFor: this.waitingFor, rows}
  }

  private note(key: string, old: Row | undefined): void {
    this.changeCount++
    if (!this.before.has(key)) this.before.set(key, old)
    this.schedule()
  }

  private snapshot(): TableChange<Row>[] {
    return Array.from(this.byKey, ([key, row]) => ({key, row, old: undefined}))
  }

  private unindex(key: string, row: Row): void {
    for (const {of, found} of this.indexes.values()) {
      for (const value of of(row)) {
        const keys = found.get(value)
        if (keys === key) found.delete(value)
        else if (keys instanceof Set && keys.delete(key) && keys.size === 0) found.delete(value)
      }
    }
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => this.flush())
  }

  private flush(): void {
    this.scheduled = false
    const before = this.before
    this.before = new Map()
    const changes: TableChange<Row>[] = []
    for (const [key, old] of before) {
      const row = this.byKey.get(key)
      if (row === old || (row !== undefined && old !== undefined && this.equal(row, old))) continue
      changes.push({key, row, old})
    }
    const thrown: unknown[] = []
    for (const subscription of [...this.subscriptions]) {
      const news = subscription.wantsAll ? this.snapshot() : changes
      subscription.wantsAll = false
      if (news.length === 0) continue
      try {
        subscription.listener(news)
      } catch (error) {
        thrown.push(error) // one bad listener must not keep the others from their changes
      }
    }
    for (const look of [...this.watchers]) look()
    if (thrown.length > 0) throw thrown.length === 1 ? thrown[0] : new AggregateError(thrown)
  }
}

interface Subscription<Row> {
  readonly listener: (changes: readonly TableChange<Row>[]) => void
  wantsAll: boolean
}

export interface TableDump<Row> {
  readonly name: string
  readonly revision: number
  readonly synced: boolean
  readonly waitingFor: readonly string[]
  readonly rows: readonly {
    readonly key: string
    readonly row: Row
    readonly status: Readonly<Record<string, RowStatus>>
  }[]
}

const badness: Readonly<Record<RowState, number>> = {done: 0, pending: 1, error: 2}
