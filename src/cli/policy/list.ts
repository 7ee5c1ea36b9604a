/** `cilium policy list`, `get` and `status`: the policies that there are, and what they come to. */
import {derivedKeys} from '../../model/labels.ts'
import {formatSelector, selects} from '../../model/selector.ts'
import {ClusterModel, type Member} from '../../policy/cluster-model.ts'
import type {ExpandedPolicy, ExpandedRule} from '../../policy/expand.ts'
import {formatPort} from '../../policy/explain.ts'
import {rulePath, samePolicy} from '../../policy/review.ts'
import {type CheckedPolicy, type Direction, directions, type Problem} from '../../policy/rule.ts'
import {fail} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import type {Style} from '../render/style.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type ClusterObjects, readClusterObjects} from './cluster-objects.ts'
import {POLICY_UNKNOWN} from './errors.ts'
import {checkSource, factsOf, policyOptionsOf} from './facts.ts'
import {nameOfPolicy} from './policy-name.ts'

export interface PolicyRow {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly verdict: 'enforced' | 'partly' | 'invalid'
  /** pods (or nodes) that it is for */
  readonly selects: number
  readonly ingress: RuleCount
  readonly egress: RuleCount
  readonly problems: readonly Problem[]
}

interface RuleCount {
  readonly isolates: boolean
  readonly allow: number
  readonly deny: number
}

export interface PolicyDetail extends PolicyRow {
  readonly subjects: readonly string[]
  readonly rules: readonly RuleDetail[]
}

export interface RuleDetail {
  readonly path: string
  readonly action: 'allow' | 'deny' | 'filter'
  readonly peers: readonly string[]
  readonly ports: readonly string[]
}

export interface PolicyStatus {
  readonly mode: string
  readonly policies: number
  readonly invalid: readonly string[]
  readonly partly: readonly string[]
  readonly pods: number
  readonly isolated: {readonly [D in Direction]: number}
  /** with the host firewall */
  readonly nodes?: {readonly count: number; readonly isolated: {readonly [D in Direction]: number}}
}

interface Loaded {
  readonly cluster: ClusterObjects
  readonly model: ClusterModel
  readonly checked: readonly CheckedPolicy[]
}

export async function listPolicies(
  options: ClusterOptions,
  {namespace}: {readonly namespace?: string | undefined},
  signal: AbortSignal,
): Promise<PolicyRow[]> {
  const loaded = await load(options, signal)
  return loaded.checked
    .map((one) => rowOf(loaded, one))
    .filter((row) => namespace === undefined || row.namespace === namespace)
    .sort((a, b) => compare(a.kind, b.kind) || compare(a.namespace, b.namespace) || compare(a.name, b.name))
}

/** @param name `NAMESPACE/NAME`, or NAME alone for one that no other policy is called @throws POLICY_UNKNOWN */
export async function getPolicies(options: ClusterOptions, name: string, signal: AbortSignal): Promise<PolicyDetail[]> {
  const loaded = await load(options, signal)
  const found = loaded.checked.filter(({...one}) => {
    const {namespace, name: own} = one.ok ? one.policy.ref : one.ref
    return name === own || name === `${namespace}/${own}`
  })
  if (found.length === 0) return fail(POLICY_UNKNOWN, {name})
  return found.map((one) => detailOf(loaded, one))
}

export async function policyStatus(options: ClusterOptions, signal: AbortSignal): Promise<PolicyStatus> {
  const loaded = await load(options, signal)
  const rows = loaded.checked.map((one) => rowOf(loaded, one))
  const named = (verdict: PolicyRow['verdict']) =>
    loaded.checked.filter((_, index) => rows[index]!.verdict === verdict).map((one) => nameOfPolicy(refOf(one)))
  const {members} = loaded.model.facts
  const [pods, nodes] = [members.filter(({kind}) => kind === 'pod'), members.filter(({kind}) => kind === 'node')]
  const count = (among: readonly Member[], direction: Direction) =>
    among.filter((member) => isIsolated(loaded.model, member, direction)).length
  const isolated = (among: readonly Member[]) => ({ingress: count(among, 'ingress'), egress: count(among, 'egress')})
  return {
    mode: loaded.model.facts.mode,
    policies: rows.length,
    invalid: named('invalid'),
    partly: named('partly'),
    pods: pods.length,
    isolated: isolated(pods),
    ...(loaded.model.facts.options.hostFirewall ? {nodes: {count: nodes.length, isolated: isolated(nodes)}} : {}),
  }
}

async function load(options: ClusterOptions, signal: AbortSignal): Promise<Loaded> {
  const cluster = await readClusterObjects(options, signal)
  const read = policyOptionsOf(cluster.config)
  return {
    cluster,
    model: new ClusterModel(factsOf(cluster, cluster.policies)),
    checked: cluster.policies.map((source) => checkSource(source, read)),
  }
}

function isIsolated(model: ClusterModel, member: Member, direction: Direction): boolean {
  const resolved = model.resolve(member, direction)
  return resolved !== 'open' && (resolved.isolatedBy === 'mode' || resolved.isolatedBy.length > 0)
}

function refOf(checked: CheckedPolicy) {
  return checked.ok ? checked.policy.ref : checked.ref
}

