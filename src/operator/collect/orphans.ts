/** Objects whose other half is gone: endpoints without a pod, CiliumNodes without a Node. */
import {type CiliumNodeRow, type EndpointRow, type NodeRow, namespacedKey, type PodRow} from '../rows.ts'

export interface Orphans<Row> {
  readonly remove: readonly Row[]
  /** seen for the first time: removed the next time, unless they are not orphans by then */
  readonly suspects: ReadonlySet<string>
}

/**
 * Endpoints that no pod stands behind any more: the pod does not exist, has ended, or is another one of the same name.
 * An endpoint goes when it was one in two runs, because its pod may be newer than what we know.
 */
export function orphanedEndpoints(
  endpoints: readonly EndpointRow[],
  podByKey: (key: string) => PodRow | undefined,
  suspectedBefore: ReadonlySet<string>,
): Orphans<EndpointRow> {
  return twice(endpoints, suspectedBefore, (endpoint) => {
    const pod = podByKey(namespacedKey(endpoint))
    if (pod === undefined || pod.ended) return true
    return endpoint.podUid !== undefined && endpoint.podUid !== pod.uid
  })
}

/** CiliumNodes whose Node is gone, in two runs; never one that is annotated to stay. */
export function orphanedNodes(
  ciliumNodes: readonly CiliumNodeRow[],
  nodeByName: (name: string) => NodeRow | undefined,
  suspectedBefore: ReadonlySet<string>,
): Orphans<CiliumNodeRow> {
  return twice(ciliumNodes, suspectedBefore, (node) => !node.keep && nodeByName(node.name) === undefined)
}

/** Suspects are known by uid: an object that was made anew under the same name begins from the start. */
function twice<Row extends {readonly uid: string}>(
  rows: readonly Row[],
  suspectedBefore: ReadonlySet<string>,
  isOrphan: (row: Row) => boolean,
): Orphans<Row> {
  const orphans = rows.filter(isOrphan)
  return {
    remove: orphans.filter(({uid}) => suspectedBefore.has(uid)),
    suspects: new Set(orphans.filter(({uid}) => !suspectedBefore.has(uid)).map(({uid}) => uid)),
  }
}
