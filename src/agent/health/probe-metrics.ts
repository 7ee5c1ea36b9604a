/** Metrics of what the probes find: how many nodes answer, and how soon. */
import type {Gauge, Histogram, MetricRegistry} from '../../runtime/metrics.ts'
import type {ProbeRow} from '../state/rows.ts'

/** Health endpoints answer from inside of a node, hosts from its own network. */
const types = {host: 'node', endpoint: 'endpoint'} as const

export class ProbeMetrics {
  readonly #unreachable: Readonly<Record<ProbeRow['kind'], Gauge>>
  readonly #status: Gauge
  readonly #latency: Histogram
  readonly #source: readonly [string, string]

  /** @param source cluster and name of this node */
  constructor(registry: MetricRegistry, source: {readonly cluster: string; readonly node: string}) {
    this.#source = [source.cluster, source.node]
    this.#unreachable = {
      host: registry.gauge({name: 'cilium_unreachable_nodes', help: 'nodes that do not answer probes'}),
      endpoint: registry.gauge({
        name: 'cilium_unreachable_health_endpoints',
        help: 'nodes whose health endpoint does not answer probes',
      }),
    }
    const labels = ['source_cluster', 'source_node_name', 'type']
    this.#status = registry.gauge({
      name: 'cilium_node_health_connectivity_status',
      help: 'nodes and health endpoints by whether they answer probes',
      labels: [...labels, 'status'],
    })
    this.#latency = registry.histogram({
      name: 'cilium_node_health_connectivity_latency_seconds',
      help: 'time until a probe is answered',
      labels: [...labels, 'address_type', 'protocol'],
    })
  }

  answered({kind, primary, protocol, latencyNs}: ProbeRow): void {
    const address = primary ? 'primary' : 'secondary'
    this.#latency.labels(...this.#source, types[kind], address, protocol).observe(latencyNs / 1e9)
  }

  /** A cycle has ended. @param expected names of nodes that were to be probed in this way */
  counted(kind: ProbeRow['kind'], rows: readonly ProbeRow[], expected: ReadonlySet<string>): void {
    const probed = new Set(rows.map(({node}) => node))
    const unreachable = new Set(rows.filter(({failure}) => failure !== '').map(({node}) => node))
    this.#unreachable[kind].labels().set(unreachable.size)
    const counts = {
      reachable: probed.size - unreachable.size,
      unreachable: unreachable.size,
      unknown: [...expected].filter((node) => !probed.has(node)).length,
    }
    for (const [status, count] of Object.entries(counts))
      this.#status.labels(...this.#source, types[kind], status).set(count)
  }
}
