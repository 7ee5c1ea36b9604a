/** The agent's metrics: names and labels are those that dashboards of Cilium read. */
import type {LogLevel} from '../runtime/log.ts'
import type {Counter, Gauge, Histogram, MetricRegistry} from '../runtime/metrics.ts'

export const metricPrefix = 'cilium'

export class AgentMetrics {
  readonly cniCalls: Counter
  readonly cniDuration: Histogram
  readonly apiDuration: Histogram
  readonly bootstrap: Gauge
  private readonly lines: Counter

  constructor(registry: MetricRegistry) {
    this.cniCalls = registry.counter({
      name: 'cilium_cni_calls_total',
      help: 'calls of the container runtime',
      labels: ['command', 'outcome'],
    })
    this.cniDuration = registry.histogram({
      name: 'cilium_cni_duration_seconds',
      help: 'time to answer a call of the container runtime',
      labels: ['command'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15],
    })
    this.apiDuration = registry.histogram({
      name: 'cilium_agent_api_process_time_seconds',
      help: 'time to answer a request of the local API',
      labels: ['path', 'method', 'return_code'],
    })
    this.bootstrap = registry.gauge({
      name: 'cilium_agent_bootstrap_seconds',
      help: 'duration of the parts of the start',
      labels: ['scope', 'outcome'],
    })
    this.lines = registry.counter({
      name: 'cilium_errors_warnings_total',
      help: 'log lines of level warning and error',
      labels: ['level', 'subsystem'],
    })
  }

  logged(level: LogLevel, part: string): void {
    if (level === 'warn') this.lines.labels('warning', part).inc()
    if (level === 'error') this.lines.labels('error', part).inc()
  }
}
