/** Everything that an upgrade or the way back decides, before it changes anything. */
import {fail} from '../../runtime/errors.ts'
import type {Chart} from '../chart/chart.ts'
import {chartOf, makeRelease, objectsOf, type Release, valuesOf} from '../chart/release.ts'
import {type Tree, toPlain, tree} from '../chart/template/value.ts'
import {readUserValues, type ValueSources} from '../chart/user-values.ts'
import {withDefaults} from '../chart/values.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {chartFrom} from './chart-source.ts'
import {type AnyObject, type ClusterAccess, nameOf} from './cluster-access.ts'
import {derivedTree, deriveValues} from './derive.ts'
import {detectCluster} from './detect.ts'
import {type FieldChange, fieldChanges} from './difference.ts'
import {INSTALL_BUSY, INSTALL_FOREIGN, INSTALL_NOT_FOUND, INSTALL_VERSION, UPGRADE_NO_REVISION} from './errors.ts'
import type {ClusterFacts} from './facts.ts'
import {type PlannedObject, planObjects, withOwner} from './plan.ts'
import {offeredBy, renderValues, staleObjects, withDatapathMode} from './prepare.ts'
import type {ReleaseStore} from './release-store.ts'
import type {NextRevision} from './upgrade.ts'
import {type KeptValues, nextValues} from './upgrade-values.ts'

export interface UpgradeRequest {
  readonly cluster: ClusterOptions
  readonly sources: ValueSources
  readonly kept: KeptValues
  /** --chart-directory */
  readonly chartFolder?: string
  /** --version */
  readonly version?: string
  /** --datapath-mode */
  readonly datapathMode?: string
  readonly nodesWithoutCilium: boolean
  readonly takeOwnership: boolean
}

export interface UpgradePlan {
  readonly release: string
  readonly namespace: string
  readonly from: {readonly version: string; readonly revision: number}
  readonly to: {readonly version: string; readonly revision: number}
  /** all values that count, where they differ */
  readonly values: readonly FieldChange[]
  readonly objects: readonly PlannedObject[]
  readonly removed: readonly string[]
  readonly warnings: readonly string[]
}

export interface PreparedUpgrade {
  readonly plan: UpgradePlan
  readonly next: NextRevision
  /** the user's values that will be stored */
  readonly values: Tree
  readonly manifest: string
}

/**
 * @throws INSTALL_NOT_FOUND, INSTALL_BUSY, INSTALL_VERSION, INSTALL_FOREIGN; errors of the chart and of checkCluster
 */
export async function prepareUpgrade(
  access: ClusterAccess,
  store: ReleaseStore,
  request: UpgradeRequest,
): Promise<PreparedUpgrade> {
  const state = await releaseState(store, request.cluster)
  const chart = await chartFrom(request.chartFolder)
  const asked = request.version?.replace(/^v/, '')
  if (asked !== undefined && asked !== chart.version) fail(INSTALL_VERSION, {asked, carried: chart.version})
  const given = await readUserValues(chart, request.sources)
  const user = withDatapathMode(given.values, request.datapathMode)
  const facts = await detectCluster(access)
  const derivation = {offers: offeredBy(chart), nodesWithoutCilium: request.nodesWithoutCilium}
  const derived = request.kept === 'reset' ? derivedTree(deriveValues(facts, user, chart.values, derivation)) : tree()
  const before = {values: valuesOf(state.running), defaults: chartOf(state.running).values}
  const {values, defaults} = nextValues(request.kept, before, user, chart.values, derived)
  const change = {chart: {...chart, values: defaults}, values, description: 'Upgrade complete'}
  return await nextRevision(access, state, facts, change, request.takeOwnership, given.warnings)
}

/**
 * The same chart with other values.
 *
 * @param change from the user's values and the chart's defaults to the user's values
 * @throws INSTALL_NOT_FOUND, INSTALL_BUSY; errors of the chart and of checkCluster
 */
export async function prepareValueChange(
  access: ClusterAccess,
  store: ReleaseStore,
  cluster: ClusterOptions,
  {change, description}: {change: (values: Tree, defaults: Tree) => Tree; description: string},
): Promise<PreparedUpgrade> {
  const state = await releaseState(store, cluster)
  const chart = chartOf(state.running)
  const values = change(valuesOf(state.running), chart.values)
  return await nextRevision(access, state, await detectCluster(access), {chart, values, description}, false, [])
}

async function nextRevision(
  access: ClusterAccess,
  {newest, running}: ReleaseState,
  facts: ClusterFacts,
  {chart, values, description}: {chart: Chart; values: Tree; description: string},
  takeOwnership: boolean,
  before: readonly string[],
): Promise<PreparedUpgrade> {
  const {name, namespace} = running
  const revision = revisionAfter(newest)
  const place = {name, namespace, revision, isUpgrade: true}
  const {rendered, warnings} = renderValues(chart, values, values, facts, place)
  const release = makeRelease({
    name,
    namespace,
    revision,
    chart,
    values,
    rendered,
    status: 'pending-upgrade',
    description,
    now: new Date(),
    firstDeployed: running.info.first_deployed,
  })
  return await planned(access, {newest, running, release}, takeOwnership, [...before, ...warnings])
}

