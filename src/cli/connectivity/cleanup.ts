import {fail} from '../../runtime/errors.ts'
import {duration} from '../render/duration.ts'
import {TEST_CLEANUP_STUCK} from './errors.ts'
import type {KubernetesObject, TestCluster} from './test-cluster.ts'
import {until} from './until.ts'
import {ownerLabel, ownerValue} from './workloads/objects.ts'

const goneMs = 180_000

/**
 * Deletes all namespaces that tests with this prefix have made, and waits until they are gone. Namespaces of others
 * are left alone whatever they are called.
 *
 * @returns what was deleted
 */
export async function cleanUp(cluster: TestCluster, prefix: string, signal: AbortSignal): Promise<readonly string[]> {
  const namespaces = await cluster.list<KubernetesObject>(
    {apiVersion: 'v1', kind: 'Namespace'},
    {selector: `${ownerLabel}=${ownerValue}`},
  )
  const names = namespaces.map(({metadata}) => metadata.name).filter((name) => isOfPrefix(name, prefix))
  for (const name of names) await cluster.delete({apiVersion: 'v1', kind: 'Namespace', name})
  await Promise.all(
    names.map(async (name) => {
      const gone = await until(
        async () => ((await cluster.get({apiVersion: 'v1', kind: 'Namespace', name})) === undefined ? true : undefined),
        {signal, timeoutMs: goneMs},
      )
      if (gone !== true) fail(TEST_CLEANUP_STUCK, {namespace: name, waited: duration(goneMs)})
    }),
  )
  return names
}

function isOfPrefix(name: string, prefix: string): boolean {
  return name.startsWith(`${prefix}-`) && /^(\d+|ccnp\d+)$/.test(name.slice(prefix.length + 1))
}
