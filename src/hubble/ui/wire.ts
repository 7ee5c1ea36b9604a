/**
 * What the server of the user interface tells the page, as JSON: server-sent events of one stream per page, and two
 * small answers. Names in it come from the cluster; the server has taken control characters out (shown-text.ts), the
 * page sets them as text and never as markup.
 */

export type NodeKind = 'workload' | 'world' | 'host' | 'remote-node' | 'kube-apiserver' | 'health' | 'ingress' | 'other'

/** Somebody who talks: a workload, or what is outside of pods. */
export interface MapNode {
  readonly id: string
  readonly kind: NodeKind
  readonly name: string
  /** empty outside of pods */
  readonly namespace: string
  /** `Deployment`; empty when it is not known */
  readonly workloadKind: string
}

export type Outcome = 'forwarded' | 'denied' | 'dropped' | 'audited'

export const outcomes: readonly Outcome[] = ['forwarded', 'denied', 'dropped', 'audited']

/** All flows from one to another on one port. Counts are since the page began to look. */
export interface MapEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  /** `TCP`, `UDP`, `SCTP`, `ICMP`, …; empty when it is not known */
  readonly protocol: string
  /** 0: the protocol has none */
  readonly port: number
  readonly counts: Readonly<Record<Outcome, number>>
  /** of them those that came since the page looks, for rates */
  readonly live: number
  /** ms since 1970 */
  readonly lastMs: number
  /** of the newest flow that did not pass: when, ms since 1970, 0 when all did; and why */
  readonly badMs: number
  readonly reason: string
  /** who decided, newest first */
  readonly policies: readonly PolicyName[]
}

export interface PolicyName {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly direction: 'ingress' | 'egress'
  readonly effect: 'allows' | 'denies'
}

/** One end of a flow. */
export interface RowEnd {
  /** id of the node on the map */
  readonly node: string
  /** `checkout`, `world` */
  readonly name: string
  readonly namespace: string
  readonly pod: string
  readonly ip: string
  /** 0: none */
  readonly port: number
  readonly identity: number
  /** `(world)`, `(ID:1234)` */
  readonly identityText: string
  readonly labels: readonly string[]
  /** names of the address in DNS, or of its Service */
  readonly names: readonly string[]
}

/** One flow for the table and its details. */
export interface FlowRow {
  readonly id: string
  /** ms since 1970 */
  readonly timeMs: number
  readonly outcome: Outcome
  /** `FORWARDED`, `DROPPED`, … */
  readonly verdict: string
  readonly source: RowEnd
  readonly destination: RowEnd
  readonly protocol: string
  /** `to-endpoint`, `Policy denied` */
  readonly type: string
  readonly summary: string
  /** why it was dropped, in words, and the command to look further; empty when it was not */
  readonly reason: string
  readonly advice: string
  readonly policies: readonly PolicyName[]
  /** `ingress`, `egress` or empty */
  readonly direction: string
  readonly reply: boolean
  readonly node: string
  readonly interface: string
}

/** `event: map`: nodes and edges that are new or changed. */
export interface MapMessage {
  readonly nodes: readonly MapNode[]
  readonly edges: readonly MapEdge[]
  /** flows whose edges found no room any more */
  readonly beyond: number
  /** the server's clock, ms since 1970: a browser's may be wrong */
  readonly nowMs: number
}

/** `event: flows`: the newest that fit the filter, oldest first. */
export interface FlowsMessage {
  readonly rows: readonly FlowRow[]
  /** that fit as well and are not shown */
  readonly skipped: number
}

/** `event: state`: of the connection to the relay, and what was lost on the way. */
export interface StateMessage {
  readonly connected: boolean
  /** why not */
  readonly detail: string
  /** events that the cluster could not tell us */
  readonly lost: number
  /** flows seen by this stream */
  readonly seen: number
}

/** `GET api/cluster` */
export interface ClusterMessage {
  readonly connected: boolean
  readonly detail: string
  readonly namespaces: readonly string[]
  readonly nodesConnected: number
  readonly nodesUnavailable: readonly string[]
  /** in the whole cluster, per second */
  readonly flowsPerSecond: number
  readonly version: string
}