function rowOf({model}: Loaded, checked: CheckedPolicy): PolicyRow {
  const {kind, namespace, name} = refOf(checked)
  const none = {isolates: false, allow: 0, deny: 0}
  if (!checked.ok) {
    return {
      kind,
      namespace,
      name,
      verdict: 'invalid',
      selects: 0,
      ingress: none,
      egress: none,
      problems: checked.problems,
    }
  }
  const {specs, unenforceable} = checked.policy
  const count = (direction: Direction): RuleCount => {
    const rules = specs.flatMap((spec) => spec.rules).filter((rule) => rule.direction === direction)
    return {
      isolates: specs.some(({isolates}) => isolates[direction]),
      allow: rules.filter(({action}) => action !== 'deny').length,
      deny: rules.filter(({action}) => action === 'deny').length,
    }
  }
  return {
    ...{kind, namespace, name},
    verdict: unenforceable.length > 0 ? 'partly' : 'enforced',
    selects: subjectsOf(model, expanded(model, checked)).length,
    ingress: count('ingress'),
    egress: count('egress'),
    problems: unenforceable,
  }
}

function expanded(model: ClusterModel, checked: CheckedPolicy & {readonly ok: true}): ExpandedPolicy {
  return model.policies.find(({ref}) => samePolicy(ref, checked.policy.ref))!
}

function subjectsOf({facts}: ClusterModel, {specs}: ExpandedPolicy): Member[] {
  return facts.members.filter((member) =>
    specs.some(
      ({subject}) =>
        (subject.kind === 'nodes') === (member.kind === 'node') && selects(subject.selector, member.labels),
    ),
  )
}

function detailOf(loaded: Loaded, checked: CheckedPolicy): PolicyDetail {
  const row = rowOf(loaded, checked)
  if (!checked.ok) return {...row, subjects: [], rules: []}
  const policy = expanded(loaded.model, checked)
  return {
    ...row,
    subjects: subjectsOf(loaded.model, policy).map(({key}) => key),
    rules: policy.specs.flatMap(({rules}) => rules.map(ruleOf)),
  }
}

function ruleOf({ref, action, peers, ports}: ExpandedRule): RuleDetail {
  const who = [
    ...(peers.any ? ['anybody'] : []),
    ...peers.selectors.map(formatSelector),
    ...peers.cidrs.flatMap(({items}) =>
      items.map(({cidr, except}) => [cidr, ...except.map((hole) => `not ${hole}`)].join(' ')),
    ),
  ]
  const what = ports.kind === 'any' ? ['any port'] : ports.kind === 'none' ? ['no port'] : ports.of.map(formatPort)
  return {path: rulePath(ref), action, peers: who.length === 0 ? ['nobody'] : who, ports: what}
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function policyTable(rows: readonly PolicyRow[], style: Style): string {
  if (rows.length === 0) return 'there is no policy\n'
  const lines: Row[] = [
    ['KIND', 'NAMESPACE', 'NAME', 'SELECTS', 'INGRESS', 'EGRESS', 'STATE'],
    ...rows.map(({kind, namespace, name, verdict, selects: count, ingress, egress, problems}) => [
      ...[kind, clean(namespace) || '-', clean(name), String(count), countText(ingress), countText(egress)],
      `${verdictText(verdict, style)}${problems.length === 0 ? '' : ` (${clean(problems[0]!.path)}: ${clean(problems[0]!.reason)})`}`,
    ]),
  ]
  return table(lines)
}

function countText({isolates, allow, deny}: RuleCount): string {
  const parts = [...(allow > 0 ? [`${allow} allow`] : []), ...(deny > 0 ? [`${deny} deny`] : [])]
  if (parts.length === 0) return isolates ? 'deny all' : '-'
  return parts.join(', ') + (isolates ? '' : ' (not isolated)')
}

function verdictText(verdict: PolicyRow['verdict'], style: Style): string {
  return verdict === 'enforced' ? style.good(verdict) : verdict === 'partly' ? style.warn(verdict) : style.bad(verdict)
}

export function policyDetailText(policies: readonly PolicyDetail[], style: Style): string {
  return policies
    .map(({kind, namespace, name, verdict, subjects, ingress, egress, rules, problems}) => {
      const isolates = directions.filter((direction) => ({ingress, egress})[direction].isolates)
      const lines = [
        `${nameOfPolicy({kind: kind as 'NetworkPolicy', namespace, name, uid: ''})}: ${verdictText(verdict, style)}`,
        `  selects: ${subjects.map(clean).join(', ') || 'nobody'}`,
        `  isolates: ${isolates.join(', ') || 'nothing'}`,
        ...problems.map(({path, reason}) => `  ${clean(path)}: ${clean(reason)}`),
        ...rules.flatMap(({path, action, peers, ports}) => [
          `  ${clean(path)}: ${action} ${ports.map(clean).join(', ')}`,
          ...peers.map((peer) => `    ${clean(shortPeer(peer))}`),
        ]),
      ]
      return `${lines.join('\n')}\n`
    })
    .join('\n')
}

/** The cluster's own name goes without saying. */
function shortPeer(peer: string): string {
  return peer
    .split(',')
    .filter((part) => !part.startsWith(`k8s:${derivedKeys.cluster}=`))
    .join(', ')
}

export function policyStatusText(
  {mode, policies, invalid, partly, pods, isolated, nodes}: PolicyStatus,
  style: Style,
): string {
  const lines = [
    `enforcement: ${clean(mode)}`,
    `policies: ${policies}`,
    ...invalid.map((name) => `  ${style.bad('invalid')} ${clean(name)}`),
    ...partly.map((name) => `  ${style.warn('partly enforced')} ${clean(name)}`),
    `pods: ${pods}, isolated for ingress: ${isolated.ingress}, for egress: ${isolated.egress}`,
    ...(nodes === undefined
      ? []
      : [
          `nodes: ${nodes.count}, isolated for ingress: ${nodes.isolated.ingress}, for egress: ${nodes.isolated.egress}`,
        ]),
  ]
  return `${lines.join('\n')}\n`
}
