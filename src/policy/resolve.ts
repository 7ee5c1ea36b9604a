/**
 * Which rules stand over an endpoint, per direction.
 * 1 a policy counts when its selector selects the endpoint's labels; node policies count for nodes alone;
 * 2 a direction is isolated when any policy that counts isolates it (or the mode is `always`): what no rule allows is
 *   denied then;
 * 3 without isolation allows change nothing, and without anything to deny the endpoint is open.
 */
import type {LabelSet} from '../model/labels.ts'
import {selects} from '../model/selector.ts'
import type {NamedPorts} from './cidr-classes.ts'
import type {ExpandedPolicy, ExpandedRule} from './expand.ts'
import type {Failsafe} from './failsafe.ts'
import {type Direction, formatRuleRef, type RuleRef} from './rule.ts'

/** `policyEnforcementMode` */
export type EnforcementMode = 'default' | 'always' | 'never'

/** What of an endpoint (or a node) its policy depends on. */
export interface PolicySubject {
  readonly kind: 'endpoint' | 'node'
  readonly labels: LabelSet
  readonly namedPorts: NamedPorts
  /** of a node: what no policy denies */
  readonly failsafe?: Failsafe
}

export interface Resolved {
  readonly direction: Direction
  /** the policies that isolate, the first of them named in verdicts; `mode` when none does but the mode says so */
  readonly isolatedBy: readonly RuleRef[] | 'mode'
  readonly rules: readonly ExpandedRule[]
}

/** @returns `open` when nothing is denied */
export function resolveRules(
  policies: readonly ExpandedPolicy[],
  subject: PolicySubject,
  direction: Direction,
  mode: EnforcementMode,
): Resolved | 'open' {
  if (mode === 'never') return 'open'
  const isolatedBy: RuleRef[] = []
  const rules: ExpandedRule[] = []
  for (const policy of policies) {
    for (const spec of policy.specs) {
      if ((spec.subject.kind === 'nodes') !== (subject.kind === 'node')) continue
      if (!selects(spec.subject.selector, subject.labels)) continue
      if (spec.isolates[direction]) {
        isolatedBy.push({policy: policy.ref, spec: spec.index, section: `${direction}-isolation`, index: 0})
      }
      rules.push(...spec.rules.filter((rule) => rule.direction === direction))
    }
  }
  const isolated = isolatedBy.length > 0 || mode === 'always'
  if (!isolated && rules.every(({action}) => action === 'allow')) return 'open'
  return {direction, isolatedBy: isolatedBy.length > 0 || !isolated ? isolatedBy : 'mode', rules}
}

/** Policies in the order in which one of several equal rules gets to speak: by kind and name, not by arrival. */
export function inOrder(policies: readonly ExpandedPolicy[]): ExpandedPolicy[] {
  const key = (policy: ExpandedPolicy) => formatRuleRef({policy: policy.ref, spec: 0, section: 'ingress', index: 0})
  return [...policies].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}
