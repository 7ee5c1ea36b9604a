/** A small cluster for policy tests, in plain values: what the reference evaluator and the compiler are both told. */

export interface WorldPod {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  readonly ips: readonly string[]
  readonly ports: readonly {readonly name: string; readonly protocol: 'TCP' | 'UDP' | 'SCTP'; readonly port: number}[]
}

export interface WorldNode {
  readonly name: string
  readonly local: boolean
  /** the API server runs there */
  readonly apiServer: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly ips: readonly string[]
}

/** Whom policies are about: a pod, or the node that we look from. */
export type Subject = WorldPod | WorldNode

export interface WorldService {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly selector?: Readonly<Record<string, string>>
  readonly backends: readonly string[]
}

// biome-ignore lint/suspicious/noExplicitAny: objects as users write them
export type PolicyObject = any

export interface World {
  readonly cluster: string
  readonly mode: 'default' | 'always' | 'never'
  /** policyCIDRMatchMode holds `nodes` */
  readonly cidrMatchesNodes: boolean
  /** nodes are told apart by their labels */
  readonly nodeSelectors: boolean
  readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly pods: readonly WorldPod[]
  readonly nodes: readonly WorldNode[]
  /** addresses outside */
  readonly outside: readonly string[]
  readonly cidrGroups: readonly {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly cidrs: readonly string[]
  }[]
  readonly services: readonly WorldService[]
  /** TCP ports that stay open at nodes; missing: none */
  readonly failsafe?: {readonly apiServer: number; readonly health: number}
  readonly policies: readonly PolicyObject[]
}

/** Somebody with an address: the other end of a question. */
export type Party =
  | {readonly kind: 'pod'; readonly pod: WorldPod; readonly ip: string}
  | {readonly kind: 'node'; readonly node: WorldNode; readonly ip: string}
  | {readonly kind: 'outside'; readonly ip: string}

export interface Question {
  readonly subject: Subject
  readonly direction: 'ingress' | 'egress'
  readonly peer: Party
  /** IP protocol number */
  readonly protocol: number
  /** destination port; of ICMP the type */
  readonly port: number
}

export function isPod(subject: Subject): subject is WorldPod {
  return 'namespace' in subject
}

export function partiesOf(world: World): Party[] {
  return [
    ...world.pods.flatMap((pod) => pod.ips.map((ip): Party => ({kind: 'pod', pod, ip}))),
    ...world.nodes.flatMap((node) => node.ips.map((ip): Party => ({kind: 'node', node, ip}))),
    ...world.outside.map((ip): Party => ({kind: 'outside', ip})),
  ]
}
