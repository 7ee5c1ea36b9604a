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
  private readonly lbConflicts
  private readonly lbAvailable
  private readonly lbUsed
  private readonly lbMatching
  private readonly lbUnsatisfied
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
    const gauge = (suffix: string, help: string, labels: readonly string[] = []) =>
      registry.gauge({name: name(suffix), help, labels})
    this.lbConflicts = gauge('lbipam_conflicting_pools', 'pools that give out nothing because of a conflict').labels()
    this.lbAvailable = gauge('lbipam_ips_available', 'addresses of a pool that nobody has', ['pool'])
    this.lbUsed = gauge('lbipam_ips_used', 'addresses of a pool that services have', ['pool'])
    this.lbMatching = gauge('lbipam_services_matching', 'services that get addresses of pools').labels()
    this.lbUnsatisfied = gauge('lbipam_services_unsatisfied', 'services that lack an address').labels()
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

  lbPools(
    pools: readonly {
      readonly name: string
      readonly conflict: string
      readonly total: bigint
      readonly used: bigint
    }[],
  ): void {
    this.lbAvailable.clear()
    this.lbUsed.clear()
    this.lbConflicts.set(pools.filter(({conflict}) => conflict !== '').length)
    for (const {name, total, used} of pools) {
      this.lbAvailable.labels(name).set(Number(total - used))
      this.lbUsed.labels(name).set(Number(used))
    }
  }

  lbServices(services: readonly {readonly status: string}[]): void {
    this.lbMatching.set(services.filter(({status}) => status === 'True').length)
    this.lbUnsatisfied.set(services.filter(({status}) => status !== 'True').length)
  }

  logged(level: string, subsystem: string): void {
    if (level === 'warn' || level === 'error') this.lines.labels(level === 'warn' ? 'warning' : level, subsystem).inc()
  }
}
