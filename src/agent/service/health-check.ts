/**
 * healthCheckNodePort: outside load balancers ask each node whether it has backends of a service whose external policy
 * is Local. 200 with at least one, 503 else; the body as kube-proxy writes it.
 */
import {createServer, type Server} from 'node:http'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {Tables} from '../state/tables.ts'
import type {ServiceRow} from './rows.ts'

interface Listener {
  readonly port: number
  readonly server: Server
}

export class HealthCheckPorts {
  private readonly tables: Tables
  private readonly log: Log
  private readonly listeners = new Map<string, Listener>()
  private readonly ends: (() => void)[] = []

  constructor(options: {readonly tables: Tables; readonly log: Log}) {
    this.tables = options.tables
    this.log = options.log.for('health-check-node-port')
  }

  start(): void {
    this.ends.push(
      this.tables.services.subscribe(
        (changes) => {
          for (const {key, row} of changes) this.follow(key, row)
        },
        {initial: true},
      ),
    )
  }

  stop(): void {
    for (const end of this.ends) end()
    for (const key of [...this.listeners.keys()]) this.close(key)
  }

  private follow(key: string, service: ServiceRow | undefined): void {
    const wanted = service?.type === 'LoadBalancer' && service.externalLocal ? service.healthCheckNodePort : 0
    const listener = this.listeners.get(key)
    if (listener?.port === wanted) return
    this.close(key)
    if (wanted !== 0 && service !== undefined) this.open(key, service, wanted)
  }

  private open(key: string, {namespace, name}: ServiceRow, port: number): void {
    const server = createServer((_, response) => {
      const localEndpoints = this.localEndpoints(key)
      const healthy = localEndpoints > 0
      response.writeHead(healthy ? 200 : 503, {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
      })
      response.end(JSON.stringify({service: {namespace, name}, localEndpoints, serviceProxyHealthy: true}))
    })
    server.on('error', (thrown) =>
      this.log.warn('cannot listen', {service: key, port, error: CiliumError.from(thrown)}),
    )
    server.maxConnections = 64
    server.requestTimeout = 5000
    server.listen(port)
    this.listeners.set(key, {port, server})
  }

  private close(key: string): void {
    const listener = this.listeners.get(key)
    listener?.server.close()
    listener?.server.closeAllConnections()
    this.listeners.delete(key)
  }

  /** Addresses of this node that answer any of the service's ports from outside. */
  private localEndpoints(key: string): number {
    const ips = new Set<string>()
    for (const {kind, backends, internalOnly} of this.tables.frontends.by('service', key)) {
      // rows for the inside alone count all nodes' backends
      if (kind !== 'ClusterIP' && !internalOnly) for (const {ip} of backends.active) ips.add(String(ip))
    }
    return ips.size
  }
}
