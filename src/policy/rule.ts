/**
 * The intermediate form of all policy kinds. Wherever a list of an object may be missing, empty or full, three tagged
 * values stand here (`any`, `none`, `some`): an empty list can never be taken for "everything".
 */
import type {Cidr} from '../model/cidr.ts'
import type {Selector} from '../model/selector.ts'

export type Direction = 'ingress' | 'egress'
export const directions = ['ingress', 'egress'] as const

export type PolicyKind = 'NetworkPolicy' | 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy'

/** What the sender of a denied packet is told: nothing, an ICMP error, or, of TCP, a reset. */
export const denyResponses = ['none', 'icmp', 'reset'] as const
export type DenyResponse = (typeof denyResponses)[number]

export interface PolicyRef {
  readonly kind: PolicyKind
  /** empty for clusterwide policies */
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** of what it denies; missing: as the node's configuration says */
  readonly denyResponse?: DenyResponse
}

/** The part of a policy that an entry of a rule set comes from: what a verdict is explained with. */
export interface RuleRef {
  readonly policy: PolicyRef
  /** 0 for `spec` and for NetworkPolicy; n + 1 for `specs[n]` */
  readonly spec: number
  /** `isolation`: no rule, but that the policy denies what no rule allows */
  readonly section: 'ingress' | 'ingressDeny' | 'egress' | 'egressDeny' | 'ingress-isolation' | 'egress-isolation'
  readonly index: number
}

/** One text per rule: `CiliumNetworkPolicy default/web ingress[0]`. */
export function formatRuleRef({policy, spec, section, index}: RuleRef): string {
  const name = policy.namespace === '' ? policy.name : `${policy.namespace}/${policy.name}`
  const where = section.endsWith('isolation') ? section : `${section}[${index}]`
  return `${policy.kind} ${name} ${spec === 0 ? '' : `specs[${spec - 1}].`}${where}`
}

/** Which addresses a prefix is asked about: those outside the cluster, or pods' and nodes', too. */
export type CidrReach = 'outside' | 'everywhere'

export interface CidrItem {
  readonly cidr: Cidr
  /** what of it does not count; another item may still hold it */
  readonly except: readonly Cidr[]
}

/** One way to say who the other end is. */
export type Peer =
  | {readonly kind: 'all'}
  | {readonly kind: 'labels'; readonly selector: Selector}
  | {readonly kind: 'cidrs'; readonly items: readonly CidrItem[]; readonly reach: CidrReach}
  | {
      readonly kind: 'cidr-group'
      readonly group: {readonly name: string} | {readonly selector: Selector}
      readonly except: readonly Cidr[]
      readonly reach: CidrReach
    }
  | {
      readonly kind: 'service'
      readonly namespace: string | undefined
      readonly service: {readonly name: string} | {readonly selector: Selector}
    }

export type Peers =
  | {readonly kind: 'any'}
  | {readonly kind: 'none'}
  | {readonly kind: 'some'; readonly of: readonly [Peer, ...Peer[]]}

/** One way to say what is asked for. Ports are inclusive, in host order; a range of all ports is `protocol`. */
export type Port =
  | {readonly kind: 'protocol'; readonly protocol: number}
  | {readonly kind: 'range'; readonly protocol: number; readonly first: number; readonly last: number}
  /** the number is the receiving pod's own */
  | {readonly kind: 'name'; readonly protocol: number; readonly name: string}
  | {readonly kind: 'icmp'; readonly protocol: number; readonly type: number}

export type Ports =
  | {readonly kind: 'any'}
  | {readonly kind: 'none'}
  | {readonly kind: 'some'; readonly of: readonly [Port, ...Port[]]}

/**
 * `filter`: the rule passes traffic through something that we do not have (a proxy, a name, an authentication). It
 * allows nothing, and where nothing else is denied it denies what it would have filtered.
 */
export type Action = 'allow' | 'deny' | 'filter'

export interface Rule {
  readonly ref: RuleRef
  readonly direction: Direction
  readonly action: Action
  readonly peers: Peers
  readonly ports: Ports
}

export type Subject =
  | {readonly kind: 'endpoints'; readonly selector: Selector}
  | {readonly kind: 'nodes'; readonly selector: Selector}

/** One rule object: whom it is for, what it says, and whether it denies what no rule allows. */
export interface Spec {
  readonly index: number
  readonly subject: Subject
  readonly isolates: {readonly [D in Direction]: boolean}
  readonly rules: readonly Rule[]
  readonly log: string | undefined
}

export interface Policy {
  readonly ref: PolicyRef
  readonly specs: readonly Spec[]
  /** parts that cannot be enforced; the traffic they would have filtered is denied */
  readonly unenforceable: readonly Problem[]
  /** what is valid and probably not meant */
  readonly warnings: readonly Problem[]
}

/** Where in an object something is wrong (`spec.ingress[0].fromCIDR[1]`), and why. */
export interface Problem {
  readonly path: string
  readonly reason: string
}

/** A policy, or everything that is wrong with the object. */
export type CheckedPolicy =
  | {readonly ok: true; readonly policy: Policy}
  | {readonly ok: false; readonly ref: PolicyRef; readonly problems: readonly Problem[]}

export function somePeers(peers: readonly Peer[]): Peers {
  const [first, ...rest] = peers
  return first === undefined ? {kind: 'none'} : {kind: 'some', of: [first, ...rest]}
}

export function somePorts(ports: readonly Port[]): Ports {
  const [first, ...rest] = ports
  return first === undefined ? {kind: 'none'} : {kind: 'some', of: [first, ...rest]}
}
