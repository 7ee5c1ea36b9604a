/** The rows of the agent's tables. All immutable; addresses are `Ip`, identities branded numbers. */
import type {Cidr} from '../../model/cidr.ts'
import type {EndpointState} from '../../model/endpoint-state.ts'
import type {Identity} from '../../model/identity.ts'
import type {Ip} from '../../model/ip.ts'
import type {LabelSet} from '../../model/labels.ts'
import type {Mac} from '../../model/mac.ts'
import type {NamedPort} from '../policy/rows.ts'
import type {ServiceProtocol} from '../service/rows.ts'

/** A pod of this node, as the API server describes it. */
export interface PodRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly serviceAccount: string | undefined
  readonly hostNetwork: boolean
  /** what it belongs to, itself without an owner */
  readonly workload: {readonly name: string; readonly kind: string}
  readonly phase: string
  /** its Ready condition */
  readonly ready: boolean
  /** its deletion has been asked for */
  readonly terminating: boolean
  readonly namedPorts: readonly NamedPort[]
  /** ports of the node that lead to it */
  readonly hostPorts: readonly {
    readonly port: number
    readonly containerPort: number
    readonly protocol: ServiceProtocol
    /** as given; undefined: every address of the node */
    readonly ip: string | undefined
  }[]
}

export interface NamespaceRow {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** A CiliumIdentity. */
export interface IdentityRow {
  readonly id: Identity
  readonly labels: LabelSet
  /** the operator found no user of it and will remove it */
  readonly marked?: true
}

/** What is known of a node of the cluster: from its CiliumNode; our own also from the Node. */
export interface NodeRow {
  readonly name: string
  readonly local: boolean
  /** addresses other nodes reach it by, the first of a family is the one tunnels and routes use */
  readonly internalIps: readonly Ip[]
  readonly externalIps: readonly Ip[]
  /** its addresses in the pod range: gateway of its pods, its source towards pods of other nodes */
  readonly routerIps: readonly Ip[]
  readonly healthIps: readonly Ip[]
  readonly podCidrs: readonly Cidr[]
  readonly bootId: string | undefined
  readonly labels: Readonly<Record<string, string>>
}

/** A CiliumEndpoint, of any node. */
export interface RemoteEndpointRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly identity: Identity
  readonly ips: readonly Ip[]
  /** address of the node it lives on */
  readonly nodeIp: Ip | undefined
  readonly namedPorts: readonly NamedPort[]
}

/** The Node object of this node: what only the API server knows about us. */
export interface LocalNodeRow {
  readonly name: string
  readonly uid: string
  readonly internalIps: readonly Ip[]
  readonly externalIps: readonly Ip[]
  readonly podCidrs: readonly Cidr[]
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly {readonly key: string; readonly value: string | undefined; readonly effect: string}[]
  /** `containerd://1.6.20` */
  readonly runtime: string | undefined
}

/** How this node describes itself to the others. */
export interface OwnNodeRow {
  readonly name: string
  readonly uid: string
  /** undefined: not known yet, those that others know hold */
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly internalIps: readonly Ip[]
  readonly externalIps: readonly Ip[]
  readonly routerIps: readonly Ip[]
  readonly healthIps: readonly Ip[]
  readonly podCidrs: readonly Cidr[]
  readonly bootId: string
}

/** Who claims an address, the strongest first. */
export const addressSources = [
  'local-host',
  'local-endpoint',
  'node',
  'remote-endpoint',
  'cluster',
  'policy',
  'restored',
] as const
export type AddressSource = (typeof addressSources)[number]

/** What an address or prefix is: a row of the datapath's address maps. */
export interface AddressRow {
  readonly cidr: Cidr
  readonly source: AddressSource
  /** whose it is: `node/worker1`, `pod/default/web`, `cluster/world` */
  readonly owner: string
  readonly identity: Identity
  /** number of the set of policies' prefixes that it lies in; 0: none */
  readonly cidrClass: number
  /** the local endpoint that has it */
  readonly endpoint: {readonly slot: number; readonly generation: number} | undefined
  readonly localHost: boolean
  readonly remoteNode: boolean
  /** reached as it is: no tunnel, no masquerade */
  readonly native: boolean
  /** underlay address of the node it lives on, when a tunnel goes there */
  readonly tunnel: Ip | undefined
}

export interface EndpointLogEntry {
  readonly at: number
  readonly state: EndpointState
  readonly ok: boolean
  readonly message: string
}

/** A pod's attachment to this node, or the node's own health endpoint. What disk keeps is part of it. */
export interface EndpointRow {
  /** slot, and what users call the endpoint id */
  readonly id: number
  readonly generation: number
  readonly kind: 'pod' | 'health'
  readonly state: EndpointState
  readonly containerId: string
  readonly ifname: string
  /** path of the network namespace as the runtime gave it; inode tells it from a later one at the same path */
  readonly netns: string
  readonly netnsInode: string
  readonly bootId: string
  readonly namespace: string
  readonly pod: string
  readonly podUid: string
  readonly hostDevice: string
  readonly ifindex: number
  readonly mac: Mac
  readonly hostMac: Mac
  readonly ipv4: Ip | undefined
  readonly ipv6: Ip | undefined
  readonly createdAt: number
  /** labels that identities are made of; undefined until known */
  readonly labels: LabelSet | undefined
  /** all labels, those that do not count included */
  readonly allLabels: LabelSet | undefined
  readonly identity: Identity | undefined
  /** in which directions policies isolated it when they were last put into force; missing: never yet */
  readonly isolated?: {readonly ingress: boolean; readonly egress: boolean}
  /** somebody has set its audit mode; missing: as the node's configuration says */
  readonly audit?: boolean
  readonly log: readonly EndpointLogEntry[]
}

/** A route, rule or address the agent keeps on the node. */
export interface RouteRow {
  readonly destination: Cidr
  readonly kind: 'unicast' | 'unreachable'
  readonly gateway: Ip | undefined
  /** name of the device */
  readonly device: string | undefined
  /** preferred source address */
  readonly source: Ip | undefined
  /** bytes; undefined: the device's */
  readonly mtu: number | undefined
  /** why it is there: `node/worker2`, `pod/default/web` */
  readonly owner: string
}

/** A network device of the node that traffic leaves and comes in by. */
export interface DeviceRow {
  readonly name: string
  readonly ifindex: number
  readonly mtu: number
  readonly mac: Mac | undefined
  readonly addresses: readonly Cidr[]
  readonly up: boolean
  /** traffic that leaves here may be masqueraded */
  readonly masquerade: boolean
}

/** Whether a node and its pods answer. */
export interface ProbeRow {
  readonly node: string
  readonly kind: 'host' | 'endpoint'
  readonly ip: Ip
  readonly primary: boolean
  readonly protocol: 'icmp' | 'http'
  /** empty: reachable */
  readonly failure: string
  readonly latencyNs: number
  readonly at: number
}
