/** What a pod belongs to, as people think of it: the Deployment above its ReplicaSet, the CronJob above its Job. */
import {list, type Metadata, texts} from './object.ts'

export interface WorkloadRow {
  readonly name: string
  readonly kind: string
}

/**
 * Rules: 1 a ReplicaSet named after its template's hash is a Deployment's; 2 a Job named after its minute is a
 * CronJob's; 3 another controller counts as it is; 4 a pod without one is its own.
 */
export function workloadOf(metadata: Metadata | undefined): WorkloadRow {
  const own = {name: metadata?.name ?? '', kind: 'Pod'}
  const owner = list(metadata?.ownerReferences).find(({controller}) => controller === true)
  if (typeof owner?.name !== 'string' || typeof owner.kind !== 'string' || owner.kind === 'Node') return own
  const {name, kind} = owner
  const hash = texts(metadata?.labels)['pod-template-hash']
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`))
    return {name: name.slice(0, -hash.length - 1), kind: 'Deployment'}
  const [, cronJob] = kind === 'Job' ? (/^(.+)-\d{8,10}$/.exec(name) ?? []) : []
  if (cronJob !== undefined) return {name: cronJob, kind: 'CronJob'}
  return {name, kind}
}
