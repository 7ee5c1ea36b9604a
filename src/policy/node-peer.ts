/** What a node is known by to others and to its own pods, where policies tell nodes apart by labels. */
import {LabelFilter} from '../model/label-filter.ts'
import {nodePeerLabels} from '../model/labels.ts'
import type {Member} from './cluster-model.ts'

/** @param list of labels that count (`node-labels`) */
export function nodeAsPeer(
  labels: Readonly<Record<string, string>> = {},
  {cluster, apiServer, list}: {cluster: string; apiServer: boolean; list?: string | undefined},
): NonNullable<Member['asPeer']> {
  const {filter} = LabelFilter.parseForNodes(list)
  const known = (as: string) =>
    nodePeerLabels(labels, {
      cluster,
      accepts: (label) => filter.accepts(label),
      reserved: [as, ...(apiServer ? ['kube-apiserver'] : [])],
    })
  return {remote: known('remote-node'), host: known('host')}
}
