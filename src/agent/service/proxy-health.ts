/**
 * The health endpoint that kube-proxy has on port 10256, where kube-proxy-replacement-healthz-bind-address says: load
 * balancers and autoscalers ask it whether a node takes traffic for services. 200 when it does; 503 before the services
 * have been brought to the datapath once, and when the autoscaler is about to take the node away.
 */
import {createServer, type Server} from 'node:http'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

const leavingTaint = 'ToBeDeletedByClusterAutoscaler'
/** Somebody else may still be ending on the port: a kube-proxy that is being removed. */
const retryMs = 5000

export interface ProxyState {
  /** wall clock, ms; undefined: not yet */
  readonly updatedAt: number | undefined
  readonly taints: readonly {readonly key: string}[]
}

export class ProxyHealth {
  private readonly options: {
    readonly host: string | undefined
    readonly port: number
    readonly state: () => ProxyState
    readonly clock: Clock
  }
  private readonly log: Log
  private server: Server | undefined
  private retry: Timer | undefined

  constructor(options: ProxyHealth['options'] & {readonly log: Log}) {
    this.options = options
    this.log = options.log.for('proxy-health')
  }

  start(): void {
    const {host, port, clock} = this.options
    const server = createServer(({url}, response) => {
      const {status, body} = this.answer(url?.split('?', 1)[0] ?? '')
      response.writeHead(status, {'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff'})
      response.end(body)
    })
    server.maxConnections = 64
    server.requestTimeout = 5000
    server.on('error', (thrown) => {
      this.log.warn('cannot listen yet', {port, error: CiliumError.from(thrown)})
      this.retry = clock.after(retryMs, () => this.start())
    })
    server.listen({port, ...(host === undefined ? {} : {host})})
    this.server = server
  }

  stop(): void {
    this.retry?.cancel()
    this.server?.close()
    this.server?.closeAllConnections()
  }

  /** `/livez` leaves out whether the node is going away: the proxy itself is well then. */
  private answer(path: string): {status: number; body: string} {
    if (path !== '/healthz' && path !== '/livez') return {status: 404, body: ''}
    const {state, clock} = this.options
    const {updatedAt, taints} = state()
    const eligible = !taints.some(({key}) => key === leavingTaint)
    const healthy = updatedAt !== undefined && (path === '/livez' || eligible)
    const body = {
      ...(updatedAt === undefined ? {} : {lastUpdated: new Date(updatedAt).toISOString()}),
      currentTime: new Date(clock.now()).toISOString(),
      ...(path === '/healthz' ? {nodeEligible: eligible} : {}),
    }
    return {status: healthy ? 200 : 503, body: JSON.stringify(body)}
  }
}