/**
 * The way back: the objects of an earlier revision as they were stored, as a new revision.
 *
 * @param revision the newest that was deployed before the newest one when undefined
 * @throws INSTALL_NOT_FOUND, INSTALL_BUSY, UPGRADE_NO_REVISION
 */
export async function prepareRollback(
  access: ClusterAccess,
  store: ReleaseStore,
  {cluster, revision}: {cluster: ClusterOptions; revision: number | undefined},
): Promise<PreparedUpgrade> {
  const {newest, running, history} = await releaseState(store, cluster)
  const earlier = history.filter(({version}) => version < newest.version)
  const target =
    revision === undefined
      ? earlier.findLast(({info}) => info.status === 'deployed' || info.status === 'superseded')
      : history.find(({version}) => version === revision)
  if (target === undefined) {
    const known = earlier.map(({version, info}) => `${version} (${info.status})`).join(', ')
    return fail(UPGRADE_NO_REVISION, {release: newest.name, revision: revision ?? 'to go back to', known})
  }
  const now = new Date().toISOString()
  const release: Release = {
    ...target,
    version: revisionAfter(newest),
    info: {
      ...target.info,
      first_deployed: newest.info.first_deployed,
      last_deployed: now,
      status: 'pending-rollback',
      description: `Rollback to ${target.version}`,
    },
  }
  return await planned(access, {newest, running, release}, false, [])
}

/** Compares a revision with what is there. */
async function planned(
  access: ClusterAccess,
  {newest, running, release}: {newest: Release; running: Release; release: Release},
  takeOwnership: boolean,
  warnings: readonly string[],
): Promise<PreparedUpgrade> {
  const {name, namespace} = release
  const wanted = objectsOf(release).map((object) => withOwner(toPlain(object) as unknown as AnyObject, name, namespace))
  const {planned: objects, foreign} = await planObjects(access, wanted, {release: name, namespace, isNew: false})
  if (foreign.length > 0 && !takeOwnership) fail(INSTALL_FOREIGN, {object: foreign[0], release: name})
  // what a revision that failed has made belongs to nobody when the next does not want it
  const stale = new Map([running, newest].flatMap((one) => staleObjects(one, wanted)).map((one) => [nameOf(one), one]))
  return {
    values: valuesOf(release),
    manifest: release.manifest,
    plan: {
      release: name,
      namespace,
      from: {version: running.chart.metadata.version ?? 'unknown', revision: running.version},
      to: {version: release.chart.metadata.version ?? 'unknown', revision: release.version},
      values: fieldChanges(effective(running), effective(release)),
      objects,
      removed: [...stale.keys()],
      warnings: [...warnings, ...restartNote(objects)],
    },
    next: {current: newest, next: release, wanted, stale: [...stale.values()]},
  }
}

/** Agents read most of their configuration when they start. */
function restartNote(objects: readonly PlannedObject[]): readonly string[] {
  const changes = (name: RegExp): boolean => objects.some((one) => one.change === 'change' && name.test(one.name))
  if (!changes(/^ConfigMap .*cilium-config$/) || changes(/^DaemonSet .*\/cilium$/)) return []
  return ['agents that run keep most of the configuration they started with: --restart lets them start anew']
}

/** All values that count, for people and comparison. */
function effective(release: Release): unknown {
  return toPlain(withDefaults(valuesOf(release), chartOf(release).values).values)
}

interface ReleaseState {
  readonly newest: Release
  /** whose values count: the last that was deployed */
  readonly running: Release
  readonly history: readonly Release[]
}

/**
 * @throws INSTALL_NOT_FOUND, INSTALL_BUSY
 */
async function releaseState(
  store: ReleaseStore,
  {helmReleaseName: name, namespace}: ClusterOptions,
): Promise<ReleaseState> {
  const history = await store.history()
  const newest = history.at(-1)
  if (newest === undefined || newest.info.status === 'uninstalled')
    return fail(INSTALL_NOT_FOUND, {release: name, namespace})
  const {status, last_deployed: since} = newest.info
  // a change that broke off is made anew; an installation that did is ended by `cilium install`
  if (!['deployed', 'failed', 'superseded', 'pending-upgrade', 'pending-rollback'].includes(status))
    return fail(INSTALL_BUSY, {release: name, status, since})
  return {newest, history, running: history.findLast(({info}) => info.status === 'deployed') ?? newest}
}

/** One that broke off is written again; behind any other comes the next. */
function revisionAfter({version, info}: Release): number {
  return info.status === 'pending-upgrade' || info.status === 'pending-rollback' ? version : version + 1
}
