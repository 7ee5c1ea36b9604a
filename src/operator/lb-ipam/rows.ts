/** What LB-IPAM keeps of pools and services. */
import type {Ip, IpFamily} from '../../model/ip.ts'
import type {ParsedSelector} from '../../model/selector.ts'

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
  readonly observedGeneration?: number
}

/** A run of addresses, both ends included. */
export interface Block {
  readonly first: Ip
  readonly last: Ip
  /** as the user wrote it */
  readonly text: string
}

/** A CiliumLoadBalancerIPPool. */
export interface PoolRow {
  readonly name: string
  readonly resourceVersion: string
  readonly generation: number
  /** RFC 3339 */
  readonly created: string
  readonly disabled: boolean
  readonly blocks: readonly Block[]
  /** services that may use it; absent: all */
  readonly selector: ParsedSelector
  /** blocks that could not be read */
  readonly problems: readonly string[]
  readonly conditions: readonly Condition[]
}

/** A Service that may want addresses, or still has some of ours. */
export interface LbServiceRow {
  readonly namespace: string
  readonly name: string
  readonly resourceVersion: string
  readonly generation: number
  /** RFC 3339 */
  readonly created: string
  /** of type LoadBalancer, and of a class that is ours */
  readonly ours: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly families: readonly IpFamily[]
  /** addresses it asks for; empty: any */
  readonly requested: readonly Ip[]
  /** asked for and not to be read */
  readonly problems: readonly string[]
  /** `80/TCP` */
  readonly ports: readonly string[]
  /** the external policy is Local: it shares addresses only with services that have the same pods */
  readonly local: boolean
  /** canonical text of the selector of its pods */
  readonly pods: string
  /** empty: shares with nobody */
  readonly sharingKey: string
  /** `*`, or namespaces it may share with besides its own */
  readonly sharingNamespaces: readonly string[]
  /** addresses in its status */
  readonly ingress: readonly Ip[]
  readonly conditions: readonly Condition[]
}

/** What a service is to have. */
export interface Assignment {
  readonly namespace: string
  readonly name: string
  /** undefined: it is none of ours any more, and what it had of us goes */
  readonly ips: readonly Ip[] | undefined
  readonly status: 'True' | 'False'
  readonly reason:
    | 'satisfied'
    | 'no_pool'
    | 'out_of_ips'
    | 'already_allocated'
    | 'already_allocated_incompatible_service'
  readonly message: string
}

/** What is to be said of a pool. */
export interface PoolState {
  readonly name: string
  /** why it gives out nothing; empty: it does */
  readonly conflict: string
  readonly total: bigint
  readonly used: bigint
}
