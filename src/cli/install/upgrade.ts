/**
 * Applies what upgrade-plan.ts has decided. As with an installation each step may be the last one that runs; the release
 * says pending-upgrade until all objects are applied.
 */

import type {Step} from '../../lab/steps.ts'
import {type Release, withStatus} from '../chart/release.ts'
import {type AnyObject, type ClusterAccess, nameOf} from './cluster-access.ts'
import {applyObject, noteFailure} from './install.ts'
import type {ReleaseStore} from './release-store.ts'

export interface NextRevision {
  /** the newest revision that there is */
  readonly current: Release
  readonly next: Release
  readonly wanted: readonly AnyObject[]
  /** objects of revisions before that the next one does not have */
  readonly stale: readonly AnyObject[]
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
