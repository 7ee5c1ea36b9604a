/** Pods of a cluster as benches of policies imagine them. */
import {LabelSet} from '../../../src/model/labels.ts'

export const namespaces = 50

/** Every pod's labels: a namespace with a team, an app, one of a few tiers, and what makes it one of its own. */
export function labelsOf(n: number): LabelSet {
  const namespace = n % namespaces
  return LabelSet.fromRecord({
    app: `app-${n % 400}`,
    tier: ['front', 'middle', 'back'][n % 3]!,
    release: String(n),
    'io.kubernetes.pod.namespace': `ns-${namespace}`,
    'io.cilium.k8s.namespace.labels.team': `team-${namespace % 10}`,
    'io.cilium.k8s.policy.cluster': 'default',
    'io.cilium.k8s.policy.serviceaccount': 'default',
  })
}
