/**
 * Removes what plan.ts has found. The order makes every step repeatable and none early:
 *
 *     users' objects to a file → release marked → workloads end → nodes cleaned → all other objects
 *       → marks on nodes → custom resources → definitions → the release itself, last
 *
 * so that a second run finds the release again and goes on, until nothing is left.
 */
import {access as canAccess, constants, writeFile} from 'node:fs/promises'
import {dirname} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Step} from '../../lab/steps.ts'
import {fail} from '../../runtime/errors.ts'
import {withStatus} from '../chart/release.ts'
import {type AnyObject, type ClusterAccess, nameOf} from '../install/cluster-access.ts'
import {UNINSTALL_EXPORT, UNINSTALL_TIMEOUT} from '../install/errors.ts'
import {ReleaseStore} from '../install/release-store.ts'
import {exportText, removeCustomObject} from './custom-objects.ts'
import {cleanupObject, waitForCleanup} from './node-cleanup.ts'
import {unmarkNode} from './node-marks.ts'
import {isWorkload, namesOf, plannedCleanup, type UninstallPlan} from './plan.ts'

export interface UninstallOptions {
  /** where users' objects are written; never overwritten */
  readonly exportFile: string
  /** --wait: until everything is really gone */
  readonly wait: boolean
  readonly timeoutMs: number
}

/** The steps, to run one after another. */
export function uninstallSteps(access: ClusterAccess, plan: UninstallPlan, options: UninstallOptions): Step[] {
  const deadline = Date.now() + options.timeoutMs
  const seconds = Math.round(options.timeoutMs / 1000)
  const store = new ReleaseStore(access, plan.namespace, plan.release)
  const cleanup = plannedCleanup(plan)
  const workloads = plan.objects.filter(isWorkload)
  const others = plan.objects.filter((object) => !isWorkload(object)).reverse()
  const waitFor = (gone: readonly AnyObject[], say: (text: string) => void, signal: AbortSignal) =>
    waitUntilGone(access, gone, {deadline, seconds, say, signal})
  return [
    {
      title: `Objects of yours to ${options.exportFile}`,
      skip: () => (plan.own.length === 0 ? 'there are none' : undefined),
      run: () => exportObjects(plan.own, options.exportFile),
    },
    {
      title: `Release ${plan.release}`,
      skip: () => (plan.version === undefined ? 'there is none' : undefined),
      run: async () => {
        const release = await store.newest()
        const now = new Date()
        if (release !== undefined)
          await store.update(withStatus(release, 'uninstalling', 'Deletion in progress', now), now)
      },
    },
    {
      title: 'Test namespaces',
      skip: () => (plan.testNamespaces.length === 0 ? 'there are none' : undefined),
      run: async (say, signal) => {
        const namespaces = plan.testNamespaces.map(namespaceObject)
        await removeAll(access, namespaces, say, signal)
        // their pods still have a network to end on
        await waitFor(namespaces, say, signal)
      },
    },
    {
      title: 'Agents and operators',
      run: async (say, signal) => {
        await removeAll(access, workloads, say, signal, 'Foreground')
        await waitFor(workloads, say, signal)
      },
    },
    {
      title: 'Nodes',
      skip: () => (plan.hasLeftover ? undefined : plan.cleanBecause),
      run: async (say, signal) => {
        if (cleanup !== undefined) {
          await access.apply(cleanup, {signal})
          await waitForCleanup(access, cleanup, {deadline, seconds, signal, say})
        }
        const done = cleanupObject(plan.namespace)
        await access.delete(done, {signal, propagation: 'Foreground'})
        await waitFor([done], say, signal)
      },
    },
    {title: 'Other objects', run: (say, signal) => removeAll(access, others, say, signal)},
    {
      title: 'Marks on nodes',
      skip: () => (plan.markedNodes.length === 0 ? 'there are none' : undefined),
      run: async (say, signal) => {
        for (const node of plan.markedNodes) {
          say(node)
          await unmarkNode(access, node, signal)
        }
      },
    },
    {
      title: 'Custom resources',
      run: async (say, signal) => {
        const removed = plan.keptDefinitions.length > 0 ? plan.books : [...plan.books, ...plan.own]
        for (const object of removed) {
          say(nameOf(object))
          await removeCustomObject(access, object, signal)
        }
        await removeAll(access, plan.definitions, say, signal)
      },
    },
    {
      title: 'Everything is gone',
      skip: () => (options.wait ? undefined : 'not waited for'),
      run: (say, signal) => waitFor([...plan.objects, ...plan.definitions], say, signal),
    },
    {
      title: 'Record of the release',
      run: async (_, signal) => {
        for (const lease of await ownLeases(access, plan.namespace)) await access.delete(lease, {signal})
        await store.removeAll()
      },
    },
  ]
}

/** Writes the file before anything is removed. @throws UNINSTALL_EXPORT */
async function exportObjects(objects: readonly AnyObject[], path: string): Promise<void> {
  try {
    await canAccess(dirname(path), constants.W_OK)
    await writeFile(path, exportText(objects), {flag: 'wx', mode: 0o600})
  } catch (thrown) {
    const {code, message} = thrown as NodeJS.ErrnoException
    fail(
      UNINSTALL_EXPORT,
      {path, detail: code === 'EEXIST' ? 'there is such a file already' : message},
      {cause: thrown},
    )
  }
}

async function removeAll(
  access: ClusterAccess,
  objects: readonly AnyObject[],
  say: (text: string) => void,
  signal: AbortSignal,
  propagation: 'Background' | 'Foreground' = 'Background',
): Promise<void> {
  for (const object of objects) {
    say(nameOf(object))
    await access.delete(object, {signal, propagation})
  }
}

async function waitUntilGone(
  access: ClusterAccess,
  objects: readonly AnyObject[],
  wait: {deadline: number; seconds: number; say: (text: string) => void; signal: AbortSignal},
): Promise<void> {
  let left = objects
  for (;;) {
    const found = await Promise.all(left.map((object) => access.find(object)))
    left = left.filter((_, index) => found[index] !== undefined)
    if (left.length === 0) return
    wait.say(`waiting for ${namesOf(left)}`)
    if (Date.now() > wait.deadline) fail(UNINSTALL_TIMEOUT, {seconds: wait.seconds, left: namesOf(left)})
    await sleep(500, undefined, {signal: wait.signal})
  }
}

function namespaceObject(name: string): AnyObject {
  return {apiVersion: 'v1', kind: 'Namespace', metadata: {name}} as AnyObject
}

/** Who led what: the operators, and for each announced service a node. Nobody else takes such names. */
async function ownLeases(access: ClusterAccess, namespace: string): Promise<AnyObject[]> {
  const leases = await access.list<AnyObject>(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`)
  return leases
    .filter(({metadata: {name}}) => name === 'cilium-operator-resource-lock' || name.startsWith('cilium-l2announce-'))
    .map(
      ({metadata: {name}}) =>
        ({
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: {name, namespace},
        }) as AnyObject,
    )
}
