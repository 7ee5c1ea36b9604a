/** `cilium upgrade` from flags to result. */
import {fail} from '../../runtime/errors.ts'
import {toYaml} from '../chart/template/go-yaml.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {type ProgressOptions, runWithProgress} from '../lab/progress.ts'
import {clean} from '../render/text.ts'
import type {StatusReport} from '../status/report.ts'
import {ClusterAccess} from './cluster-access.ts'
import {type FieldChange, fieldChanges} from './difference.ts'
import {UPGRADE_ROLLED_BACK} from './errors.ts'
import {type Readiness, waitStep} from './readiness.ts'
import {ReleaseStore} from './release-store.ts'
import {restartSteps, upgradeSteps} from './upgrade.ts'
import {
  type PreparedUpgrade,
  prepareRollback,
  prepareUpgrade,
  type UpgradePlan,
  type UpgradeRequest,
} from './upgrade-plan.ts'

/** Forwards with values, or back to a revision: undefined for the one before. */
export type UpgradeWay =
  | {readonly way: 'forward'; readonly request: UpgradeRequest}
  | {readonly way: 'back'; readonly cluster: ClusterOptions; readonly revision: number | undefined}

export interface UpgradeOptions {
  readonly historyMax: number
  /** start pods anew even where their objects do not change */
  readonly restart: boolean
  readonly wait: boolean
  readonly waitMs: number
  /** go back when --wait ends without all being well */
  readonly rollBackOnFailure: boolean
  readonly progress: ProgressOptions
  /** called before the first change */
  readonly onPlan: (plan: UpgradePlan) => void
}

export interface UpgradeResult {
  readonly release: string
  readonly namespace: string
  readonly version: string
  readonly revision: number
  readonly created: number
  readonly changed: number
  readonly kept: number
  readonly removed: number
  /** with --wait: how it is now */
  readonly status?: StatusReport
  /** with --wait: why waiting ended without all being well */
  readonly gaveUp?: string
}

/** What --dry-run tells: nothing was changed. */
export interface UpgradeDifference {
  readonly release: string
  readonly from: UpgradePlan['from']
  readonly to: UpgradePlan['to']
  readonly values: readonly FieldChange[]
  readonly created: readonly string[]
  readonly changed: readonly {readonly object: string; readonly fields: readonly FieldChange[]}[]
  readonly removed: readonly string[]
  readonly kept: number
  readonly warnings: readonly string[]
}

/** @throws what prepareUpgrade and prepareRollback throw; INSTALL_APPLY, UPGRADE_ROLLED_BACK */
export async function upgrade(way: UpgradeWay, options: UpgradeOptions): Promise<UpgradeResult> {
  const cluster = clusterOf(way)
  using access = await ClusterAccess.connect(cluster)
  const store = new ReleaseStore(access, cluster.namespace, cluster.helmReleaseName)
  const prepared = await prepare(access, store, way)
  const {plan, next} = prepared
  options.onPlan(plan)
  const waiting: Readiness = {}
  const steps = upgradeSteps(access, store, next, {historyMax: options.historyMax})
  if (options.restart) steps.push(...restartSteps(access, next.wanted, new Date()))
  if (options.wait) steps.push(waitStep({cluster, waitMs: options.waitMs}, waiting))
  try {
    await runWithProgress(steps, options.progress)
  } catch (thrown) {
    if (options.rollBackOnFailure && !options.progress.signal.aborted)
      await goBack(access, store, cluster, plan, options, (thrown as Error).message)
    throw thrown
  }
  if (waiting.gaveUp !== undefined && options.rollBackOnFailure)
    await goBack(access, store, cluster, plan, options, waiting.gaveUp, waiting.report)
  const count = (change: string): number => plan.objects.filter((one) => one.change === change).length
  return {
    release: plan.release,
    namespace: plan.namespace,
    version: plan.to.version,
    revision: plan.to.revision,
    created: count('create'),
    changed: count('change'),
    kept: count('keep'),
    removed: plan.removed.length,
    ...(waiting.report === undefined ? {} : {status: waiting.report}),
    ...(waiting.gaveUp === undefined ? {} : {gaveUp: waiting.gaveUp}),
  }
}

/** What would change, and nothing else. */
export async function upgradeDifference(way: UpgradeWay): Promise<UpgradeDifference> {
  const {plan} = await look(way)
  const named = (change: string) => plan.objects.filter((one) => one.change === change)
  return {
    release: plan.release,
    from: plan.from,
    to: plan.to,
    values: plan.values,
    created: named('create').map(({name}) => name),
    changed: named('change').map(({name, object, before, after}) => ({
      object: name,
      fields: fieldChanges(before, after, object.kind === 'Secret'),
    })),
    removed: plan.removed,
    kept: named('keep').length,
    warnings: plan.warnings,
  }
}

/** The manifests that would be applied, as one text. */
export async function upgradeManifest(way: UpgradeWay): Promise<string> {
  return (await look(way)).manifest
}

/** The user's values that would be stored, as YAML. */
export async function upgradeValues(way: UpgradeWay): Promise<string> {
  return toYaml((await look(way)).values)
}

async function look(way: UpgradeWay): Promise<PreparedUpgrade> {
  const cluster = clusterOf(way)
  using access = await ClusterAccess.connect(cluster)
  return await prepare(access, new ReleaseStore(access, cluster.namespace, cluster.helmReleaseName), way)
}

async function prepare(access: ClusterAccess, store: ReleaseStore, way: UpgradeWay): Promise<PreparedUpgrade> {
  return way.way === 'forward'
    ? await prepareUpgrade(access, store, way.request)
    : await prepareRollback(access, store, way)
}

/** Makes the revision that ran before the current one again. @throws UPGRADE_ROLLED_BACK always, when it is */
async function goBack(
  access: ClusterAccess,
  store: ReleaseStore,
  cluster: ClusterOptions,
  plan: UpgradePlan,
  options: UpgradeOptions,
  why: string,
  then?: StatusReport,
): Promise<never> {
  const back = await prepareRollback(access, store, {cluster, revision: plan.from.revision})
  const waiting: Readiness = {}
  const steps = upgradeSteps(access, store, back.next, {historyMax: options.historyMax})
  if (options.wait) steps.push(waitStep({cluster, waitMs: options.waitMs}, waiting))
  await runWithProgress(steps, options.progress)
  const numbers = {revision: plan.to.revision, before: plan.from.revision, now: back.plan.to.revision}
  return fail(UPGRADE_ROLLED_BACK, {...numbers, why, found: then === undefined ? '' : found(then)})
}

/** What was wrong before it went back: by then nobody can look any more. */
function found({findings}: StatusReport): string {
  // what a container says of itself is a warning, and the cause more often than not
  const texts = findings
    .toSorted((a, b) => (a.severity < b.severity ? -1 : a.severity > b.severity ? 1 : 0))
    .map(({pod, text}) => `${pod}: ${clean(text)}`)
  const shown = texts.slice(0, 8).concat(texts.length > 8 ? [`and ${texts.length - 8} more`] : [])
  return shown.length === 0 ? '' : `. What was wrong then: ${shown.join('; ')}`
}

function clusterOf(way: UpgradeWay): ClusterOptions {
  return way.way === 'forward' ? way.request.cluster : way.cluster
}
