/** Pods whose network goes away with us, and how their owners start them anew. */

import type {Pod} from '../../k8s/resources.ts'
import type {AnyObject} from '../install/cluster-access.ts'

export interface StuckPods {
  /** what starts them anew, once another network is there */
  readonly command: string
  /** namespace/name, sorted */
  readonly pods: readonly string[]
}

/**
 * @param pods all pods of the cluster
 * @param endpoints CiliumEndpoints, named as their pods; undefined when there is no list: then every pod is suspect
 */
export function findStuckPods(pods: readonly Pod[], endpoints: readonly AnyObject[] | undefined): readonly StuckPods[] {
  const ours = endpoints === undefined ? undefined : new Set(endpoints.map(keyOf))
  const byCommand = new Map<string, string[]>()
  for (const pod of pods) {
    if (pod.spec?.hostNetwork || !['Pending', 'Running'].includes(pod.status?.phase ?? '')) continue
    if (pod.spec?.nodeName === undefined || pod.metadata.deletionTimestamp !== undefined) continue
    if (ours !== undefined && !ours.has(keyOf(pod))) continue
    const command = restartCommand(pod)
    byCommand.set(command, [...(byCommand.get(command) ?? []), keyOf(pod)])
  }
  return [...byCommand]
    .map(([command, names]) => ({command, pods: names.sort()}))
    .sort((a, b) => (a.pods[0]! < b.pods[0]! ? -1 : 1))
}

function restartCommand({metadata}: Pod): string {
  const {namespace = 'default', name, labels = {}} = metadata
  const owner = metadata.ownerReferences?.find(({controller}) => controller)
  const hash = labels['pod-template-hash']
  const isDeployment = owner?.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)
  if (isDeployment) {
    return `kubectl -n ${namespace} rollout restart deployment/${owner.name.slice(0, -hash.length - 1)}`
  }
  if (owner?.kind === 'DaemonSet' || owner?.kind === 'StatefulSet') {
    return `kubectl -n ${namespace} rollout restart ${owner.kind.toLowerCase()}/${owner.name}`
  }
  return `kubectl -n ${namespace} delete pod ${name}`
}

function keyOf({metadata}: {readonly metadata: {readonly namespace?: string; readonly name: string}}): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`
}
