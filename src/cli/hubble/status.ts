/** `hubble status`, `hubble list`, `hubble watch peers`: small questions and their text. */
import {HealthService, HealthCheckResponse_ServingStatus as serving} from '../../api/gen/health.ts'
import {type Namespace, type Node, ObserverService, type ServerStatusResponse} from '../../api/gen/observer.ts'
import {type ChangeNotification, ChangeNotificationTypeEnum, PeerService} from '../../api/gen/peer.ts'
import {NodeState} from '../../api/gen/relay.ts'
import {enumName} from '../../api/wire/json.ts'
import {fail} from '../../runtime/errors.ts'
import {duration} from '../render/duration.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {HubbleClient} from './client.ts'
import {HUBBLE_NOT_SERVING} from './errors.ts'
import type {ServerOptions} from './server-options.ts'

/** Unlike the names of services, as Hubble's own clients ask it. */
const healthName = 'hubble.server.Observer'

/** @throws HUBBLE_NOT_SERVING, HUBBLE_UNREACHABLE */
export async function readStatus(server: ServerOptions, signal: AbortSignal): Promise<ServerStatusResponse> {
  return using(server, signal, async (client) => {
    const {status} = await client.unary(HealthService.Check, {service: healthName})
    if (status !== serving.SERVING) fail(HUBBLE_NOT_SERVING, {server: server.server})
    return client.unary(ObserverService.ServerStatus, {})
  })
}

export async function readNodes(server: ServerOptions, signal: AbortSignal): Promise<readonly Node[]> {
  const {nodes = []} = await using(server, signal, (client) => client.unary(ObserverService.GetNodes, {}))
  return nodes
}

export async function readNamespaces(server: ServerOptions, signal: AbortSignal): Promise<readonly Namespace[]> {
  const {namespaces = []} = await using(server, signal, (client) => client.unary(ObserverService.GetNamespaces, {}))
  return namespaces
}

export async function watchPeers(
  server: ServerOptions,
  signal: AbortSignal,
  write: (line: string) => Promise<void>,
): Promise<void> {
  await using(server, signal, async (client) => {
    for await (const change of client.stream(PeerService.Notify, {}, signal)) await write(`${peerLine(change)}\n`)
  })
}

function peerLine({type = 0, address = '', name = '', tls}: ChangeNotification): string {
  const kind = (enumName(ChangeNotificationTypeEnum, type) ?? String(type)).padEnd(12)
  return `${kind} ${clean(address)} ${clean(name)}${tls === undefined ? '' : ` (TLS.ServerName: ${clean(tls.server_name ?? '')})`}`
}

async function using<T>(
  server: ServerOptions,
  signal: AbortSignal,
  use: (client: HubbleClient) => Promise<T>,
): Promise<T> {
  const client = await HubbleClient.connect(server, signal)
  try {
    return await use(client)
  } finally {
    client.close()
  }
}

export type StatusFormat = 'compact' | 'dict' | 'table'

export function statusText(status: ServerStatusResponse, server: string, format: StatusFormat): string {
  const {num_flows: flows = 0n, max_flows: max = 0n, uptime_ns: uptime = 0n} = status
  const share = max === 0n ? '' : ` (${((Number(flows) / Number(max)) * 100).toFixed(2)}%)`
  const rate = status.flows_rate === undefined || status.flows_rate === 0 ? 'N/A' : status.flows_rate.toFixed(2)
  const connected = status.num_connected_nodes
  const unavailable = status.num_unavailable_nodes ?? 0
  const count = (value: bigint) => value.toString().replace(/\B(?=(\d{3})+$)/g, ',')
  if (format !== 'compact') {
    const pairs: [string, string][] = [
      ['NUM FLOWS', String(flows)],
      ['MAX FLOWS', String(max)],
      ['SEEN FLOWS', String(status.seen_flows ?? 0n)],
      ['FLOWS PER SECOND', rate],
      ['UPTIME', duration(Number(uptime / 1_000_000n))],
      ...(connected === undefined
        ? []
        : ([
            ['CONNECTED NODES', String(connected)],
            ['UNAVAILABLE NODES', String(unavailable)],
          ] as [string, string][])),
      ['VERSION', clean(status.version ?? '')],
    ]
    if (format === 'table') return table([pairs.map(([key]) => key), pairs.map(([, value]) => value)])
    const width = Math.max(...pairs.map(([key]) => key.length))
    return pairs.map(([key, value]) => `${key.padStart(width)}: ${value}\n`).join('')
  }
  const lines = [
    `Healthcheck (via ${server}): Ok`,
    `Current/Max Flows: ${count(flows)}/${count(max)}${share}`,
    `Flows/s: ${rate}`,
  ]
  if (connected !== undefined) {
    lines.push(`Connected Nodes: ${connected}/${connected + unavailable}`)
    if (unavailable > 0) {
      const names = status.unavailable_nodes ?? []
      lines.push(`Unavailable Nodes: ${unavailable}`, ...names.map((name) => `  - ${clean(name)}`))
      if (names.length > 0 && names.length < unavailable) lines.push(`  - and ${unavailable - names.length} more`)
    }
  }
  return `${lines.join('\n')}\n`
}

const states: Readonly<Record<number, string>> = {
  [NodeState.NODE_CONNECTED]: 'Connected',
  [NodeState.NODE_UNAVAILABLE]: 'Unavailable',
  [NodeState.NODE_GONE]: 'Gone',
  [NodeState.NODE_ERROR]: 'Error',
}

export function nodesText(nodes: readonly Node[], wide: boolean): string {
  const rows = nodes.map((node) => {
    const {uptime_ns: uptime = 0n, num_flows: flows = 0n, max_flows: max = 0n, seen_flows: seen = 0n} = node
    const seconds = Number(uptime) / 1e9
    const row = [
      clean(node.name ?? ''),
      states[node.state ?? 0] ?? 'Unknown',
      uptime === 0n ? 'N/A' : duration(seconds * 1000),
      seconds === 0 ? 'N/A' : (Number(seen) / seconds).toFixed(2),
      max === 0n ? 'N/A' : `${flows}/${max} (${((Number(flows) / Number(max)) * 100).toFixed(2).padStart(6)}%)`,
    ]
    return wide
      ? [
          ...row,
          clean(node.version ?? ''),
          clean(node.address ?? ''),
          node.tls?.enabled === true ? 'Enabled' : 'Disabled',
        ]
      : row
  })
  const head = ['NAME', 'STATUS', 'AGE', 'FLOWS/S', 'CURRENT/MAX-FLOWS']
  return table([wide ? [...head, 'VERSION', 'ADDRESS', 'TLS'] : head, ...rows])
}

export function namespacesText(namespaces: readonly Namespace[], wide: boolean): string {
  const rows = namespaces.map(({cluster = '', namespace = ''}) =>
    wide ? [clean(namespace), clean(cluster)] : [clean(namespace)],
  )
  return table([wide ? ['NAMESPACE', 'CLUSTER'] : ['NAMESPACE'], ...rows])
}
