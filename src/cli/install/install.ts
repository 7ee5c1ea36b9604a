/**
 * Applies what prepare.ts has decided. Each step may be the last one that runs: the next `install` goes on from there,
 * because the release is noted before the first object is made, and applying twice is applying once.
 */

import type {Step} from '../../lab/steps.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {makeRelease, type Release, withStatus} from '../chart/release.ts'
import {type AnyObject, type ClusterAccess, nameOf} from './cluster-access.ts'
import {INSTALL_APPLY} from './errors.ts'
import type {PreparedInstall} from './prepare.ts'
import {ReleaseStore} from './release-store.ts'

export interface ApplyInstallOptions {
  readonly historyMax: number
  readonly now: () => Date
}

/** The steps of an installation. They have to run one after another. */
export function installSteps(access: ClusterAccess, prepared: PreparedInstall, options: ApplyInstallOptions): Step[] {
  const {plan, wanted, stale} = prepared
  const store = new ReleaseStore(access, plan.namespace, plan.release)
  let release: Release | undefined
  const failing = (work: () => Promise<void>): Promise<void> => noteFailure(store, release, work)
  return [
    {
      title: `Namespace ${plan.namespace}`,
      skip: () => (prepared.makesNamespace ? undefined : 'is there'),
      run: async (_, signal) => void (await applyObject(access, namespaceObject(plan.namespace), signal)),
    },
    {
      title: 'Clean-up of an unfinished uninstall',
      skip: () => (prepared.leftover === undefined ? 'nothing' : undefined),
      run: async (_, signal) => {
        // its pods hold nothing any more; new ones would clean what the agents are about to make
        await access.delete(prepared.leftover!, {signal, propagation: 'Background'})
      },
    },
    {
      title: `Release ${plan.release}`,
      skip: () => (prepared.isRepair ? 'is deployed' : undefined),
      run: async () => {
        release = await recordRelease(store, prepared, options)
      },
    },
    {
      title: `${wanted.length} objects`,
      run: (say, signal) =>
        failing(async () => {
          for (const object of wanted) {
            say(nameOf(object))
            await applyObject(access, object, signal)
          }
        }),
    },
    {
      title: 'What is not wanted any more',
      skip: () => (stale.length === 0 ? 'nothing' : undefined),
      run: (say, signal) =>
        failing(async () => {
          for (const object of [...stale].reverse()) {
            say(nameOf(object))
            await access.delete(object, {signal, propagation: 'Background'})
          }
        }),
    },
    {
      title: 'Release is deployed',
      skip: () => (prepared.isRepair ? 'since before' : undefined),
      run: async () => store.update(withStatus(release!, 'deployed', 'Install complete', options.now()), options.now()),
    },
  ]
}

/** Marks the release as failed when the work fails; one that is interrupted stays pending. */
export async function noteFailure(
  store: ReleaseStore,
  release: Release | undefined,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    if (release !== undefined && !isAbort(thrown)) {
      const now = new Date()
      await store.update(withStatus(release, 'failed', `failed: ${(thrown as Error).message}`.slice(0, 500), now), now)
    }
    throw thrown
  }
}

/** Notes the release as begun: a new revision, or the unfinished one again. */
async function recordRelease(
  store: ReleaseStore,
  {plan, chart, values, rendered, previous}: PreparedInstall,
  {historyMax, now}: ApplyInstallOptions,
): Promise<Release> {
  const at = now()
  const release = makeRelease({
    name: plan.release,
    namespace: plan.namespace,
    revision: plan.revision,
    chart,
    values,
    rendered,
    status: 'pending-install',
    description: 'Initial install underway',
    now: at,
    ...(previous === undefined ? {} : {firstDeployed: previous.info.first_deployed}),
  })
  if (previous?.version === plan.revision) await store.update(release, at)
  else await store.create(release, at, historyMax)
  return release
}

/** Applies one object. @throws INSTALL_APPLY naming it */
export async function applyObject(access: ClusterAccess, object: AnyObject, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  try {
    await access.apply(object, {signal})
  } catch (thrown) {
    if (isAbort(thrown)) throw thrown
    const detail = CiliumError.from(thrown).message
    fail(INSTALL_APPLY, {object: nameOf(object), verb: 'applied', detail}, {cause: thrown})
  }
}

/** The agent needs the node's network and mounts, so its namespace has to allow that. */
function namespaceObject(name: string): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {name, labels: {'pod-security.kubernetes.io/enforce': 'privileged'}},
  } as AnyObject
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown.name === 'AbortError' || (thrown as {code?: string}).code === 'INTERRUPTED')
}
