/** The text of `cilium-dbg status`: one line a subject, in the order that readers expect. */
import type {HealthStatusResponse, StatusResponse} from '../../api/models.ts'
import {formatDuration} from '../../model/duration.ts'
import type {Style} from '../render/style.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {clusterMeshRows} from './cluster-mesh-text.ts'
import {onOff} from './feature-words.ts'
import {healthRows} from './health-text.ts'
import {serviceFeatureRows} from './service-feature-text.ts'

/** What to show beyond the summary. */
export interface StatusDetail {
  readonly allAddresses: boolean
  readonly allControllers: boolean
  readonly allNodes: boolean
  readonly allRedirects: boolean
  readonly allClusters: boolean
  readonly allHealth: boolean
  /** clock source, service features and maps */
  readonly verbose: boolean
}

export interface NodeStatusReport {
  readonly status: StatusResponse
  /** undefined: the health server did not answer */
  readonly health: HealthStatusResponse | undefined
}

/** True when the agent works: it says Ok, or nothing to say. */
export function isHealthy({cilium}: StatusResponse): boolean {
  return cilium?.state === undefined || cilium.state === 'Ok' || cilium.state === 'Disabled'
}

/** One line: OK, or the first thing that is wrong. */
export function briefText(status: StatusResponse): string {
  const parts = [
    ['kvstore', status.kvstore],
    ['kubernetes', status.kubernetes],
    ['cilium', status.cilium],
    ['cilium-health', status.cluster?.ciliumHealth],
  ] as const
  for (const [name, part] of parts) {
    if (part?.state === 'Warning' || part?.state === 'Failure') return `error in ${name}: ${clean(part.msg ?? '')}\n`
  }
  for (const {name, status: state} of status.controllers ?? []) {
    const message = state?.['last-failure-msg']
    if (message !== undefined && message !== '' && (state?.['consecutive-failure-count'] ?? 0) > 0) {
      return `error in controller ${clean(name ?? '')}: ${clean(message)}\n`
    }
  }
  return 'OK\n'
}

/** The whole text. The health of the cluster is left out when the agent itself is not well. */
export function statusText({status, health}: NodeStatusReport, detail: StatusDetail, _style?: Style): string {
  const rows = [
    ...sourceRows(status),
    ...nodeRows(status, detail),
    ...datapathRows(status, detail),
    ...controllerRows(status, detail.allControllers),
    ...proxyRows(status, detail.allRedirects),
    ...observationRows(status),
    ...(detail.verbose ? serviceFeatureRows(status['kube-proxy-replacement']) : []),
    ...(detail.verbose ? mapRows(status) : []),
    ...encryptionRows(status),
    ...(isHealthy(status) ? healthRows(status, health, detail) : []),
  ]
  return table(
    rows.map((row) => row.map(clean)),
    {minWidth: 2, gap: 3},
  )
}

function sourceRows(status: StatusResponse): Row[] {
  const rows: Row[] = []
  if (status.kvstore !== undefined) rows.push(['KVStore:', status.kvstore.state ?? '', status.kvstore.msg ?? ''])
  const {kubernetes} = status
  if (kubernetes !== undefined) {
    rows.push(['Kubernetes:', kubernetes.state ?? '', kubernetes.msg ?? ''])
    if (kubernetes.state !== 'Disabled') {
      const versions = [...(kubernetes['k8s-api-versions'] ?? [])].sort()
      rows.push(['Kubernetes APIs:', `[${versions.map((version) => JSON.stringify(version)).join(', ')}]`])
    }
  }
  const services = status['kube-proxy-replacement']
  if (services !== undefined) rows.push(['KubeProxyReplacement:', services.mode ?? '', deviceList(services)])
  const firewall = status['host-firewall']
  if (firewall !== undefined) {
    const devices = firewall.mode === 'Disabled' ? '' : `[${(firewall.devices ?? []).join(', ')}]`
    rows.push(['Host firewall:', firewall.mode ?? '', ...(devices === '' ? [] : [devices]), ...phaseOf(firewall)])
  }
  const {srv6} = status
  if (srv6 !== undefined) {
    rows.push(
      srv6.enabled === true ? ['SRv6:', 'Enabled', `[encap-mode: ${srv6.srv6EncapMode}]`] : ['SRv6:', 'Disabled'],
    )
  }
  if (status['cni-chaining'] !== undefined) rows.push(['CNI Chaining:', status['cni-chaining'].mode ?? ''])
  if (status['cni-file'] !== undefined) rows.push(['CNI Config file:', status['cni-file'].msg ?? ''])
  return rows
}

