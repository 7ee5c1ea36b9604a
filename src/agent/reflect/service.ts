/** Services → rows. Those without addresses of their own (headless, ExternalName) and those of another proxy are none. */
import type {Service, ServicePort} from '../../k8s/resources.ts'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import type {ServicePortRow, ServiceProtocol, ServiceRow} from '../service/rows.ts'
import {list, texts} from './object.ts'

const types = ['ClusterIP', 'NodePort', 'LoadBalancer'] as const
const proxyLabel = 'service.kubernetes.io/service-proxy-name'
const rangesPolicy = 'service.cilium.io/src-ranges-policy'
/** shared by the many services that have nothing of the kind */
const none: Readonly<Record<string, string>> = {}
const defaultAffinityS = 10_800
const maxAffinityS = 86_400

/** @param proxy the name of the proxy whose services are ours; empty: those that name none */
export function serviceRow({metadata, spec, status}: Service, proxy = ''): ServiceRow | undefined {
  const type = types.find((one) => one === (spec?.type ?? 'ClusterIP'))
  const labels = texts(metadata?.labels)
  if (type === undefined || (labels[proxyLabel] ?? '') !== proxy) return undefined
  const problems: string[] = []
  const ips = (texts: readonly (string | undefined)[], what: string) =>
    texts.flatMap((text) => {
      const ip = Ip.parse(text ?? '')
      const usable = ip !== undefined && !ip.isUnspecified && !ip.isLoopback && !ip.isMulticast
      if (!usable) problems.push(`${what} ${short(text)} is no address that a service can have`)
      return usable ? [ip] : []
    })
  const given = list(spec?.clusterIPs).length > 0 ? list(spec?.clusterIPs) : [spec?.clusterIP ?? '']
  const clusterIps = ips(
    given.filter((text) => text !== '' && text !== 'None'),
    'clusterIP',
  )
  const externalIps = ips(list(spec?.externalIPs), 'externalIP')
  const ingress = list(status?.loadBalancer?.ingress).filter(({ip, ipMode}) => ip && ipMode !== 'Proxy')
  const loadBalancerIps =
    type === 'LoadBalancer'
      ? ips(
          ingress.map(({ip}) => ip),
          'status.loadBalancer.ingress',
        )
      : []
  if (clusterIps.length === 0) return undefined
  const ours = Object.entries(texts(metadata?.annotations)).filter(([key]) => /(^|\.)cilium\.io\//.test(key))
  const annotations = ours.length === 0 ? none : Object.fromEntries(ours)
  const external = type !== 'ClusterIP' || externalIps.length > 0
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    type,
    clusterIps,
    externalIps,
    loadBalancerIps,
    ports: portsOf(list(spec?.ports), type !== 'ClusterIP', problems),
    affinityS: spec?.sessionAffinity === 'ClientIP' ? affinity(spec.sessionAffinityConfig) : 0,
    externalLocal: external && spec?.externalTrafficPolicy === 'Local',
    internalLocal: spec?.internalTrafficPolicy === 'Local',
    healthCheckNodePort: isPort(spec?.healthCheckNodePort) ? spec!.healthCheckNodePort! : 0,
    sourceRanges: ranges(list(spec?.loadBalancerSourceRanges), problems),
    denyRanges: annotations[rangesPolicy] === 'deny',
    preferNear: spec?.trafficDistribution !== undefined,
    createdAt: Date.parse(metadata?.creationTimestamp ?? '') || 0,
    annotations,
    labels: loadBalancerIps.length + externalIps.length > 0 ? labels : none,
    loadBalancerClass: spec?.loadBalancerClass ?? '',
    problems,
  }
}

function portsOf(ports: readonly ServicePort[], withNodePorts: boolean, problems: string[]): ServicePortRow[] {
  const taken = new Set<string>()
  const rows: ServicePortRow[] = []
  for (const {name = '', port, protocol: given, nodePort} of ports) {
    const protocol = protocolOf(given)
    if (!isPort(port) || protocol === undefined) {
      problems.push(`port ${short(name || String(port))} is none that can be served`)
      continue
    }
    if (taken.has(`${port}/${protocol}`)) {
      problems.push(`port ${port}/${protocol} is there twice; the first counts`)
      continue
    }
    taken.add(`${port}/${protocol}`)
    rows.push({name, port, protocol, nodePort: withNodePorts && isPort(nodePort) ? nodePort : 0})
  }
  return rows.slice() // no longer than it is: there are many
}

/** A range that cannot be read must not open the service to everybody: without any it is left with none allowed. */
function ranges(texts: readonly string[], problems: string[]): Cidr[] {
  const cidrs = texts.flatMap((text) => {
    const cidr = Cidr.parseOrHost(String(text).trim())
    if (cidr === undefined) problems.push(`loadBalancerSourceRanges: ${short(text)} is no CIDR`)
    return cidr === undefined ? [] : [cidr]
  })
  return texts.length > 0 && cidrs.length === 0 ? [nobody] : cidrs
}

/** Documentation addresses (RFC 5737): nobody has them. */
const nobody = Cidr.of('192.0.2.0/32')

function affinity(config: {readonly clientIP?: {readonly timeoutSeconds?: number}} | undefined): number {
  const seconds = config?.clientIP?.timeoutSeconds
  return Number.isInteger(seconds) && seconds! > 0 && seconds! <= maxAffinityS ? seconds! : defaultAffinityS
}

export function protocolOf(text: unknown): ServiceProtocol | undefined {
  if (text === undefined || text === null || text === '') return 'TCP'
  return text === 'TCP' || text === 'UDP' || text === 'SCTP' ? text : undefined
}

export function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536
}

/** What users wrote, for a problem's text. */
export function short(text: unknown): string {
  return JSON.stringify(String(text).slice(0, 64))
}
