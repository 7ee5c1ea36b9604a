/**
 * Makes something outside (kernel maps, devices, Kubernetes objects) equal to a table. The runner owns order, retries,
 * status and clean-up; a reconciler has three idempotent verbs and no timers.
 *
 *     table ── changes ──► queue of keys ──► update(row) / remove(row) ──► outside
 *       ▲                     ▲  │ error: backoff, then again
 *       └── status on the row ┴──┘      prune(all rows): after the first pass, then every few minutes
 */
import {type BackoffOptions, backoffMs} from './backoff.ts'
import type {Clock, Timer} from './clock.ts'
import {systemClock} from './clock.ts'
import {CiliumError} from './errors.ts'
import {type Log, silentLog} from './log.ts'
import type {CounterValue, GaugeValue, HistogramValue, MetricRegistry} from './metrics.ts'
import type {Table} from './table.ts'

export interface Reconciler<Row> {
  /** Makes reality follow the row, from whatever state it is in (also a half-done update of an older row). */
  update(row: Row): void | Promise<void>
  /** Takes away what `update` made. What is missing already is success. */
  remove(row: Row): void | Promise<void>
  /** Removes whatever no row wants: leftovers of an earlier life. */
  prune?(rows: readonly Row[]): void | Promise<void>
}

export interface ReconcilerOptions<Row> {
  /** names the reconciler in statuses, logs and metrics */
  readonly name: string
  readonly table: Table<Row, string>
  readonly reconciler: Reconciler<Row>
  /** `synced` (the default): nothing is touched before the table is; `now`: updates begin at once, pruning waits */
  readonly begin?: 'synced' | 'now'
  /** keys worked on at the same time, 1 unless given; one key is never worked on twice at a time */
  readonly concurrency?: number
  /** how long changes gather before they are worked on, so that several of one row cost one update; 0: not at all */
  readonly gatherMs?: number
  readonly backoff?: BackoffOptions
  /** pause between prunes, 5 minutes unless given; 0: only once */
  readonly pruneEveryMs?: number
  /** pause between full passes over all rows, which repair what others changed; 0 (the default): none */
  readonly refreshEveryMs?: number
  readonly clock?: Clock
  readonly log?: Log
  readonly metrics?: ReconcilerMetrics
}

/** How long synchronous work may go on before other events get their turn, ms. */
const sliceMs = 10

export class ReconcilerRunner<Row> {
  private readonly name: string
  private readonly table: Table<Row, string>
  private readonly reconciler: Reconciler<Row>
  private readonly options: ReconcilerOptions<Row>
  private readonly clock: Clock
  private readonly log: Log
  private readonly metrics: MetricsOf | undefined
  /** keys to look at, in order of arrival */
  private readonly due = new Set<string>()
  private readonly running = new Set<string>()
  /** keys that changed while they were worked on */
  private readonly again = new Set<string>()
  private readonly retries = new Map<string, {count: number; timer: Timer | undefined}>()
  /** what reality was last made to follow, for `remove` */
  private readonly tried = new Map<string, Row>()
  private readonly timers = new Set<Timer>()
  private unsubscribe: (() => void) | undefined
  private pruneState: 'never' | 'running' | 'done' | 'failed' = 'never'
  private pruneFailures = 0
  private stopped = false
  private readonly stopping = new AbortController()
  private scheduled = false
  private gathering: Timer | undefined
  private waiters: (() => void)[] = []

  constructor(options: ReconcilerOptions<Row>) {
    this.options = options
    this.name = options.name
    this.table = options.table
    this.reconciler = options.reconciler
    this.clock = options.clock ?? systemClock
    this.log = (options.log ?? silentLog).for('reconciler', {reconciler: options.name})
    this.metrics = options.metrics?.of(options.name)
  }

  /** Begins to follow the table. Returns at once. */
  start(): void {
    const begin = () => {
      if (this.stopped) return
      this.unsubscribe = this.table.subscribe(
        (changes) => {
          for (const {key} of changes) this.touch(key)
        },
        {initial: true},
      )
    }
    const synced = this.table.whenSynced({signal: this.stopping.signal}).then(
      () => true,
      () => false, // stopped before
    )
    if (this.options.begin === 'now') begin()
    synced.then((ok) => {
      if (!ok) return
      if (this.options.begin !== 'now') begin()
      this.firstPrune()
      this.repeat(this.options.refreshEveryMs ?? 0, () => {
        for (const row of this.table.values()) this.enqueue(this.table.keyFor(row))
      })
    })
  }

