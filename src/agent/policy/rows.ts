/** Rows of what policies are made from, and of what became of them. */
import type {Cidr} from '../../model/cidr.ts'
import type {CheckedPolicy, PolicyKind, Problem} from '../../policy/rule.ts'

/** A policy object of any kind, read and checked. */
export interface PolicyRow {
  readonly kind: PolicyKind
  /** empty for clusterwide ones */
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly generation: number
  readonly resourceVersion: string
  readonly annotations: Readonly<Record<string, string>>
  /** of what it says: equal text, equal meaning */
  readonly content: string
  readonly checked: CheckedPolicy
}

export interface CidrGroupRow {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly cidrs: readonly Cidr[]
  readonly problems: readonly Problem[]
}

/** A service as `toServices` means it: also those that have no address of their own. */
export interface PolicyServiceRow {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** undefined: its backends are addresses that somebody wrote */
  readonly selector: Readonly<Record<string, string>> | undefined
}

/** Which part of which policy a number in events stands for. */
export interface PolicyRuleRow {
  readonly cookie: number
  readonly kind: PolicyKind
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** `ingress[0]`, `specs[1].egressDeny[2]`; `ingress-isolation`: what no rule allows is denied */
  readonly rule: string
}

export interface NamedPort {
  readonly name: string
  readonly port: number
  readonly protocol: string
}

/** `CiliumNetworkPolicy default/web`; clusterwide ones have no namespace. */
export function policyKey({kind, namespace, name}: Pick<PolicyRow, 'kind' | 'namespace' | 'name'>): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`
}
