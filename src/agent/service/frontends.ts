/** What a service's frontends are: one object and its slices in, rows out. Pure. */
import {Ip, type IpFamily} from '../../model/ip.ts'
import type {PodRow} from '../state/rows.ts'
import type {
  EndpointSliceRow,
  FrontendKind,
  FrontendRow,
  Selection,
  ServicePortRow,
  ServiceProtocol,
  ServiceRow,
} from './rows.ts'
import {candidates, type Place, select} from './selection.ts'

export interface ServicePlan {
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** node ports, load balancers' addresses and externalIPs are served too: there is no kube-proxy */
  readonly external: boolean
  /** hints count even if the service does not ask for near backends */
  readonly topology: boolean
  /** ClusterIPs answer clients from outside */
  readonly externalClusterIp: boolean
  /** ranges of clients count for node ports and externalIPs too, not for load balancers' addresses alone */
  readonly rangesOnAll: boolean
  readonly sctp: boolean
  /** how backends are chosen for clients from outside */
  readonly algorithm: 'random' | 'maglev'
  readonly tableSize: number
  /** services may say otherwise (service.cilium.io/lb-algorithm) */
  readonly algorithmAnnotation: boolean
  /** who answers clients from outside when the backend is on another node: this node, the backend's, the latter for TCP */
  readonly mode: 'snat' | 'dsr' | 'hybrid'
  /** services may say otherwise (service.cilium.io/forwarding-mode) */
  readonly modeAnnotation: boolean
  readonly place: Place
  /** addresses on which node ports are served, of this node */
  readonly nodePortIps: readonly Ip[]
}

/**
 * Every frontend of a service:
 * 1 each cluster address and port; 2 with `external`, each externalIP and load balancer's address and port, and each
 * node address with the node port, and one row for those of all nodes; 3 for each of these addresses but the nodes' a row that owns all other ports.
 * Who answers depends on from where it is asked: ClusterIPs follow the internal policy; the others the external one when
 * asked from outside, and all backends when asked from inside the cluster.
 */
export function frontendsOf(
  service: ServiceRow,
  slices: readonly EndpointSliceRow[],
  plan: ServicePlan,
): FrontendRow[] {
  const rows: FrontendRow[] = []
  const owned = new Map<string, FrontendRow>()
  const tableSize = tableSizeOf(service, plan)
  const hints = plan.topology || service.preferNear
  const enabled = (ip: Ip) => (ip.family === 4 ? plan.ipv4 : plan.ipv6)
  const own = (ip: Ip, kind: FrontendKind) => {
    const row = frontendRow(service, {ip, port: 0, protocol: 'ANY', kind, backends: nobody})
    owned.set(row.key, row)
  }

  for (const port of service.ports) {
    if (port.protocol === 'SCTP' && !plan.sctp) continue
    const {protocol, name: portName} = port
    const direct = answersDirectly(service, protocol, plan)
    const select = selector(slices, port, plan.place)
    for (const ip of service.clusterIps.filter(enabled)) {
      const local = service.internalLocal
      rows.push(
        frontendRow(service, {
          ip,
          port: port.port,
          protocol,
          kind: 'ClusterIP',
          portName,
          backends: select(ip.family, {local, hints}),
          affinityS: service.affinityS,
          local,
          insideLocal: local,
          internalOnly: !plan.externalClusterIp,
          tableSize: plan.externalClusterIp ? tableSize : 0,
        }),
      )
      own(ip, 'ClusterIP')
    }
    if (!plan.external) continue
    const add = (ip: Ip, number: number, kind: FrontendKind) => {
      const local = service.externalLocal
      const ranged = plan.rangesOnAll || kind === 'LoadBalancer'
      rows.push(
        frontendRow(service, {
          ip,
          port: number,
          protocol,
          kind,
          portName,
          backends: select(ip.family, {local, hints}),
          inside: local ? select(ip.family, {local: false, hints}) : undefined,
          affinityS: service.affinityS,
          local,
          tableSize,
          direct,
          sourceRanges: ranged ? service.sourceRanges : noRanges,
          denyRanges: ranged && service.denyRanges,
        }),
      )
    }
    for (const [ips, kind] of [
      [service.externalIps, 'ExternalIPs'],
      [service.loadBalancerIps, 'LoadBalancer'],
    ] as const) {
      for (const ip of ips.filter(enabled)) {
        add(ip, port.port, kind)
        own(ip, kind)
      }
    }
    // its checksum bears no other port: a node port can never lead anywhere
    if (port.nodePort === 0 || protocol === 'SCTP') continue
    for (const ip of [anyIpv4, anyIpv6].filter(enabled)) {
      if (!service.clusterIps.some(({family}) => family === ip.family)) continue
      rows.push(
        frontendRow(service, {
          ip,
          port: port.nodePort,
          protocol,
          kind: 'NodePort',
          portName,
          backends: select(ip.family, {local: false, hints}),
          affinityS: service.affinityS,
          internalOnly: true,
          // packets that another node has sent on are held against it
          direct,
        }),
      )
    }
    for (const ip of plan.nodePortIps.filter(enabled)) {
      if (service.clusterIps.some(({family}) => family === ip.family)) add(ip, port.nodePort, 'NodePort')
    }
  }
  return [...rows, ...owned.values()]
}

