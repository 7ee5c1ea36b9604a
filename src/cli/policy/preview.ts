/** `cilium policy preview`: which connections a file of policies would allow or cut. */
import {ClusterModel} from '../../policy/cluster-model.ts'
import {type Change, previewChange} from '../../policy/preview.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import type {Style} from '../render/style.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type ClusterObjects, type PolicySource, readClusterObjects} from './cluster-objects.ts'
import {checkSource, factsOf, policyOptionsOf} from './facts.ts'
import {type FlowReport, flowChanges, flowChangesText} from './flow-changes.ts'
import {type FlowSource, readConnections} from './flows.ts'
import {readPolicyFiles} from './policy-file.ts'
import {nameOfPolicy, refOfSource, replacePolicies} from './policy-name.ts'

export interface PreviewReport {
  /** policies of the file that are invalid: they would change nothing */
  readonly invalid: readonly {readonly policy: string; readonly problems: readonly string[]}[]
  readonly cut: number
  readonly opened: number
  readonly changes: readonly Change[]
  /** with recorded flows: what would become of them */
  readonly flows?: FlowReport
}

export interface PreviewRequest {
  readonly files: readonly string[]
  readonly remove: boolean
  /** recorded flows to judge as well */
  readonly flows: Omit<FlowSource, 'cluster'> | undefined
}

export async function previewPolicies(
  options: ClusterOptions,
  {files, remove, flows}: PreviewRequest,
  signal: AbortSignal,
): Promise<PreviewReport> {
  const sources = await readPolicyFiles(files)
  const [cluster, connections] = await Promise.all([
    readClusterObjects(options, signal),
    flows === undefined ? undefined : readConnections({cluster: options, ...flows}, signal),
  ])
  const report = previewAmong(cluster, sources, remove)
  if (connections === undefined) return report
  const {before, after} = modelsOf(cluster, sources, remove)
  return {...report, flows: flowChanges(before, after, connections)}
}

function modelsOf(cluster: ClusterObjects, sources: readonly PolicySource[], remove: boolean) {
  const others = replacePolicies(cluster.policies, sources).slice(0, -sources.length || undefined)
  return {
    before: new ClusterModel(factsOf(cluster, cluster.policies)),
    after: new ClusterModel(factsOf(cluster, remove ? others : [...others, ...sources])),
  }
}

/** @param remove the policies are taken away, not applied */
export function previewAmong(cluster: ClusterObjects, sources: readonly PolicySource[], remove = false): PreviewReport {
  const checked = sources.map((source) => checkSource(source, policyOptionsOf(cluster.config)))
  const {before, after} = modelsOf(cluster, sources, remove)
  const changes = previewChange(before, after, sources.map(refOfSource))
  return {
    invalid: checked.flatMap((one) =>
      one.ok
        ? []
        : [{policy: nameOfPolicy(one.ref), problems: one.problems.map(({path, reason}) => `${path}: ${reason}`)}],
    ),
    cut: changes.filter(({after}) => after === 'denied').length,
    opened: changes.filter(({after}) => after === 'allowed').length,
    changes,
  }
}

export function previewText(report: PreviewReport, style: Style): string {
  const text = changesText(report, style)
  if (report.flows === undefined) return text
  return `${text.endsWith('\n') ? text : `${text}\n`}\n${flowChangesText(report.flows, style)}`
}

function changesText({invalid, cut, opened, changes}: PreviewReport, style: Style): string {
  const lines = invalid.flatMap(({policy, problems}) => [
    `${clean(policy)}: ${style.bad('invalid')}, it would change nothing`,
    ...problems.map((problem) => `  ${clean(problem)}`),
  ])
  if (changes.length === 0) return [...lines, 'nothing changes for anybody who is there now', ''].join('\n')
  const rows: Row[] = [
    ['FROM', 'TO', 'PORTS', 'NOW', 'THEN', 'WHY'],
    ...changes.map(({from, to, ports, before, after, reason}) => [
      ...[clean(partyText(from)), clean(partyText(to)), ports.join(','), before],
      ...[after === 'denied' ? style.bad(after) : style.good(after), clean(reason)],
    ]),
  ]
  return [...lines, `${cut} cut, ${opened} opened`, table(rows)].join('\n')
}

/** Ends that policies cannot tell apart are one row. */
function partyText({name, members}: Change['from']): string {
  return members.length < 2 ? name : `${name} (+${members.length - 1})`
}
