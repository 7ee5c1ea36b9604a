/**
 * Endpoints of a life before this one: the node was rebooted or its namespaces are gone, but their pods are still the
 * node's, and the runtime will soon ask for them again. Until then their slots and addresses are kept for them, and
 * what was known of their labels, so that they come back also while the API server is away.
 */
import type {EndpointRow} from '../state/rows.ts'

export class FormerEndpoints {
  private readonly byPod = new Map<string, EndpointRow>()

  /** @returns an older one of the same pod that it replaces */
  keep(row: EndpointRow): EndpointRow | undefined {
    const key = keyOf(row.namespace, row.pod)
    const older = this.byPod.get(key)
    if (older !== undefined && older.createdAt > row.createdAt) return row
    this.byPod.set(key, row)
    return older
  }

  /** The former endpoint of this pod, once. A pod of the same name with another uid is another pod: it gets nothing. */
  take(namespace: string, pod: string, uid: string): EndpointRow | undefined {
    const row = this.find(namespace, pod, uid)
    if (row !== undefined) this.byPod.delete(keyOf(namespace, pod))
    return row
  }

  has(namespace: string, pod: string, uid: string): boolean {
    return this.find(namespace, pod, uid) !== undefined
  }

  /** Those that `wanted` no longer wants, taken out. */
  drop(wanted: (row: EndpointRow) => boolean): EndpointRow[] {
    const dropped = [...this.byPod.values()].filter((row) => !wanted(row))
    for (const row of dropped) this.byPod.delete(keyOf(row.namespace, row.pod))
    return dropped
  }

  get size(): number {
    return this.byPod.size
  }

  private find(namespace: string, pod: string, uid: string): EndpointRow | undefined {
    const row = this.byPod.get(keyOf(namespace, pod))
    return row !== undefined && (uid === '' || row.podUid === '' || row.podUid === uid) ? row : undefined
  }
}

function keyOf(namespace: string, pod: string): string {
  return `${namespace}/${pod}`
}