function deviceList({
  mode,
  deviceList: devices,
  directRoutingDevice,
}: NonNullable<StatusResponse['kube-proxy-replacement']>): string {
  if (mode === 'False') return ''
  const shown = (devices ?? []).map(({name = '', ip}) => {
    const direct = name === directRoutingDevice ? ' (Direct Routing)' : ''
    return `${name}   ${(ip ?? []).join(' ')}${direct}`
  })
  return `[${shown.join(', ')}]`
}

function nodeRows(status: StatusResponse, detail: StatusDetail): Row[] {
  const rows: Row[] = []
  const {cilium, nodeMonitor, cluster, ipam} = status
  if (cilium !== undefined) rows.push(['Cilium:', `${cilium.state ?? ''}   ${cilium.msg ?? ''}`])
  const stale = Object.entries(status.stale ?? {})
  if (stale.length > 0) {
    rows.push(['Stale status:', stale.map(([probe, since]) => `"${probe}" since ${since}`).join(', ')])
  }
  if (nodeMonitor !== undefined) {
    const {cpus = 0, npages = 0, pagesize = 0, lost = 0, unknown = 0} = nodeMonitor
    rows.push(['NodeMonitor:', `Listening for events on ${cpus} CPUs with ${npages}x${pagesize} of shared memory`])
    if (lost > 0 || unknown > 0) rows.push(['', `${lost} events lost, ${unknown} unknown notifications`])
  } else rows.push(['NodeMonitor:', 'Disabled'])
  const daemon = cluster?.ciliumHealth
  if (daemon !== undefined) rows.push(['Cilium health daemon:', daemon.state ?? '', daemon.msg ?? ''])
  if (ipam !== undefined) {
    rows.push(['IPAM:', ipam.status ?? ''])
    if (detail.allAddresses) {
      rows.push(['Allocated addresses:'])
      const owned = Object.entries(ipam.allocations ?? {}).map(([ip, owner]) => `  ${ip} (${owner})`)
      rows.push(...owned.sort().map((line) => [line]))
    }
  }
  if (status['cluster-mesh'] !== undefined) rows.push(...clusterMeshRows(status['cluster-mesh'], detail.allClusters))
  return rows
}

