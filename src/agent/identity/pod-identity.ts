/** Which labels a pod is known by. Pure. */

import type {LabelFilter} from '../../model/label-filter.ts'
import {LabelSet, podLabels} from '../../model/labels.ts'
import type {NamespaceRow, PodRow} from '../state/rows.ts'

export interface PodLabels {
  /** everything it has */
  readonly all: LabelSet
  /** what counts: one identity for all pods that have the same */
  readonly relevant: LabelSet
}

/**
 * The labels of a pod's identity: its own and those that its namespace, service account and cluster give it, through
 * the filter. The namespace must be known, as its labels are part: a pod is never given an identity without them.
 */
export function labelsOf(pod: PodRow, namespace: NamespaceRow, cluster: string, filter: LabelFilter): PodLabels {
  const all = podLabels({
    labels: pod.labels,
    namespace: pod.namespace,
    namespaceLabels: namespace.labels,
    serviceAccount: pod.serviceAccount,
    cluster,
  })
  return {all, relevant: filter.apply(all)}
}

/** `metadata.labels` of a CiliumIdentity: the Kubernetes labels without their source, so that kubectl can select them. */
export function identityObjectLabels(labels: LabelSet): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const label of labels) {
    // what is no valid label (too long, odd characters) stays in security-labels alone
    if (label.source === 'k8s' && isLabel(label.key, label.value)) kept[label.key] = label.value
  }
  return kept
}

function isLabel(key: string, value: string): boolean {
  const name = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/
  const slash = key.lastIndexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  return (
    name.test(key.slice(slash + 1)) &&
    (prefix === undefined || /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(prefix)) &&
    (value === '' || name.test(value))
  )
}

/** The labels of the node's health endpoint. */
export const healthLabels = LabelSet.parse(['reserved:health'])
