/**
 * What is probably not meant in a policy that is valid: it selects nobody, names a port that nobody has, says what is
 * said already, or allows what another rule denies. Judged by who is there now.
 */

import {reservedIdentities} from '../model/identity.ts'
import {selects} from '../model/selector.ts'
import {type ClusterModel, type Member, subjectOf} from './cluster-model.ts'
import type {ExpandedPolicy, ExpandedRule, ExpandedSpec} from './expand.ts'
import {isMember} from './peer-groups.ts'
import {coversPorts, portsMeet} from './port-ranges.ts'
import {formatRuleRef, type PolicyRef, type RuleRef} from './rule.ts'

export type FindingKind =
  | 'invalid'
  | 'unenforceable'
  | 'warning'
  | 'selects-nothing'
  | 'peer-matches-nobody'
  | 'port-name-unknown'
  | 'shadowed'
  | 'repeated'
  | 'contradicts'
  | 'no-effect'

export interface Finding {
  readonly kind: FindingKind
  /** field path in the object: `spec.ingress[0].from[1]` */
  readonly path: string
  readonly text: string
}

/** One rule of the model with what it comes to among those who are there. */
interface Placed {
  readonly rule: ExpandedRule
  readonly name: string
  readonly subjects: ReadonlySet<string>
  /** 'everybody', or numbers of rows */
  readonly peers: 'everybody' | ReadonlySet<string>
}

/** Findings about one policy of the model. */
export function reviewPolicy(model: ClusterModel, ref: PolicyRef): Finding[] {
  const policy = model.policies.find((one) => samePolicy(one.ref, ref))
  if (policy === undefined) return []
  const all = model.policies.flatMap((one) => place(model, one))
  const findings: Finding[] = [
    ...policy.unenforceable.map(
      (problem): Finding => ({kind: 'unenforceable', path: problem.path, text: problem.reason}),
    ),
    ...policy.warnings.map((problem): Finding => ({kind: 'warning', path: problem.path, text: problem.reason})),
  ]
  for (const spec of policy.specs) {
    const subjects = subjectsOf(model, spec)
    if (subjects.length === 0) {
      const path = `${specPath(spec.index)}.${selectorField(ref, spec)}`
      const what = spec.subject.kind === 'nodes' ? 'no node' : 'no pod'
      findings.push({kind: 'selects-nothing', path, text: `${what} has these labels now`})
    }
    for (const rule of spec.rules) {
      const path = rulePath(rule.ref)
      findings.push(...aboutPeers(model, rule, path), ...aboutNames(model, rule, subjects, path))
      if (subjects.length > 0 && rule.action === 'allow')
        findings.push(...aboutOthers(all, model, rule, subjects, path))
    }
  }
  return findings
}

function aboutPeers(model: ClusterModel, rule: ExpandedRule, path: string): Finding[] {
  const {any, selectors, cidrs} = rule.peers
  if (any || cidrs.length > 0) return []
  if (selectors.length === 0) return [{kind: 'peer-matches-nobody', path, text: 'the rule names no peer that there is'}]
  const matched = selectors.some((selector) => model.groups.select(selector).size > 0)
  return matched ? [] : [{kind: 'peer-matches-nobody', path, text: 'nobody has the labels of its peers now'}]
}

function aboutNames(model: ClusterModel, rule: ExpandedRule, subjects: readonly Member[], path: string): Finding[] {
  const {direction, ports, peers} = rule
  if (ports.kind !== 'some') return []
  const receivers = direction === 'ingress' ? subjects : matchedPods(model, peers)
  if (receivers.length === 0) return []
  return ports.of.flatMap((port): Finding[] => {
    if (port.kind !== 'name') return []
    const has = receivers.filter(({namedPorts}) =>
      (namedPorts.get(port.name) ?? []).some(({protocol}) => protocol === port.protocol),
    )
    if (has.length > 0) return []
    // a port without a protocol is asked for in each
    const other = receivers.some(({namedPorts}) => namedPorts.has(port.name))
    if (other) return []
    const text = `no ${direction === 'ingress' ? 'pod that it is for' : 'peer of it'} has a port named ${port.name}`
    return [{kind: 'port-name-unknown', path, text}]
  })
}

