/** `cilium policy check`: what is wrong with the policies of a file, and what is probably not meant. */
import {ClusterModel} from '../../policy/cluster-model.ts'
import {type Finding, type FindingKind, reviewPolicy} from '../../policy/review.ts'
import type {Policy} from '../../policy/rule.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import type {Style} from '../render/style.ts'
import {clean} from '../render/text.ts'
import {type ClusterObjects, type PolicySource, readClusterObjects} from './cluster-objects.ts'
import {checkSource, factsOf, policyOptionsOf} from './facts.ts'
import {readPolicyFiles} from './policy-file.ts'
import {nameOfPolicy, refOfSource, replacePolicies} from './policy-name.ts'
import {emptyCluster} from './trace.ts'

export interface CheckedFile {
  readonly policy: string
  readonly verdict: 'good' | 'doubtful' | 'invalid'
  readonly findings: readonly Finding[]
}

export interface CheckReport {
  readonly verdict: CheckedFile['verdict']
  readonly policies: readonly CheckedFile[]
}

/** What makes a policy invalid, not just doubtful. */
const errors: ReadonlySet<FindingKind> = new Set(['invalid'])

/** @param offline nobody is asked who there is: only what the text alone says is judged */
export async function checkPolicies(
  options: ClusterOptions,
  {files, offline}: {readonly files: readonly string[]; readonly offline: boolean},
  signal: AbortSignal,
): Promise<CheckReport> {
  const sources = await readPolicyFiles(files)
  const cluster = offline ? emptyCluster : await readClusterObjects(options, signal)
  return checkAmong(cluster, sources, offline)
}

export function checkAmong(cluster: ClusterObjects, sources: readonly PolicySource[], offline: boolean): CheckReport {
  const config = policyOptionsOf(cluster.config)
  // without a cluster nobody knows what is switched on there
  const assumed = offline ? {...config, hostFirewall: true, nodeSelectors: true, extendedProtocols: true} : config
  const model = new ClusterModel(factsOf(cluster, replacePolicies(cluster.policies, sources)))
  const policies = sources.map((source): CheckedFile => {
    const checked = checkSource(source, assumed)
    const findings: readonly Finding[] = checked.ok
      ? offline
        ? textFindings(checked.policy)
        : reviewPolicy(model, checked.policy.ref)
      : checked.problems.map(({path, reason}) => ({kind: 'invalid', path, text: reason}))
    const verdict = findings.some(({kind}) => errors.has(kind)) ? 'invalid' : findings.length > 0 ? 'doubtful' : 'good'
    return {policy: nameOfPolicy(refOfSource(source)), verdict, findings}
  })
  const worst = (['invalid', 'doubtful', 'good'] as const).find((one) => policies.some(({verdict}) => verdict === one))
  return {verdict: worst ?? 'good', policies}
}

function textFindings({unenforceable, warnings}: Pick<Policy, 'unenforceable' | 'warnings'>): Finding[] {
  return [
    ...unenforceable.map(({path, reason}): Finding => ({kind: 'unenforceable', path, text: reason})),
    ...warnings.map(({path, reason}): Finding => ({kind: 'warning', path, text: reason})),
  ]
}

export function checkText({policies}: CheckReport, style: Style): string {
  return policies
    .map(({policy, verdict, findings}) => {
      const word =
        verdict === 'good' ? style.good(verdict) : verdict === 'invalid' ? style.bad(verdict) : style.warn(verdict)
      const lines = findings.map(({kind, path, text}) => `  ${clean(path)}: ${kind}: ${clean(text)}\n`)
      return `${clean(policy)}: ${word}\n${lines.join('')}`
    })
    .join('')
}