  /** Ends: nothing new is begun; resolves when what runs has finished. Failed rows keep their status. */
  async stop(): Promise<void> {
    this.stopped = true
    this.stopping.abort()
    this.unsubscribe?.()
    for (const timer of this.timers) timer.cancel()
    this.gathering?.cancel()
    for (const {timer} of this.retries.values()) timer?.cancel()
    this.due.clear()
    this.again.clear()
    await this.whenIdle()
  }

  /** Resolves when nothing is queued or running. Rows that wait for a retry do not count. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  /** Removes leftovers now, instead of at the next interval. Does nothing before the table is synced. */
  async prune(): Promise<void> {
    if (this.reconciler.prune === undefined || !this.table.synced || this.stopped || this.pruneState === 'running')
      return
    this.pruneState = 'running'
    const began = this.clock.monotonic()
    try {
      await this.reconciler.prune([...this.table.values()])
      this.pruneState = 'done'
      this.pruneFailures = 0
      this.metrics?.ran('prune', this.clock.monotonic() - began)
    } catch (thrown) {
      this.pruneState = 'failed'
      this.pruneFailures++
      this.metrics?.failed('prune', this.clock.monotonic() - began)
      this.log.error('cannot remove leftovers, will try again', {error: CiliumError.from(thrown)})
      this.after(this.retryMs(this.pruneFailures), () => this.prune())
    } finally {
      this.wakeIdle()
    }
  }

  /** What the runner is doing, for status pages. */
  get progress(): {queued: number; running: number; retrying: number; pruned: 'never' | 'running' | 'done' | 'failed'} {
    const retrying = [...this.retries.values()].filter((retry) => retry.timer !== undefined).length
    return {queued: this.due.size, running: this.running.size, retrying, pruned: this.pruneState}
  }

  private get isIdle(): boolean {
    return this.due.size === 0 && this.running.size === 0 && this.pruneState !== 'running'
  }

  /** The row changed: whatever was tried before does not count against it. */
  private touch(key: string): void {
    const retry = this.retries.get(key)
    retry?.timer?.cancel()
    this.retries.delete(key)
    this.table.setStatus(key, this.name, {state: 'pending', retries: 0})
    this.enqueue(key, this.options.gatherMs)
  }

  private enqueue(key: string, gatherMs = 0): void {
    if (this.stopped) return
    if (this.running.has(key)) this.again.add(key)
    else this.due.add(key)
    if (gatherMs === 0) this.schedule()
    else this.gathering ??= this.clock.after(gatherMs, () => this.schedule())
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => this.work())
  }

  private work(): void {
    this.scheduled = false
    this.gathering?.cancel()
    this.gathering = undefined
    const concurrency = this.options.concurrency ?? 1
    const until = performance.now() + sliceMs
    for (const key of this.due) {
      if (this.stopped || this.running.size >= concurrency) break
      this.due.delete(key)
      this.running.add(key)
      this.reconcile(key)
      if (performance.now() > until) {
        this.scheduled = true
        setImmediate(() => this.work())
        break
      }
    }
    this.wakeIdle()
  }

  private reconcile(key: string): void {
    const row = this.table.get(key)
    const target = row ?? this.tried.get(key)
    if (target === undefined) {
      // came and went before anything was made of it
      this.table.clearStatus(key, this.name)
      this.finished(key)
      return
    }
    const operation = row === undefined ? 'remove' : 'update'
    const began = this.clock.monotonic()
    if (row !== undefined) this.tried.set(key, row)
    let result: void | Promise<void>
    try {
      result = row === undefined ? this.reconciler.remove(target) : this.reconciler.update(row)
    } catch (thrown) {
      this.failed(key, operation, began, thrown)
      return
    }
    if (result === undefined) this.succeeded(key, operation, began)
    else {
      result.then(
        () => this.succeeded(key, operation, began),
        (thrown: unknown) => this.failed(key, operation, began, thrown),
      )
    }
  }

  private succeeded(key: string, operation: 'update' | 'remove', began: number): void {
    this.retries.delete(key)
    if (operation === 'remove') this.tried.delete(key)
    if (!this.again.has(key)) {
      if (operation === 'remove') this.table.clearStatus(key, this.name)
      else this.table.setStatus(key, this.name, {state: 'done', retries: 0})
    }
    this.metrics?.ran(operation, this.clock.monotonic() - began)
    this.finished(key)
  }

  private failed(key: string, operation: 'update' | 'remove', began: number, thrown: unknown): void {
    const error = CiliumError.from(thrown)
    const count = (this.retries.get(key)?.count ?? 0) + 1
    const waitMs = this.retryMs(count)
    this.table.setStatus(key, this.name, {state: 'error', retries: count, code: error.code, message: error.message})
    this.metrics?.failed(operation, this.clock.monotonic() - began)
    this.log.warn(
      `${operation} failed, will try again`,
      {table: this.table.name, key, retries: count, error},
      {per: key},
    )
    if (!this.stopped && !this.again.has(key)) {
      const timer = this.clock.after(waitMs, () => {
        this.retries.set(key, {count, timer: undefined})
        this.enqueue(key)
      })
      this.retries.set(key, {count, timer})
    }
    this.finished(key)
  }

  private finished(key: string): void {
    this.running.delete(key)
    if (this.again.delete(key)) this.due.add(key)
    this.metrics?.errors(this.retries.size)
    if (this.due.size > 0) this.schedule()
    else this.wakeIdle()
  }

  private firstPrune(): void {
    // after the first pass, so that what is still wanted is there before leftovers go
    setImmediate(async () => {
      await this.whenIdle()
      await this.prune()
      this.repeat(this.options.pruneEveryMs ?? 300_000, () => this.prune())
    })
  }

  private repeat(ms: number, task: () => void | Promise<void>): void {
    if (ms <= 0 || this.stopped) return
    this.after(ms, async () => {
      await task()
      this.repeat(ms, task)
    })
  }

  private after(ms: number, task: () => void | Promise<void>): void {
    if (this.stopped) return
    const timer = this.clock.after(ms, () => {
      this.timers.delete(timer)
      void task()
    })
    this.timers.add(timer)
  }

  private retryMs(count: number): number {
    return backoffMs(this.options.backoff ?? {minMs: 100, maxMs: 60_000}, count)
  }

  private wakeIdle(): void {
    if (!this.isIdle) return
    for (const resolve of this.waiters.splice(0)) resolve()
  }
}

