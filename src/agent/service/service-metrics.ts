/** Metrics of services: changes, how long each takes to reach packets, and how full the maps are. */
import type {Clock} from '../../runtime/clock.ts'
import type {Counter, Histogram, MetricRegistry} from '../../runtime/metrics.ts'
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {TableChange} from '../../runtime/table.ts'
import type {Tables} from '../state/tables.ts'
import type {FrontendRow} from './rows.ts'

type Action = 'add' | 'update' | 'delete'

interface Change {
  readonly action: Action
  readonly since: number
  /** frontends that the maps do not have yet */
  readonly waiting: Set<string>
}

export class ServiceMetrics {
  private readonly tables: Tables
  private readonly clock: Clock
  private readonly events: Counter
  private readonly delay: Histogram
  private readonly changes = new Map<string, Change>()
  private readonly owners = new Map<string, string>()
  private readonly ends: (() => void)[] = []

  constructor(options: {
    readonly registry: MetricRegistry
    readonly tables: Tables
    readonly clock: Clock
    /** entries of each map, and how many it holds at most */
    readonly fill: () => readonly {readonly map: string; readonly used: number; readonly capacity: number}[]
  }) {
    const {registry, fill} = options
    this.tables = options.tables
    this.clock = options.clock
    this.events = registry.counter({
      name: 'cilium_services_events_total',
      help: 'changes of services',
      labels: ['action'],
    })
    this.delay = registry.histogram({
      name: 'cilium_service_implementation_delay',
      help: 'seconds from a change of a service or its backends being known until packets meet it',
      labels: ['action'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    })
    const pressure = registry.gauge({
      name: 'cilium_bpf_map_pressure',
      help: 'how full a map is, from 0 to 1',
      labels: ['map_name'],
    })
    registry.onCollect(() => {
      for (const {map, used, capacity} of fill()) pressure.labels(map).set(capacity === 0 ? 0 : used / capacity)
    })
  }

  /** To be called before whoever turns services into frontends: the clock starts first. */
  start(): void {
    const {services, endpointSlices, frontends} = this.tables
    this.ends.push(
      services.subscribe((changes) => {
        for (const {key, row, old} of changes) {
          const action = row === undefined ? 'delete' : old === undefined ? 'add' : 'update'
          this.events.labels(action).inc()
          this.began(key, action)
        }
      }),
      endpointSlices.subscribe((changes) => {
        for (const {row, old} of changes) this.began((row ?? old)!.service, 'update')
      }),
      frontends.subscribe((changes) => this.wanted(changes)),
    )
  }

  stop(): void {
    for (const end of this.ends) end()
  }

  /** The same reconciler, with the end of each of its writes noted. */
  observed(inner: Reconciler<FrontendRow>): Reconciler<FrontendRow> {
    const after = (key: string, done: void | Promise<void>) => {
      if (done === undefined) return this.applied(key)
      return done.then(() => this.applied(key))
    }
    return {
      update: (row) => after(row.key, inner.update(row)),
      remove: (row) => after(row.key, inner.remove(row)),
      prune: (rows) => inner.prune?.(rows),
    }
  }

  private began(service: string, action: Action): void {
    if (!this.changes.has(service))
      this.changes.set(service, {action, since: this.clock.monotonic(), waiting: new Set()})
    // a change that leads to no other frontend ends with the turn that brings the frontends of all
    setImmediate(() => {
      if (this.changes.get(service)?.waiting.size === 0) this.changes.delete(service)
    })
  }

  private wanted(changes: readonly TableChange<FrontendRow>[]): void {
    for (const {key, row, old} of changes) {
      const {namespace, name} = (row ?? old)!
      const service = `${namespace}/${name}`
      const change = this.changes.get(service)
      if (change === undefined) continue
      change.waiting.add(key)
      this.owners.set(key, service)
    }
  }

  private applied(key: string): void {
    const service = this.owners.get(key)
    if (service === undefined) return
    this.owners.delete(key)
    const change = this.changes.get(service)
    if (change === undefined || !change.waiting.delete(key) || change.waiting.size > 0) return
    this.changes.delete(service)
    this.delay.labels(change.action).observe((this.clock.monotonic() - change.since) / 1000)
  }
}