function datapathRows(status: StatusResponse, {verbose}: StatusDetail): Row[] {
  const rows: Row[] = []
  for (const [label, big] of [
    ['IPv4 BIG TCP:', status['ipv4-big-tcp']],
    ['IPv6 BIG TCP:', status['ipv6-big-tcp']],
  ] as const) {
    if (big === undefined) continue
    const sizes = big.maxGRO === undefined ? `[${big.maxGSO}]` : `[${big.maxGRO}, ${big.maxGSO}]`
    rows.push(big.enabled === true ? [label, 'Enabled', sizes] : [label, 'Disabled'])
  }
  const bandwidth = status['bandwidth-manager']
  if (bandwidth !== undefined) {
    const control = (bandwidth.congestionControl ?? '').toUpperCase()
    const text = `EDT with BPF [${control}] [${(bandwidth.devices ?? []).join(', ')}]`
    rows.push(['BandwidthManager:', bandwidth.enabled === true ? text : 'Disabled'])
  }
  const {routing} = status
  if (routing !== undefined) {
    const network = routing['inter-host-routing-mode'] ?? ''
    const protocol = network === 'Tunnel' ? ` [${routing['tunnel-protocol'] ?? ''}]` : ''
    rows.push(['Routing:', `Network: ${network}${protocol}`, `Host: ${routing['intra-host-routing-mode'] ?? ''}`])
  }
  if (status['attach-mode'] !== undefined) {
    rows.push(['Attach Mode:', status['attach-mode'] === 'tcx' ? 'TCX' : 'Legacy TC'])
  }
  const mode = status['datapath-mode']
  if (mode !== undefined) {
    const wanted = status['configured-datapath-mode']
    const configured = wanted !== undefined && wanted !== mode ? ` [Configured: ${wanted}]` : ''
    rows.push(['Device Mode:', `${['veth', 'netkit', 'netkit-l2'].includes(mode) ? mode : '?'}${configured}`])
  }
  if (verbose && status.kernel !== undefined) {
    const {release, missing} = status.kernel
    rows.push(['Kernel:', `${release}${missing.length === 0 ? '' : `, without ${missing.join(', ')}`}`])
  }
  const programs = status['program-generation']
  if (programs !== undefined) {
    const version = programs.version === undefined ? '' : ` (${programs.version})`
    const since = programs.since === undefined ? '' : ` since ${programs.since}`
    rows.push(['Programs:', `generation ${programs.generation}${version}${since}`])
  }
  rows.push(...masqueradeRows(status))
  const clock = status['clock-source']
  if (clock !== undefined && verbose) {
    rows.push(['Clock Source for BPF:', clock.mode ?? '', ...(clock.mode === 'jiffies' ? [`[${clock.hertz} Hz]`] : [])])
  }
  return rows
}

function masqueradeRows({masquerading, 'kube-proxy-replacement': services}: StatusResponse): Row[] {
  if (masquerading === undefined) return []
  const {mode, enabledProtocols, 'ip-masq-agent': agent} = masquerading
  const {ipv4 = false, ipv6 = false} = enabledProtocols ?? {}
  if (!ipv4 && !ipv6) return [['Masquerading:', 'Disabled']]
  const families = `[IPv4: ${onOff(ipv4)}, IPv6: ${onOff(ipv6)}]`
  if (mode !== 'BPF') return [['Masquerading:', 'IPTables', families]]
  const name = agent === true ? 'BPF (ip-masq-agent)' : 'BPF'
  const where =
    services === undefined
      ? []
      : [
          `[${(services.deviceList ?? []).map((device) => device.name).join(', ')}]`,
          [masquerading['snat-exclusion-cidr-v4'], masquerading['snat-exclusion-cidr-v6']].filter(Boolean).join(' '),
        ]
  return [['Masquerading:', name, ...where.slice(0, 1), `${where[1] === undefined ? '' : `${where[1]} `}${families}`]]
}

function controllerRows({controllers}: StatusResponse, all: boolean): Row[] {
  if (controllers === undefined) return []
  const failing = controllers.filter(({status}) => (status?.['consecutive-failure-count'] ?? 0) > 0)
  const rows: Row[] = [['Controller Status:', `${controllers.length - failing.length}/${controllers.length} healthy`]]
  const shown = (all ? controllers : failing).map(({name, status}) => [
    `  ${name ?? ''}`,
    ago(status?.['last-success-timestamp']),
    ago(status?.['last-failure-timestamp']),
    String(status?.['consecutive-failure-count'] ?? 0),
    (status?.['consecutive-failure-count'] ?? 0) > 0 ? (status?.['last-failure-msg'] ?? '') : 'no error',
    '',
  ])
  if (shown.length === 0) return rows
  const header = ['  Name', 'Last success', 'Last error', 'Count', 'Message', '']
  return [...rows, ...[header, ...shown].sort((a, b) => (a.join('\t') < b.join('\t') ? -1 : 1))]
}

