/** The health API (/var/run/cilium/health.sock, base path /v1beta): who reaches whom. */
import {loadavg} from 'node:os'
import type {HealthStatusResponse, NodeStatus, PathStatus, StatusResponse} from '../../api/models.ts'
import {formatDuration} from '../../model/duration.ts'
import {type ApiRoutes, ok} from '../api/http.ts'
import type {NodeRow, ProbeRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import type {Prober} from './prober.ts'

export interface HealthRoutesOptions {
  readonly prober: Prober
  readonly tables: Tables
  readonly cluster: string
  readonly nodeName: string
  readonly startedAt: number
  readonly status: () => StatusResponse
}

export function healthApiRoutes(options: HealthRoutesOptions): ApiRoutes {
  return {
    'GET /v1beta/healthz': () =>
      ok({
        cilium: options.status(),
        'system-load': Object.fromEntries(
          ['last1min', 'last5min', 'last15min'].map((name, i) => [name, (loadavg()[i] ?? 0).toFixed(2)]),
        ),
        uptime: formatDuration(Date.now() - options.startedAt),
      }),
    'GET /v1beta/status': () => ok(healthStatus(options)),
    'PUT /v1beta/status/probe': async () => {
      await options.prober.probe()
      return ok(healthStatus(options))
    },
  }
}

/** The results of the last cycle, the local node first. */
export function healthStatus({
  prober,
  tables,
  cluster,
  nodeName,
}: Omit<HealthRoutesOptions, 'status'>): HealthStatusResponse {
  const nodes = tables.nodes.sorted().sort((a, b) => Number(b.local) - Number(a.local))
  return {
    local: {name: `${cluster}/${nodeName}`},
    nodes: nodes.map((node) => nodeStatus(node, cluster, [...tables.probes.values()])),
    probeInterval: formatDuration(prober.intervalMs),
    timestamp: new Date(prober.lastCycleAt ?? 0).toISOString(),
  }
}

function nodeStatus(node: NodeRow, cluster: string, probes: readonly ProbeRow[]): NodeStatus {
  const paths = (kind: ProbeRow['kind'], primary: boolean): PathStatus[] => {
    const rows = probes.filter((row) => row.node === node.name && row.kind === kind && row.primary === primary)
    const ips = [...new Set(rows.map((row) => String(row.ip)))]
    return ips.map((ip) => ({
      ip,
      ...Object.fromEntries(
        rows
          .filter((row) => String(row.ip) === ip)
          .map((row) => [
            row.protocol,
            {latency: row.latencyNs, status: row.failure, lastProbed: new Date(row.at).toISOString()},
          ]),
      ),
    }))
  }
  const side = (kind: ProbeRow['kind']) => {
    const [primary] = paths(kind, true)
    return {...(primary ? {'primary-address': primary} : {}), 'secondary-addresses': paths(kind, false)}
  }
  const [endpoint] = paths('endpoint', true)
  return {
    name: `${cluster}/${node.name}`,
    host: side('host'),
    ...(endpoint ? {'health-endpoint': side('endpoint'), endpoint} : {}),
  }
}
