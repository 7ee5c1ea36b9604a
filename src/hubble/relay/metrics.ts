/** What the relay counts of itself, for Prometheus. */
import type {Part} from '../../runtime/lifecycle.ts'
import type {MetricRegistry} from '../../runtime/metrics.ts'
import {registerProcessMetrics} from '../../runtime/process-metrics.ts'
import {serveMetrics} from '../metrics/metrics-server.ts'
import type {Nodes} from './nodes.ts'

/** Adds the nodes by the state of their connections, and what the process uses. */
export function countNodes(registry: MetricRegistry, nodes: Pick<Nodes, 'all'>): void {
  const peers = registry.gauge({
    name: 'hubble_relay_pool_peer_connection_status',
    help: 'Measures the connectivity status of all peers by counting the number of peers for each given connection status.',
    labels: ['status'],
  })
  registry.onCollect(() => {
    const connected = nodes.all.filter(({channel}) => channel.isConnected).length
    peers.labels('READY').set(connected)
    peers.labels('TRANSIENT_FAILURE').set(nodes.all.length - connected)
  })
  registerProcessMetrics(registry, 'hubble_relay')
}

/** @param address such as :9966 */
export function metricsPart(registry: MetricRegistry, address: string): Part {
  let close = () => {}
  return {
    name: 'metrics',
    async start() {
      const server = await serveMetrics(registry, {address})
      close = () => void server.close()
    },
    stop: () => close(),
  }
}
