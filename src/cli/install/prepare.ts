/** Everything that an installation decides, before it changes anything. */
import {fail} from '../../runtime/errors.ts'
import type {Chart} from '../chart/chart.ts'
import {laterValues} from '../chart/later-values.ts'
import {objectsOf, type Release, valuesOf} from '../chart/release.ts'
import {type Rendered, renderChart} from '../chart/render.ts'
import {checkSchema} from '../chart/schema.ts'
import {toJson} from '../chart/template/functions-text.ts'
import {type Tree, toPlain, tree, type Value} from '../chart/template/value.ts'
import {readUserValues, type ValueSources} from '../chart/user-values.ts'
import {getPath, putPath} from '../chart/value-path.ts'
import {overlay, withDefaults} from '../chart/values.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {cleanupObject} from '../uninstall/node-cleanup.ts'
import {chartFrom} from './chart-source.ts'
import {checkCluster} from './check.ts'
import {type AnyObject, type ClusterAccess, nameOf} from './cluster-access.ts'
import {type Derived, derivedTree, deriveValues} from './derive.ts'
import {detectCluster} from './detect.ts'
import {INSTALL_BUSY, INSTALL_DATAPATH_MODE, INSTALL_EXISTS, INSTALL_FOREIGN, INSTALL_VERSION} from './errors.ts'
import type {ClusterFacts} from './facts.ts'
import {type InstallPlan, ownedObject, planObjects} from './plan.ts'
import {ReleaseStore} from './release-store.ts'

export interface InstallRequest {
  readonly cluster: ClusterOptions
  readonly sources: ValueSources
  /** --chart-directory */
  readonly chartFolder?: string
  /** --version */
  readonly version?: string
  /** --datapath-mode */
  readonly datapathMode?: string
  readonly nodesWithoutCilium: boolean
  readonly takeOwnership: boolean
}

export interface PreparedInstall {
  readonly chart: Chart
  readonly plan: InstallPlan
  /** what is stored with the release: derived values and the user's */
  readonly values: Tree
  readonly rendered: Rendered
  readonly wanted: readonly AnyObject[]
  /** objects of an unfinished installation that are not wanted any more */
  readonly stale: readonly AnyObject[]
  /** the release that is gone on with */
  readonly previous: Release | undefined
  /** what is installed is wanted as it is: only what is missing or changed is mended */
  readonly isRepair: boolean
  /** the DaemonSet that an unfinished uninstallation has left */
  readonly leftover: AnyObject | undefined
  /** the namespace has to be made first */
  readonly makesNamespace: boolean
}

/**
 * Reads the cluster and the values, and refuses what cannot work. Changes nothing.
 *
 * @throws errors of errors.ts here and in chart/; of the Kubernetes client when the API server cannot be reached
 */
export async function prepareInstall(access: ClusterAccess, request: InstallRequest): Promise<PreparedInstall> {
  const {namespace, helmReleaseName: name} = request.cluster
  const chart = await chartFrom(request.chartFolder)
  const asked = request.version?.replace(/^v/, '')
  if (asked !== undefined && asked !== chart.version) fail(INSTALL_VERSION, {asked, carried: chart.version})

  const given = await readUserValues(chart, request.sources)
  const user = withDatapathMode(given.values, request.datapathMode)
  const facts = await detectCluster(access)
  const store = new ReleaseStore(access, namespace, name)
  const previous = await store.newest()
  const derived = deriveValues(facts, user, chart.values, {
    offers: offeredBy(chart),
    nodesWithoutCilium: request.nodesWithoutCilium,
  })
  const {values, isRepair} = settleValues(previous, derived, user)
  const {rendered, warnings} = renderValues(chart, values, user, facts, {
    name,
    namespace,
    revision: revisionOf(previous),
    isUpgrade: false,
  })
  const wanted = rendered.manifests.map((manifest) => ownedObject(manifest, name, namespace))
  const makesNamespace = (await access.get(`/api/v1/namespaces/${namespace}`)) === undefined
  const {planned, foreign} = await planObjects(access, wanted, {release: name, namespace, isNew: makesNamespace})
  if (foreign.length > 0 && !request.takeOwnership) fail(INSTALL_FOREIGN, {object: foreign[0], release: name})
  return {
    chart,
    values,
    rendered,
    wanted,
    makesNamespace,
    leftover: await access.find(cleanupObject(namespace)),
    previous,
    isRepair,
    stale: previous === undefined || isRepair ? [] : staleObjects(previous, wanted),
    plan: {
      facts,
      release: name,
      namespace,
      version: chart.version,
      revision: revisionOf(previous),
      state: isRepair
        ? 'installed'
        : previous === undefined || previous.info.status === 'uninstalled'
          ? 'new'
          : 'unfinished',
      derived: isRepair ? [] : derived.values,
      objects: planned,
      warnings: [...given.warnings, ...warnings],
      notes: derived.notes,
    },
  }
}