function aboutOthers(
  all: readonly Placed[],
  model: ClusterModel,
  rule: ExpandedRule,
  subjects: readonly Member[],
  path: string,
): Finding[] {
  const own = all.find((one) => one.rule === rule)!
  const others = all.filter((one) => one.rule !== rule && one.rule.direction === rule.direction)
  const findings: Finding[] = []
  const isolated = subjects.some((subject) => {
    const resolved = model.resolve(subject, rule.direction)
    return resolved !== 'open' && (resolved.isolatedBy === 'mode' || resolved.isolatedBy.length > 0)
  })
  if (!isolated)
    findings.push({kind: 'no-effect', path, text: `nothing isolates ${rule.direction}, so all is allowed already`})
  const denies = others.filter((one) => one.rule.action === 'deny')
  const shadow = denies.find((one) => holds(one, own))
  if (shadow !== undefined) {
    findings.push({kind: 'shadowed', path, text: `${shadow.name} denies all that it allows`})
    return findings
  }
  for (const one of denies) {
    if (meets(one, own)) findings.push({kind: 'contradicts', path, text: `${one.name} denies a part of what it allows`})
  }
  // of two that say the same the later is told
  const same = others.find(
    (one) =>
      one.rule.action === 'allow' && holds(one, own) && (!holds(own, one) || all.indexOf(one) < all.indexOf(own)),
  )
  if (same !== undefined) findings.push({kind: 'repeated', path, text: `${same.name} allows all of it already`})
  return findings
}

function place(model: ClusterModel, policy: ExpandedPolicy): Placed[] {
  return policy.specs.flatMap((spec) => {
    const subjects = new Set(subjectsOf(model, spec).map(({key}) => key))
    return spec.rules.map((rule) => ({rule, name: formatRuleRef(rule.ref), subjects, peers: peersOf(model, rule)}))
  })
}

function subjectsOf(model: ClusterModel, spec: ExpandedSpec): Member[] {
  const {kind, selector} = spec.subject
  return model.facts.members.filter(
    (member) => (subjectOf(member).kind === 'node') === (kind === 'nodes') && selects(selector, member.labels),
  )
}

function peersOf(model: ClusterModel, {peers}: ExpandedRule): Placed['peers'] {
  if (peers.any) return 'everybody'
  if (peers.selectors.length === 0 && peers.cidrs.length === 0) return new Set()
  const group = model.groups.numberOf(peers)
  const rows = [...model.groups.allRows()].filter(({groups}) => isMember(groups, group))
  return new Set(rows.map(({kind, number}) => `${kind} ${number}`))
}

function matchedPods(model: ClusterModel, peers: ExpandedRule['peers']): Member[] {
  return model.facts.members.filter(
    ({kind, labels}) => kind === 'pod' && (peers.any || peers.selectors.some((selector) => selects(selector, labels))),
  )
}

function holds(wider: Placed, rule: Placed): boolean {
  return (
    [...rule.subjects].every((key) => wider.subjects.has(key)) &&
    coversPorts(wider.rule.ports, rule.rule.ports) &&
    (wider.peers === 'everybody' ||
      (rule.peers !== 'everybody' && rule.peers.size > 0 && [...rule.peers].every((key) => isIn(wider, key, rule))))
  )
}

function meets(a: Placed, b: Placed): boolean {
  const [first, second] = a.peers === 'everybody' ? [b, a] : [a, b]
  const peers =
    first.peers === 'everybody' ||
    [...first.peers].some((key) => isIn(second, key, first)) ||
    (second.peers !== 'everybody' && [...second.peers].some((key) => isIn(first, key, second)))
  return peers && [...a.subjects].some((key) => b.subjects.has(key)) && portsMeet(a.rule.ports, b.rule.ports)
}

const worldRows = [reservedIdentities['world-ipv4'], reservedIdentities['world-ipv6']].map((id) => `identity ${id}`)

/** Is this peer of `rule` one of the other's, too? What lies in a prefix outside is of the world. */
function isIn({peers}: Placed, key: string, {rule}: Placed): boolean {
  if (peers === 'everybody' || peers.has(key)) return true
  const outside = key.startsWith('class ') && rule.peers.cidrs.every(({reach}) => reach === 'outside')
  return outside && worldRows.every((row) => peers.has(row))
}

function specPath(index: number): string {
  return index === 0 ? 'spec' : `specs[${index - 1}]`
}

/** `spec.ingress[0]`, `specs[1].egressDeny[2]` */
export function rulePath({spec, section, index}: RuleRef): string {
  return `${specPath(spec)}.${section}[${index}]`
}

function selectorField({kind}: PolicyRef, spec: ExpandedSpec): string {
  if (spec.subject.kind === 'nodes') return 'nodeSelector'
  return kind === 'NetworkPolicy' ? 'podSelector' : 'endpointSelector'
}

export function samePolicy(a: PolicyRef, b: PolicyRef): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}
