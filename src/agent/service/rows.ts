/** Rows about services: what Kubernetes says of them, and the frontends that the datapath is to have. All immutable. */
import type {Cidr} from '../../model/cidr.ts'
import type {Ip, IpFamily} from '../../model/ip.ts'

export type ServiceProtocol = 'TCP' | 'UDP' | 'SCTP'

export interface ServicePortRow {
  /** empty when the service has one port without a name */
  readonly name: string
  readonly port: number
  readonly protocol: ServiceProtocol
  /** 0: none */
  readonly nodePort: number
}

/** A Service that has addresses. */
export interface ServiceRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
  readonly clusterIps: readonly Ip[]
  readonly externalIps: readonly Ip[]
  /** of status.loadBalancer, those that are ours to serve */
  readonly loadBalancerIps: readonly Ip[]
  readonly ports: readonly ServicePortRow[]
  /** seconds that a client stays with its backend; 0: it does not */
  readonly affinityS: number
  readonly externalLocal: boolean
  readonly internalLocal: boolean
  /** 0: none */
  readonly healthCheckNodePort: number
  /** clients that may use the load balancer's addresses; empty: all */
  readonly sourceRanges: readonly Cidr[]
  /** the ranges name those that may not */
  readonly denyRanges: boolean
  /** the service asks for near backends */
  readonly preferNear: boolean
  /** wall clock, ms: the older of two that want the same address and port has it */
  readonly createdAt: number
  readonly annotations: Readonly<Record<string, string>>
  /** of a service with addresses outside of the cluster; else empty: nobody asks */
  readonly labels: Readonly<Record<string, string>>
  /** empty: none */
  readonly loadBalancerClass: string
  /** parts that could not be understood and are left out */
  readonly problems: readonly string[]
}

/** One address of an EndpointSlice. */
export interface SliceEndpoint {
  readonly ip: Ip
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly node: string | undefined
  readonly zone: string | undefined
  readonly forZones: readonly string[]
  readonly forNodes: readonly string[]
}

export interface EndpointSliceRow {
  readonly namespace: string
  readonly name: string
  /** `namespace/name` of its service */
  readonly service: string
  readonly family: IpFamily
  readonly ports: readonly {
    readonly name: string
    /** undefined: whatever port the service has */
    readonly port: number | undefined
    readonly protocol: ServiceProtocol
  }[]
  readonly endpoints: readonly SliceEndpoint[]
  readonly problems: readonly string[]
}

export type BackendState = 'active' | 'terminating'

export interface FrontendBackend {
  readonly ip: Ip
  readonly port: number
  readonly protocol: ServiceProtocol
  readonly node: string | undefined
  readonly zone: string | undefined
}

/** Who answers a frontend. */
export interface Selection {
  /** get new connections */
  readonly active: readonly FrontendBackend[]
  /** only keep those they have */
  readonly terminating: readonly FrontendBackend[]
}

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalIPs' | 'HostPort' | 'LocalRedirect'

/** An address, port and protocol that clients connect to. */
export interface FrontendRow {
  /** `10.96.0.1:443/TCP`; `10.96.0.1:0/ANY` stands for all ports and protocols that have no row of their own */
  readonly key: string
  readonly ip: Ip
  /** 0 with protocol ANY */
  readonly port: number
  readonly protocol: ServiceProtocol | 'ANY'
  readonly kind: FrontendKind
  readonly namespace: string
  readonly name: string
  readonly portName: string
  readonly backends: Selection
  /** for pods and the node itself, when that is not the same */
  readonly inside: Selection | undefined
  readonly affinityS: number
  /** backends see the client's address; without a backend on this node there is silence */
  readonly local: boolean
  readonly insideLocal: boolean
  /** clients from outside that may; empty: all */
  readonly sourceRanges: readonly Cidr[]
  readonly denyRanges: boolean
  /** not for clients from outside */
  readonly internalOnly: boolean
  /** places of a Maglev table, by which clients from outside are spread; 0: at random */
  readonly tableSize: number
  /** backends on other nodes answer clients from outside themselves */
  readonly direct: boolean
  /** those of `inside` go by `backends` themselves */
  readonly sparesBackends: boolean
  /** of the service, which settles who of two has the key */
  readonly createdAt: number
}

/** Do two rows say the same? Asked for each frontend of a service that has changed: most have not. */
export function sameFrontend(a: FrontendRow, b: FrontendRow): boolean {
  return (
    a.key === b.key &&
    a.kind === b.kind &&
    a.namespace === b.namespace &&
    a.name === b.name &&
    a.portName === b.portName &&
    a.affinityS === b.affinityS &&
    a.local === b.local &&
    a.insideLocal === b.insideLocal &&
    a.denyRanges === b.denyRanges &&
    a.internalOnly === b.internalOnly &&
    a.tableSize === b.tableSize &&
    a.direct === b.direct &&
    a.sparesBackends === b.sparesBackends &&
    a.createdAt === b.createdAt &&
    sameSelection(a.backends, b.backends) &&
    (a.inside === undefined || b.inside === undefined ? a.inside === b.inside : sameSelection(a.inside, b.inside)) &&
    sameList(a.sourceRanges, b.sourceRanges, (one, other) => String(one) === String(other))
  )
}

function sameSelection(a: Selection, b: Selection): boolean {
  return a === b || (sameList(a.active, b.active, sameBackend) && sameList(a.terminating, b.terminating, sameBackend))
}

function sameBackend(a: FrontendBackend, b: FrontendBackend): boolean {
  return a.port === b.port && a.protocol === b.protocol && a.node === b.node && a.zone === b.zone && a.ip.equals(b.ip)
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => same(one, b[i]!)))
}
