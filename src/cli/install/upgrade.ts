/**
 * A release's next revision: other values, the same chart. As with an installation each step may be the last one that
 * runs; the release says pending-upgrade until all objects are applied.
 */

import type {Step} from '../../lab/steps.ts'
import {fail} from '../../runtime/errors.ts'
import {chartOf, makeRelease, objectsOf, type Release, withStatus} from '../chart/release.ts'
import {renderChart} from '../chart/render.ts'
import {checkSchema} from '../chart/schema.ts'
import {type Tree, toPlain} from '../chart/template/value.ts'
import {withDefaults} from '../chart/values.ts'
import {type AnyObject, type ClusterAccess, nameOf} from './cluster-access.ts'
import {INSTALL_BUSY, INSTALL_NOT_FOUND} from './errors.ts'
import {applyObject, noteFailure} from './install.ts'
import {ownedObject} from './plan.ts'
import type {ReleaseStore} from './release-store.ts'

export interface NextRevision {
  readonly current: Release
  readonly next: Release
  readonly wanted: readonly AnyObject[]
  /** objects of the current revision that the next one does not have */
  readonly stale: readonly AnyObject[]
}

/** The release that is deployed. @throws INSTALL_NOT_FOUND, INSTALL_BUSY */
export async function deployedRelease(store: ReleaseStore, name: string, namespace: string): Promise<Release> {
  const release = await store.newest()
  if (release === undefined || release.info.status === 'uninstalled') {
    return fail(INSTALL_NOT_FOUND, {release: name, namespace})
  }
  const {status, last_deployed: since} = release.info
  // an upgrade that broke off is repeated; an installation that did is ended by `cilium install`
  if (status === 'deployed' || status === 'failed' || status === 'pending-upgrade') return release
  return fail(INSTALL_BUSY, {release: name, status, since})
}

/**
 * @param values the user's, whole
 * @param description what the history says of it
 * @throws errors of the chart; see chart/errors.ts
 */
export async function prepareRevision(
  access: ClusterAccess,
  current: Release,
  values: Tree,
  description: string,
): Promise<NextRevision> {
  const chart = chartOf(current)
  const all = withDefaults(values, chart.values).values
  checkSchema(chart, all)
  const version = await access.get<{gitVersion: string}>('/version')
  const revision = current.info.status === 'pending-upgrade' ? current.version : current.version + 1
  const rendered = renderChart(chart, all, {
    releaseName: current.name,
    namespace: current.namespace,
    revision,
    isUpgrade: true,
    kubernetesVersion: version?.gitVersion ?? 'v0.0.0',
  })
  const wanted = rendered.manifests.map((manifest) => ownedObject(manifest, current.name, current.namespace))
  const kept = new Set(wanted.map(nameOf))
  const objects = objectsOf(current).map((object) => toPlain(object) as unknown as AnyObject)
  // what the server would refuse is refused before anything is changed
  for (const object of wanted) await access.apply(object, {dryRun: true})
  return {
    current,
    next: makeRelease({
      name: current.name,
      namespace: current.namespace,
      revision,
      chart,
      values,
      rendered,
      status: 'pending-upgrade',
      description,
      now: new Date(),
      firstDeployed: current.info.first_deployed,
    }),
    wanted,
    stale: objects.filter((object) => !kept.has(nameOf(object))),
  }
}

/** The steps of an upgrade, to run one after another. */
export function upgradeSteps(
  access: ClusterAccess,
  store: ReleaseStore,
  {current, next, wanted, stale}: NextRevision,
  options: {historyMax: number},
): Step[] {
  const description = next.info.description
  return [
    {
      title: `Revision ${next.version} of release ${next.name}`,
      run: async () => {
        if (next.version === current.version) await store.update(next, new Date())
        else await store.create(next, new Date(), options.historyMax)
      },
    },
    {
      title: `${wanted.length} objects`,
      run: async (say, signal) => {
        await noteFailure(store, next, async () => {
          for (const object of wanted) {
            say(nameOf(object))
            await applyObject(access, object, signal)
          }
          for (const object of [...stale].reverse()) await access.delete(object, {signal, propagation: 'Background'})
        })
      },
    },
    {
      title: 'Release is deployed',
      run: async () => {
        const now = new Date()
        await store.update(withStatus(next, 'deployed', description, now), now)
        for (const old of await store.history()) {
          if (old.version === next.version || old.info.status !== 'deployed') continue
          await store.update(withStatus(old, 'superseded', old.info.description, now), now)
        }
      },
    },
  ]
}

/** Starts the pods of agents and operators anew, node by node as their update strategy says. */
export function restartSteps(access: ClusterAccess, wanted: readonly AnyObject[], now: Date): Step[] {
  const workloads = wanted.filter(({kind}) => kind === 'DaemonSet' || kind === 'Deployment')
  const annotations = {'kubectl.kubernetes.io/restartedAt': now.toISOString()}
  return workloads.map((workload) => ({
    title: `Restart of ${nameOf(workload)}`,
    run: async (_, signal) => access.mergePatch(workload, {spec: {template: {metadata: {annotations}}}}, signal),
  }))
}
