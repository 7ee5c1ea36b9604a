/** What flows are told with beside what the packet says. Whoever knows it implements this; absent means unknown. */
import type {Policy, Service, Workload} from '../../api/gen/flow.ts'

/** Who has an address. */
export interface EndpointName {
  readonly namespace: string
  readonly podName: string
  readonly labels: readonly string[]
  readonly workloads: readonly Workload[]
  readonly clusterName: string
  /** undefined: not told with the address */
  readonly identity?: number
}

/** Whose processes a network namespace holds. */
export interface ProcessOwner {
  readonly ips: readonly string[]
  /** 0: not known */
  readonly identity: number
  /** of this node, 0: none */
  readonly endpoint: number
}

export interface FlowNames {
  /** `cluster/node`, or the node alone in the cluster `default` */
  readonly nodeName: string
  /** `key=value` */
  readonly nodeLabels: readonly string[]
  /** Who had the address at a time, in ms since 1970. */
  endpoint(ip: string, timeMs: number): EndpointName | undefined
  /** Labels of an identity, sorted. */
  identityLabels(identity: number): readonly string[] | undefined
  /** The Service that has this address and port. */
  service(ip: string, port: number, protocol: number): Service | undefined
  dnsNames(ip: string): readonly string[]
  device(ifindex: number): string
  /** Who is in the network namespace with this cookie. */
  process(netns: bigint): ProcessOwner | undefined
  /** Identity of who has the address now. */
  identityOf(ip: string): number
  /** The policy rule that a cookie stands for. */
  policy(cookie: number): Policy | undefined
}

/** Knows nothing but the node. */
export function bareNames(nodeName: string): FlowNames {
  return {
    nodeName,
    nodeLabels: [],
    endpoint: () => undefined,
    identityLabels: () => undefined,
    service: () => undefined,
    dnsNames: () => [],
    device: () => '',
    process: () => undefined,
    identityOf: () => 0,
    policy: () => undefined,
  }
}