type Operation = 'update' | 'remove' | 'prune'

interface MetricsOf {
  ran(operation: Operation, ms: number): void
  /** it ran, and failed */
  failed(operation: Operation, ms: number): void
  errors(current: number): void
}

interface RunMetrics {
  readonly count: CounterValue
  readonly duration: HistogramValue
}

/** The metrics of all reconcilers of a process: made once, handed to every runner. */
export class ReconcilerMetrics {
  private readonly count
  private readonly errors
  private readonly current
  private readonly duration
  private readonly success: RunMetrics
  private readonly failure: RunMetrics
  /** reconcilers with a row whose last reconciliation failed */
  private readonly failing: GaugeValue

  constructor(registry: MetricRegistry, prefix: string) {
    const labels = ['reconciler', 'op']
    this.count = registry.counter({name: `${prefix}_reconciler_count_total`, help: 'reconciliations run', labels})
    this.errors = registry.counter({name: `${prefix}_reconciler_errors_total`, help: 'reconciliations failed', labels})
    this.current = registry.gauge({
      name: `${prefix}_reconciler_errors_current`,
      help: 'rows whose last reconciliation failed',
      labels: ['reconciler'],
    })
    this.duration = registry.histogram({
      name: `${prefix}_reconciler_duration_seconds`,
      help: 'duration of reconciliations',
      labels,
      buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    })
    // the same over all of them, by the names that dashboards ask for
    const runs = registry.counter({
      name: `${prefix}_controllers_runs_total`,
      help: 'runs of controllers',
      labels: ['status'],
    })
    const times = registry.histogram({
      name: `${prefix}_controllers_runs_duration_seconds`,
      help: 'duration of runs of controllers',
      labels: ['status'],
    })
    const of = (status: string): RunMetrics => ({count: runs.labels(status), duration: times.labels(status)})
    this.success = of('success')
    this.failure = of('failure')
    this.failing = registry.gauge({name: `${prefix}_controllers_failing`, help: 'controllers that fail'}).labels()
  }

  of(name: string): MetricsOf {
    const counts = {} as Record<Operation, CounterValue>
    const errors = {} as Record<Operation, CounterValue>
    const durations = {} as Record<Operation, HistogramValue>
    for (const operation of ['update', 'remove', 'prune'] as const) {
      counts[operation] = this.count.labels(name, operation)
      errors[operation] = this.errors.labels(name, operation)
      durations[operation] = this.duration.labels(name, operation)
    }
    const current: GaugeValue = this.current.labels(name)
    const ran = (operation: Operation, ms: number, outcome: RunMetrics) => {
      counts[operation].inc()
      durations[operation].observe(ms / 1000)
      outcome.count.inc()
      outcome.duration.observe(ms / 1000)
    }
    return {
      ran: (operation, ms) => ran(operation, ms, this.success),
      failed: (operation, ms) => {
        errors[operation].inc()
        ran(operation, ms, this.failure)
      },
      errors: (count) => {
        if (count > 0 !== current.value > 0) this.failing.inc(count > 0 ? 1 : -1)
        current.set(count)
      },
    }
  }
}
