/** Policies and what stands over endpoints, as the API shows them. Pure. */
import type {EndpointPolicy, EndpointPolicyEnabled, Policy, SelectorIdentityMapping} from '../../api/models.ts'
import type {PolicyEnforcer} from '../policy/enforcer.ts'
import type {HostStanding} from '../policy/host-standing.ts'
import type {EndpointPolicyState} from '../policy/standings.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

/** What the API asks of the policy engine. */
export type PolicyState = Pick<PolicyEnforcer, 'revision' | 'standings' | 'engine'> & {
  readonly host?: Pick<HostStanding, 'state'> | undefined
}

/** All policies as text, with the number that counts their changes. */
export function policyModel(tables: Pick<Tables, 'policies'>, state: PolicyState | undefined): Policy {
  const rules = tables.policies.sorted().map(({kind, namespace, name, uid, content, checked}) => {
    const [spec, specs] = JSON.parse(content) as readonly [unknown, unknown]
    return {
      kind,
      metadata: {...(namespace === '' ? {} : {namespace}), name, uid},
      ...(spec ? {spec} : {}),
      ...(specs ? {specs} : {}),
      ...(checked.ok ? {} : {problems: checked.problems}),
    }
  })
  return {policy: JSON.stringify(rules, undefined, 2), revision: state?.revision ?? 1}
}

export function selectorModels(state: PolicyState | undefined): SelectorIdentityMapping[] {
  return (state?.engine.groups.listSelectors() ?? []).map(({selector, identities, users}) => ({
    selector,
    identities: [...identities],
    users,
  }))
}

export function endpointPolicyModel(row: EndpointRow, state: EndpointPolicyState | undefined): EndpointPolicy {
  return {
    'allowed-egress-identities': [],
    'allowed-ingress-identities': [],
    'denied-egress-identities': [],
    'denied-ingress-identities': [],
    'cidr-policy': {egress: [], ingress: []},
    l4: {egress: [], ingress: []},
    build: state?.revision ?? 0,
    id: row.identity ?? 0,
    'policy-enabled': enforcementOf(state),
    'policy-revision': state?.revision ?? 0,
  }
}

export function enforcementOf(state: EndpointPolicyState | undefined): EndpointPolicyEnabled {
  const {ingress = false, egress = false} = state?.enforced ?? {}
  if (!ingress && !egress) return 'none'
  const directions = ingress && egress ? 'both' : ingress ? 'ingress' : 'egress'
  return state?.sets.audit === true ? `audit-${directions}` : directions
}
