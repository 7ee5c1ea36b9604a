import type {PolicyRow} from '../policy/rows.ts'

/** The labels that the original gives policies of Kubernetes. */
export function policyLabels({
  kind,
  namespace,
  name,
  uid,
}: Pick<PolicyRow, 'kind' | 'namespace' | 'name' | 'uid'>): string[] {
  return [
    `k8s:io.cilium.k8s.policy.derived-from=${kind}`,
    `k8s:io.cilium.k8s.policy.name=${name}`,
    ...(namespace === '' ? [] : [`k8s:io.cilium.k8s.policy.namespace=${namespace}`]),
    ...(uid === '' ? [] : [`k8s:io.cilium.k8s.policy.uid=${uid}`]),
  ]
}
