/** Everything of "who reaches whom": answering probes, asking others, and the health socket. */
import {join} from 'node:path'
import type {HealthStatusResponse, StatusResponse} from '../api/models.ts'
import {Ip} from '../model/ip.ts'
import {CiliumError} from '../runtime/errors.ts'
import {apiServer} from './api/http.ts'
import {closeServer, listenOnPort, listenOnSocket} from './api/listen.ts'
import type {AgentContext} from './context.ts'
import {HealthEndpoint, type HealthEndpointOptions} from './health/health-endpoint.ts'
import {healthApiRoutes, healthStatus} from './health/health-routes.ts'
import {ProbeMetrics} from './health/probe-metrics.ts'
import {Prober} from './health/prober.ts'
import {helloServer} from './health/responder.ts'
import {familiesOf} from './node/own-facts.ts'
import type {RunnerState} from './runner-state.ts'
import type {Tables} from './state/tables.ts'

export class ClusterHealth {
  private readonly context: AgentContext
  private readonly tables: Tables
  private readonly startedAt: number
  private readonly prober: Prober
  private readonly responder = helloServer((from) => this.answered(from))
  private readonly listeners = new Set<() => void>()
  private readonly api
  private endpoint: HealthEndpoint | undefined

  constructor(context: AgentContext, tables: Tables, startedAt: number, status: () => StatusResponse) {
    const {config} = context.loaded
    this.context = context
    this.tables = tables
    this.startedAt = startedAt
    this.prober = new Prober({
      tables,
      port: config['cluster-health-port'],
      endpoints: config['enable-endpoint-health-checking'],
      families: familiesOf(config),
      clock: context.clock,
      log: context.log,
      metrics: new ProbeMetrics(context.registry, {cluster: config['cluster-name'], node: config.nodeName}),
    })
    this.api = apiServer({routes: healthApiRoutes({...this.about(), status})})
  }

  /** @param endpoint undefined: no health endpoint */
  async start(endpoint: HealthEndpointOptions | undefined): Promise<void> {
    const {config} = this.context.loaded
    const port = config['cluster-health-port']
    // IPv6's any-address takes IPv4, too
    const host = config['enable-ipv6'] ? undefined : '0.0.0.0'
    await listenOnPort(this.responder, host, port, 'cluster-health-port')
    if (endpoint !== undefined) {
      this.endpoint = new HealthEndpoint(endpoint)
      try {
        await this.endpoint.start()
      } catch (thrown) {
        // pods do not depend on it: others will see that it does not answer
        this.context.log.error('no health endpoint', {error: CiliumError.from(thrown)})
      }
    }
    this.prober.start()
    await listenOnSocket(this.api, join(config['state-dir'], 'health.sock'))
  }

  async stop(): Promise<void> {
    await this.prober.stop()
    await this.endpoint?.stop()
    await closeServer(this.responder)
    await closeServer(this.api)
  }

  /** Is there another node that probes this one? */
  get probedByOthers(): boolean {
    return this.context.loaded.config['enable-health-checking'] && this.others().length > 0
  }

  /** Calls back whenever a probe of another node has been answered. @returns ends it */
  onProbed(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private answered(from: string): void {
    const ip = Ip.parseMapped(from)
    if (ip === undefined || !this.others().some((other) => other.equals(ip))) return
    for (const listener of this.listeners) listener()
  }

  /** Addresses of the other nodes. */
  private others(): Ip[] {
    return [...this.tables.nodes.values()]
      .filter(({local}) => !local)
      .flatMap(({internalIps, externalIps, routerIps}) => [...internalIps, ...externalIps, ...routerIps])
  }

  /** undefined before the first cycle has ended. */
  get status(): HealthStatusResponse | undefined {
    return this.prober.lastCycleAt === undefined ? undefined : healthStatus(this.about())
  }

  /** As a controller; the name is the one by which existing tools see that health is probed. */
  get state(): RunnerState {
    return {name: 'cilium-health-ep', ...this.prober.self}
  }

  private about() {
    const {config} = this.context.loaded
    return {
      prober: this.prober,
      tables: this.tables,
      cluster: config['cluster-name'],
      nodeName: config.nodeName,
      startedAt: this.startedAt,
    }
  }
}
