/** What the agent answers: the local API, kubelet's probes, Prometheus. They start first, so that a start can be watched. */
import type {Server} from 'node:http'
import {join} from 'node:path'
import {CiliumError, fail} from '../runtime/errors.ts'
import {registerProcessMetrics} from '../runtime/process-metrics.ts'
import {agentRoutes} from './api/agent-routes.ts'
import {healthRoutes, metricsRoutes} from './api/health-routes.ts'
import {apiServer} from './api/http.ts'
import {closeServer, listenOnPort, listenOnSocket, parseListenAddress} from './api/listen.ts'
import type {ApiSources} from './api/sources.ts'
import type {AgentContext} from './context.ts'
import {codes} from './errors.ts'
import {metricPrefix} from './metrics.ts'

export function addServers(context: AgentContext, sources: ApiSources): void {
  const {lifecycle, loaded, registry, metrics, log} = context
  const {config} = loaded
  const api = apiServer({
    routes: agentRoutes(sources),
    observe: (path, method, status, seconds) =>
      metrics.apiDuration.labels(path, method, String(status)).observe(seconds),
  })
  lifecycle.add({
    name: 'api',
    start: () => listenOnSocket(api, join(config['state-dir'], 'cilium.sock')),
    stop: () => closeServer(api),
  })

  const families = [...(config['enable-ipv4'] ? ['127.0.0.1'] : []), ...(config['enable-ipv6'] ? ['::1'] : [])]
  const health: Server[] = []
  lifecycle.add({
    name: 'health-port',
    async start() {
      for (const host of families) {
        const server = apiServer({routes: healthRoutes(sources)})
        health.push(server)
        try {
          await listenOnPort(server, host, config['agent-health-port'], 'agent-health-port')
        } catch (thrown) {
          // one loopback is enough for kubelet
          if (host === families[0]) throw thrown
          log.info('no health port on this loopback address', {host, error: CiliumError.from(thrown)})
        }
      }
    },
    stop: async () => void (await Promise.all(health.map(closeServer))),
  })

  if (config['prometheus-serve-addr'] === '') return
  const address = parseListenAddress(config['prometheus-serve-addr'])
  if (address === undefined) {
    const value = `prometheus-serve-addr=${JSON.stringify(config['prometheus-serve-addr'])}`
    fail(codes.CONFIG_VALUE_INVALID, {detail: `${value} must be an address and a port such as :9962`})
  }
  registry.disable(config.metrics.filter((word) => word.startsWith('-')).map((word) => word.slice(1)))
  const prometheus = apiServer({routes: metricsRoutes(registry)})
  let endProcessMetrics = () => {}
  lifecycle.add({
    name: 'metrics',
    async start() {
      endProcessMetrics = registerProcessMetrics(registry, metricPrefix)
      await listenOnPort(prometheus, address.host, address.port, 'prometheus-serve-addr')
    },
    async stop() {
      endProcessMetrics()
      await closeServer(prometheus)
    },
  })
}
