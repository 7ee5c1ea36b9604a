import type {MetricRegistry} from '../runtime/metrics.ts'

export const metricPrefix = 'cilium_operator'

export interface IdentityRun {
  readonly outcome: 'success' | 'fail'
  readonly alive: number
  readonly removed: number
  readonly ms: number
}

/** The operator's own metrics. */
export class OperatorMetrics {
  private readonly runs
  private readonly endpoints
  private readonly identityEntries
  private readonly identityRuns
  private readonly identityLatency
  private readonly unmanaged
  private readonly lines

  constructor(registry: MetricRegistry) {
    const name = (suffix: string) => `${metricPrefix}_${suffix}`
    this.runs = registry.counter({
      name: name('controllers_group_runs_total'),
      help: 'runs of periodic work',
      labels: ['status', 'group_name'],
    })
    this.endpoints = registry.counter({
      name: name('endpoint_gc_objects'),
      help: 'CiliumEndpoints removed because no pod stands behind them',
      labels: ['outcome'],
    })
    this.identityEntries = registry.gauge({
      name: name('identity_gc_entries'),
      help: 'identities alive and removed in the last run',
      labels: ['status', 'identity_type'],
    })
    this.identityRuns = registry.gauge({
      name: name('identity_gc_runs'),
      help: 'runs of the collection of identities',
      labels: ['outcome', 'identity_type'],
    })
    this.identityLatency = registry.gauge({
      name: name('identity_gc_latency'),
      help: 'duration of the last collection of identities, seconds',
      labels: ['outcome', 'identity_type'],
    })
    this.unmanaged = registry
      .gauge({name: name('unmanaged_pods'), help: 'selected pods that run outside our network'})
      .labels()
    this.lines = registry.counter({
      name: name('errors_warnings_total'),
      help: 'log lines of level warn and error',
      labels: ['level', 'subsystem'],
    })
  }

  ran(group: string, outcome: 'success' | 'failure'): void {
    this.runs.labels(outcome, group).inc()
  }

  endpointsCollected(outcome: 'success' | 'fail'): void {
    this.endpoints.labels(outcome).inc()
  }

  identitiesCollected({outcome, alive, removed, ms}: IdentityRun): void {
    this.identityRuns.labels(outcome, 'crd').inc()
    this.identityLatency.labels(outcome, 'crd').set(ms / 1000)
    this.identityEntries.labels('alive', 'crd').set(alive)
    this.identityEntries.labels('deleted', 'crd').set(removed)
  }

  unmanagedPods(count: number): void {
    this.unmanaged.set(count)
  }

  logged(level: string, subsystem: string): void {
    if (level === 'warn' || level === 'error') this.lines.labels(level === 'warn' ? 'warning' : level, subsystem).inc()
  }
}
