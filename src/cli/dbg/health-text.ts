import type {
  ConnectivityStatus,
  HealthStatusResponse,
  HostStatus,
  NodeStatus,
  PathStatus,
  StatusResponse,
} from '../../api/models.ts'
import {formatDuration} from '../../model/duration.ts'
import type {Row} from '../render/table.ts'

/** the controller whose presence says that node health is probed */
const healthController = 'cilium-health-ep'
const shortLines = 10

/** Who reaches whom: the tail of `cilium-dbg status` and the whole of `cilium-health status`. */
export function healthRows(
  {controllers}: StatusResponse,
  health: HealthStatusResponse | undefined,
  options: {readonly allNodes: boolean; readonly allHealth: boolean; readonly verbose: boolean},
): Row[] {
  if (!(controllers ?? []).some(({name}) => name === healthController)) return [['Cluster health:', 'Probe disabled']]
  if (health === undefined) return [['Cluster health:', 'Warning', 'cilium-health daemon unreachable']]
  const nodes = [...(health.nodes ?? [])].sort((a, b) => order(a, b, health.local?.name))
  const reachable = nodes.filter(isReachable).length
  const rows: Row[] = [
    [
      'Cluster health:',
      `${reachable}/${nodes.length} reachable`,
      `(${health.timestamp ?? ''})`,
      `(Probe interval: ${health.probeInterval ?? ''})`,
    ],
    ['Name', 'IP', 'Node', 'Endpoints'],
  ]
  const lines = nodes.flatMap((node) =>
    options.verbose ? verboseRows(node, health.local?.name) : [shortRow(node, health.local?.name)],
  )
  if (options.allHealth || options.allNodes || lines.length <= shortLines) return [...rows, ...lines]
  return [...rows, ...lines.slice(0, shortLines), ['  ...']]
}

function order(a: NodeStatus, b: NodeStatus, local: string | undefined): number {
  if ((a.name === local) !== (b.name === local)) return a.name === local ? -1 : 1
  return (a.name ?? '') < (b.name ?? '') ? -1 : 1
}

function paths(part: HostStatus | undefined): PathStatus[] {
  if (part === undefined) return []
  const primary = part['primary-address']
  return [...(primary === undefined ? [] : [primary]), ...(part['secondary-addresses'] ?? [])]
}

/** What has not been probed yet is not bad. */
function pathState({icmp, http}: PathStatus): 'reachable' | 'unreachable' | 'unknown' {
  const states = [icmp, http].filter((state) => state !== undefined)
  if (states.some(({status}) => status !== undefined && status !== '')) return 'unreachable'
  return states.length === 0 ? 'unknown' : 'reachable'
}

function isReachable(node: NodeStatus): boolean {
  if (node.host?.['primary-address'] === undefined) return false
  const all = [...paths(node.host), ...paths(node['health-endpoint'])]
  return all.every((path) => pathState(path) !== 'unreachable')
}

function shortRow(node: NodeStatus, local: string | undefined): Row {
  const ips = paths(node.host).flatMap(({ip}) => (ip === undefined || ip === '' ? [] : [ip]))
  const name = `  ${node.name ?? ''}${node.name === local ? ' (localhost)' : ''}`
  return [name, ips.length === 0 ? 'Unavailable' : ips.join(','), share(node.host), share(node['health-endpoint'])]
}

function share(part: HostStatus | undefined): string {
  const states = paths(part).map(pathState)
  const unknown = states.filter((state) => state === 'unknown').length
  const reached = states.filter((state) => state === 'reachable').length
  return `${reached}/${states.length}${unknown === 0 ? '' : ` (${unknown} unknown)`}`
}

function verboseRows(node: NodeStatus, local: string | undefined): Row[] {
  const blocks: (readonly [string, PathStatus | undefined])[] = [
    ['Host', node.host?.['primary-address']],
    ...(node.host?.['secondary-addresses'] ?? []).map((path) => ['Secondary Host', path] as const),
    ['Endpoint', node['health-endpoint']?.['primary-address']],
    ...(node['health-endpoint']?.['secondary-addresses'] ?? []).map((path) => ['Secondary Endpoint', path] as const),
  ]
  return [
    [`  ${node.name ?? ''}${node.name === local ? ' (localhost)' : ''}:`],
    ...blocks.flatMap(([title, path]) => pathRows(title, path)),
  ]
}

function pathRows(title: string, path: PathStatus | undefined): Row[] {
  if (path === undefined) return [[`    ${title} connectivity:`, 'nil']]
  return [
    [`    ${title} connectivity to ${path.ip ?? ''}:`],
    probeRow('      ICMP to stack:', path.icmp),
    probeRow('      HTTP to agent:', path.http),
  ]
}

function probeRow(label: string, probe: ConnectivityStatus | undefined): Row {
  if (probe === undefined) return [label, 'Unknown']
  const probed = `(Last probed: ${probe.lastProbed ?? ''})`
  if (probe.status !== undefined && probe.status !== '') return [label, probe.status, probed]
  return [label, `OK, RTT=${formatDuration((probe.latency ?? 0) / 1e6)}`, probed]
}
