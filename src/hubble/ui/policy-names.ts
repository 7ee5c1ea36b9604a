/** The policies that a flow names. */
import type {Flow, Policy} from '../../api/gen/flow.ts'
import {shown} from './shown-text.ts'
import type {PolicyName} from './wire.ts'

export function policyNames(flow: Flow): PolicyName[] {
  const of = (
    policies: readonly Policy[] | undefined,
    direction: PolicyName['direction'],
    effect: PolicyName['effect'],
  ): PolicyName[] =>
    (policies ?? []).map(({name = '', namespace = '', kind = ''}) => ({
      kind: shown(kind),
      namespace: shown(namespace),
      name: shown(name),
      direction,
      effect,
    }))
  return [
    ...of(flow.egress_denied_by, 'egress', 'denies'),
    ...of(flow.ingress_denied_by, 'ingress', 'denies'),
    ...of(flow.egress_allowed_by, 'egress', 'allows'),
    ...of(flow.ingress_allowed_by, 'ingress', 'allows'),
  ]
}

export function policyKey({effect, direction, kind, namespace, name}: PolicyName): string {
  return `${effect} ${direction} ${kind} ${namespace}/${name}`
}
