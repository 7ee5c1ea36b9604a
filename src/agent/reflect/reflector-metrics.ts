/** Metrics of what Kubernetes tells, by kind. */
import type {CounterValue, GaugeValue, MetricRegistry} from '../../runtime/metrics.ts'

/** What an event was found to be: does it say something that can be used, and is that news? */
export interface EventOutcome {
  readonly valid: boolean
  readonly equal: boolean
}

export class ReflectorMetrics {
  readonly #handled
  readonly #received
  readonly #time
  readonly #synced

  constructor(registry: MetricRegistry) {
    this.#handled = registry.counter({
      name: 'cilium_kubernetes_events_total',
      help: 'Kubernetes events handled',
      labels: ['scope', 'action', 'status'],
    })
    this.#received = registry.counter({
      name: 'cilium_kubernetes_events_received_total',
      help: 'Kubernetes events received',
      labels: ['scope', 'action', 'valid', 'equal'],
    })
    this.#time = registry.gauge({
      name: 'cilium_event_ts',
      help: 'when the last event came, seconds since 1970',
      labels: ['source', 'scope', 'action'],
    })
    this.#synced = registry.gauge({
      name: 'cilium_kubernetes_resource_sync_duration',
      help: 'time until a kind was known whole, seconds',
      labels: ['scope'],
    })
  }

  /** Looked up once for each kind: events come by the thousand. */
  of(kind: string): KindMetrics {
    const action = (name: 'update' | 'delete') => ({
      handled: this.#handled.labels(kind, name, 'success'),
      time: this.#time.labels('k8s', kind, name),
      received: (outcome: EventOutcome) =>
        this.#received.labels(kind, name, String(outcome.valid), String(outcome.equal)),
    })
    return new KindMetrics(action('update'), action('delete'), this.#synced.labels(kind))
  }
}

interface ActionMetrics {
  readonly handled: CounterValue
  readonly time: GaugeValue
  received(outcome: EventOutcome): CounterValue
}

export class KindMetrics {
  readonly #upsert: ActionMetrics
  readonly #delete: ActionMetrics
  readonly #synced: GaugeValue

  constructor(upsert: ActionMetrics, deletion: ActionMetrics, synced: GaugeValue) {
    this.#upsert = upsert
    this.#delete = deletion
    this.#synced = synced
  }

  /** @param now wall clock, ms */
  event(type: 'upsert' | 'delete', outcome: EventOutcome, now: number): void {
    const of = type === 'upsert' ? this.#upsert : this.#delete
    of.handled.inc()
    of.received(outcome).inc()
    of.time.set(now / 1000)
  }

  synced(ms: number): void {
    this.#synced.set(ms / 1000)
  }
}