/** Does the chart offer this value, or does it only know its name? */
export function offeredBy(chart: Chart): (path: string, value: Value) => boolean {
  const later = laterValues(chart)
  return (path, value) => later.get(path)?.some((accepted) => toJson(accepted) === toJson(value)) ?? true
}

export function withDatapathMode(user: Tree, mode: string | undefined): Tree {
  if (mode === undefined) return user
  if (mode !== 'tunnel' && mode !== 'native') return fail(INSTALL_DATAPATH_MODE, {mode})
  const values = tree([['routingMode', mode]])
  return overlay(values, user)
}

/**
 * Values of this installation: derived ones below the user's. What is installed already stays as it is; asking for
 * other values then is an upgrade, which this is not.
 */
function settleValues(previous: Release | undefined, derived: Derived, user: Tree): {values: Tree; isRepair: boolean} {
  const fresh = overlay(derivedTree(derived), user)
  switch (previous?.info.status) {
    case undefined:
    case 'pending-install':
    case 'failed':
    case 'uninstalled':
    case 'uninstalling':
      return {values: fresh, isRepair: false}
    case 'deployed': {
      const stored = valuesOf(previous)
      const isSame = toJson(overlay(stored, user)) === toJson(stored)
      if (isSame) return {values: stored, isRepair: true}
      return fail(INSTALL_EXISTS, {
        version: previous.chart.metadata.version,
        release: previous.name,
        revision: previous.version,
      })
    }
    default:
      return fail(INSTALL_BUSY, {
        release: previous!.name,
        status: previous!.info.status,
        since: previous!.info.last_deployed,
      })
  }
}

/**
 * @param values what is stored with the release
 * @param user what of them the user gave
 * @throws errors of the chart, and of checkCluster
 */
export function renderValues(
  chart: Chart,
  values: Tree,
  user: Tree,
  facts: ClusterFacts,
  release: {name: string; namespace: string; revision: number; isUpgrade: boolean},
): {rendered: Rendered; warnings: readonly string[]} {
  const {values: all, warnings} = withDefaults(values, chart.values)
  if (getPath(all, 'k8sServiceHost') === 'auto') settleAutoHost(all, facts)
  checkSchema(chart, all)
  const rendered = renderChart(chart, all, {
    releaseName: release.name,
    namespace: release.namespace,
    revision: release.revision,
    isUpgrade: release.isUpgrade,
    kubernetesVersion: facts.kubernetesVersion,
  })
  checkCluster(facts, all, user, release.namespace)
  return {rendered, warnings}
}

/** `auto` is answered here: templates of ours read nothing from clusters. */
function settleAutoHost(values: Tree, facts: ClusterFacts): void {
  const endpoint = facts.apiEndpoints[0]
  if (endpoint === undefined) return
  putPath(values, 'k8sServiceHost', endpoint.host)
  putPath(values, 'k8sServicePort', BigInt(endpoint.port))
}

/** An unfinished revision is written again; behind a finished one comes the next. */
function revisionOf(previous: Release | undefined): number {
  if (previous === undefined) return 1
  return previous.info.status === 'uninstalled' ? previous.version + 1 : previous.version
}

export function staleObjects(previous: Release, wanted: readonly AnyObject[]): readonly AnyObject[] {
  const kept = new Set(wanted.map(nameOf))
  return objectsOf(previous)
    .map((object) => toPlain(object) as unknown as AnyObject)
    .filter((object) => !kept.has(nameOf(object)))
}
