/** Any object into a checked policy, by its kind. */
import {checkCiliumPolicy} from './cilium-policy.ts'
import {checkNetworkPolicy} from './network-policy.ts'
import type {PolicyOptions} from './options.ts'
import type {CheckedPolicy, PolicyKind} from './rule.ts'

const groups: Readonly<Record<PolicyKind, string>> = {
  NetworkPolicy: 'networking.k8s.io/v1',
  CiliumNetworkPolicy: 'cilium.io/v2',
  CiliumClusterwideNetworkPolicy: 'cilium.io/v2',
}
export const policyKinds = Object.keys(groups) as readonly PolicyKind[]

/** @returns undefined when the object is no policy of a kind and version that we know */
export function policyKindOf(object: unknown): PolicyKind | undefined {
  const {apiVersion, kind} = (object ?? {}) as {apiVersion?: unknown; kind?: unknown}
  return policyKinds.find((one) => one === kind && groups[one] === apiVersion)
}

/** Checks an object as agents do. Nothing about it is trusted. */
export function checkPolicyObject(kind: PolicyKind, object: unknown, options: PolicyOptions): CheckedPolicy {
  return kind === 'NetworkPolicy' ? checkNetworkPolicy(object, options) : checkCiliumPolicy(kind, object, options)
}
