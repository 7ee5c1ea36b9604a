/** What the operator keeps of Kubernetes objects, one row an object. */
import type {Ip} from '../model/ip.ts'

export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: string
  readonly timeAdded?: string
}

/** A Node. */
export interface NodeRow {
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  /** internal and external addresses */
  readonly addresses: readonly Ip[]
  readonly taints: readonly Taint[]
  /** the NetworkUnavailable condition, as far as we write it */
  readonly network: {readonly status: string; readonly reason: string} | undefined
}

/** A CiliumNode. */
export interface CiliumNodeRow {
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  /** RFC 3339, sorts by time */
  readonly created: string
  /** spec.ipam.podCIDRs as it is there, malformed texts included */
  readonly podCidrs: readonly string[]
  /** what the operator last said about it: status.ipam.operator-status.error */
  readonly error: string
  /** annotated with cilium.io/do-not-gc */
  readonly keep: boolean
}

/** A Pod, of the whole cluster. */
export interface PodRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** empty until it is scheduled */
  readonly node: string
  /** Succeeded or Failed: it will not run again */
  readonly ended: boolean
  readonly ready: boolean
  readonly hostNetwork: boolean
  readonly terminating: boolean
  /** ms since 1970; undefined until kubelet has taken it */
  readonly startedMs: number | undefined
  /** an agent of ours */
  readonly agent: boolean
}

/** A CiliumEndpoint. */
export interface EndpointRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  /** undefined until the agent knows it */
  readonly identity: number | undefined
  /** uid of the pod it belongs to, where its owner reference names one */
  readonly podUid: string | undefined
}

/** A CiliumIdentity. */
export interface IdentityRow {
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  /** undefined when the name is no number that identities have */
  readonly id: number | undefined
  /** canonical text of its labels: equal for equal label sets */
  readonly labels: string
  /** when the operator marked it as unused, ms since 1970; undefined when it is not marked */
  readonly markedMs: number | undefined
}

/** The key of a namespaced row. */
export function namespacedKey(row: {readonly namespace: string; readonly name: string}): string {
  return `${row.namespace}/${row.name}`
}