function proxyRows({proxy}: StatusResponse, all: boolean): Row[] {
  if (proxy === undefined) return [['Proxy Status:', 'No managed proxy redirect']]
  const redirects = proxy['total-redirects'] ?? 0
  const where = `on ports ${proxy['port-range'] ?? ''}, Envoy: ${proxy['envoy-deployment-mode'] ?? ''}`
  const rows: Row[] = [['Proxy Status:', `OK, ip ${proxy.ip ?? ''}, ${redirects} redirects active ${where}`]]
  if (!all || (proxy.redirects ?? []).length === 0) return rows
  rows.push(['  Protocol', 'Redirect', 'Proxy Port'])
  for (const {proxy: name, name: redirect, 'proxy-port': port} of proxy.redirects ?? []) {
    rows.push([`  ${name ?? ''}`, redirect ?? '', String(port ?? '')])
  }
  return rows
}

function observationRows(status: StatusResponse): Row[] {
  const range = status['identity-range']
  const rows: Row[] = [
    [
      'Global Identity Range:',
      range === undefined ? 'Unknown' : `min ${range['min-identity'] ?? 0}, max ${range['max-identity'] ?? 0}`,
    ],
  ]
  const {hubble, 'hubble-metrics': metrics} = status
  if (hubble !== undefined) {
    const cells = [`${hubble.state ?? ''}${hubble.msg === undefined ? '' : ` ${hubble.msg}`}`]
    const observer = hubble.observer
    if (observer !== undefined) {
      const {'current-flows': current = 0, 'max-flows': max = 0, 'seen-flows': seen = 0, uptime} = observer
      const share = max === 0 ? 0 : (current / max) * 100
      const seconds = goSeconds(uptime)
      const rate = seconds > 0 ? seen / seconds : 0
      cells.push(`Current/Max Flows: ${current}/${max} (${share.toFixed(2)}%), Flows/s: ${rate.toFixed(2)}`)
    }
    if (metrics !== undefined) {
      cells.push(`Metrics: ${metrics.state ?? ''}${metrics.msg === undefined ? '' : ` (${metrics.msg})`}`)
    }
    rows.push(['Hubble:', ...cells])
  }
  return rows
}

function mapRows({'bpf-maps': maps}: StatusResponse): Row[] {
  if (maps === undefined) return []
  const ratio = maps['dynamic-size-ratio'] ?? 0
  return [
    ['BPF Maps:', ratio === 0 ? 'dynamic sizing: off' : `dynamic sizing: on (ratio: ${ratio.toFixed(6)})`],
    ['  Name', 'Size'],
    ...(maps.maps ?? []).map(({name, size}) => [`  ${name ?? ''}`, String(size ?? 0)]),
  ]
}

function encryptionRows({encryption}: StatusResponse): Row[] {
  if (encryption === undefined) return []
  const {mode = '', msg = '', wireguard} = encryption
  if (wireguard === undefined) return [['Encryption:', mode, msg]]
  const interfaces = (wireguard.interfaces ?? []).map(
    ({name, 'public-key': key, 'listen-port': port, 'peer-count': peers}) =>
      `${name ?? ''} (Pubkey: ${key ?? ''}, Port: ${port ?? 0}, Peers: ${peers ?? 0})`,
  )
  return [['Encryption:', mode, `[NodeEncryption: ${wireguard['node-encryption'] ?? ''}, ${interfaces.join(', ')}]`]]
}

function ago(time: string | undefined): string {
  if (time === undefined || time === '' || time.startsWith('0001-')) return 'never'
  return `${formatDuration(Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000)) * 1000)} ago`
}

function goSeconds(text: string | undefined): number {
  let seconds = 0
  for (const [, number, unit] of (text ?? '').matchAll(/([\d.]+)(h|ms|m|s)/g)) {
    seconds += Number(number) * {h: 3600, m: 60, s: 1, ms: 0.001}[unit as 'h' | 'm' | 's' | 'ms']
  }
  return seconds
}

/** Nothing where host policies are as confirmed as they should be. */
function phaseOf(firewall: NonNullable<StatusResponse['host-firewall']>): string[] {
  const {'policy-phase': phase, 'policy-trial-until': until} = firewall
  if (phase === 'trial') return [`(new host policies on trial until ${until})`]
  return phase === 'returned' ? ['(new host policies cut the node off: not in force)'] : []
}