/** What SCTP asks of a service: a packet's port cannot be changed, for its checksum covers all of it. */
export function sctpProblems({ports}: ServiceRow, slices: readonly EndpointSliceRow[]): string[] {
  return ports.flatMap(({name, port, protocol, nodePort}) => {
    if (protocol !== 'SCTP') return []
    const elsewhere = slices
      .flatMap((slice) => slice.ports)
      .find((one) => one.name === name && one.protocol === protocol && (one.port ?? port) !== port)
    return [
      ...(elsewhere === undefined
        ? []
        : [`port ${port}/SCTP has to be the target port, too, which is ${elsewhere.port}`]),
      ...(nodePort === 0 ? [] : [`port ${port}/SCTP has no node port: SCTP keeps its port`]),
    ]
  })
}

/**
 * The ports of this node that lead to one of its pods: on the address that the pod names, else on all that node ports
 * have. The unspecified address of a family stands for all of that family.
 */
export function hostPortsOf(pod: PodRow, ips: readonly Ip[], plan: ServicePlan): FrontendRow[] {
  const ended = pod.phase === 'Succeeded' || pod.phase === 'Failed'
  if (!plan.external || ended) return []
  return pod.hostPorts.flatMap(({port, containerPort, protocol, ip: text}) => {
    const asked = Ip.parse(text ?? '')
    // an address that cannot be read, or that only the node itself has, is served to nobody
    if (text !== undefined && (asked === undefined || asked.isLoopback)) return []
    const addresses =
      asked === undefined
        ? plan.nodePortIps
        : asked.isUnspecified
          ? plan.nodePortIps.filter(({family}) => family === asked.family)
          : [asked]
    return addresses.flatMap((address): FrontendRow[] => {
      const target = ips.find(({family}) => family === address.family)
      if (target === undefined) return []
      const backend = {ip: target, port: containerPort, protocol, node: plan.place.node, zone: undefined}
      const backends = {active: [backend], terminating: []}
      const {namespace, name} = pod
      return [
        frontendRow(
          {namespace, name, createdAt: 0},
          {ip: address, port, protocol, kind: 'HostPort', backends, local: true},
        ),
      ]
    })
  })
}

/** What a frontend says besides whose it is; what is left out is off. */
type FrontendParts = Pick<FrontendRow, 'ip' | 'port' | 'protocol' | 'kind' | 'backends'> &
  Partial<Omit<FrontendRow, 'key' | 'namespace' | 'name' | 'createdAt'>>

/** Written out field by field: tens of thousands of rows of one shape take half the memory that merged ones do. */
function frontendRow(
  {namespace, name, createdAt}: Pick<FrontendRow, 'namespace' | 'name' | 'createdAt'>,
  parts: FrontendParts,
): FrontendRow {
  return {
    key: frontendKey(parts.ip, parts.port, parts.protocol),
    ip: parts.ip,
    port: parts.port,
    protocol: parts.protocol,
    kind: parts.kind,
    namespace,
    name,
    portName: parts.portName ?? '',
    backends: parts.backends,
    inside: parts.inside,
    affinityS: parts.affinityS ?? 0,
    local: parts.local ?? false,
    insideLocal: parts.insideLocal ?? false,
    sourceRanges: parts.sourceRanges ?? noRanges,
    denyRanges: parts.denyRanges ?? false,
    internalOnly: parts.internalOnly ?? false,
    tableSize: parts.tableSize ?? 0,
    direct: parts.direct ?? false,
    sparesBackends: false,
    createdAt,
  }
}

const noRanges: FrontendRow['sourceRanges'] = []

/** Stand for every address of every node, when somebody inside the cluster asks. */
const anyIpv4 = Ip.of('0.0.0.0')
const anyIpv6 = Ip.of('::')

const algorithmAnnotation = 'service.cilium.io/lb-algorithm'

function tableSizeOf({annotations}: ServiceRow, plan: ServicePlan): number {
  const asked = plan.algorithmAnnotation ? annotations[algorithmAnnotation] : undefined
  const algorithm = asked === 'random' || asked === 'maglev' ? asked : plan.algorithm
  return algorithm === 'maglev' ? plan.tableSize : 0
}

const modeAnnotation = 'service.cilium.io/forwarding-mode'

function answersDirectly({annotations}: ServiceRow, protocol: ServiceProtocol, plan: ServicePlan): boolean {
  const asked = plan.modeAnnotation ? annotations[modeAnnotation] : undefined
  const mode = asked === 'snat' || asked === 'dsr' ? asked : plan.mode
  return mode === 'dsr' || (mode === 'hybrid' && protocol === 'TCP')
}

const nobody: Selection = {active: [], terminating: []}

/** Computes each selection once, however many addresses share it. */
function selector(slices: readonly EndpointSliceRow[], port: ServicePortRow, place: Place) {
  const found = new Map<string, Selection>()
  return (family: IpFamily, {local, hints}: {local: boolean; hints: boolean}): Selection => {
    const key = `${family} ${local}`
    let selection = found.get(key)
    if (selection === undefined) {
      selection = select(candidates(slices, port, family), {local, hints, place, connected: port.protocol !== 'UDP'})
      found.set(key, selection)
    }
    return selection
  }
}

export function frontendKey(ip: Ip, port: number, protocol: ServiceProtocol | 'ANY'): string {
  return `${ip.family === 6 ? `[${ip}]` : ip}:${port}/${protocol}`
}
