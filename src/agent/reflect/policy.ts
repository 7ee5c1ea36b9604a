/** NetworkPolicies and Cilium's policies → rows: checked here, judged elsewhere. */
import type {KubeObject} from '../../k8s/resources.ts'
import {checkCiliumPolicy} from '../../policy/cilium-policy.ts'
import {checkNetworkPolicy} from '../../policy/network-policy.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import {denyResponseAnnotation} from '../../policy/policy-ref.ts'
import type {PolicyKind} from '../../policy/rule.ts'
import type {PolicyRow} from '../policy/rows.ts'
import {texts} from './object.ts'

export function policyRow(kind: PolicyKind, object: KubeObject, options: PolicyOptions): PolicyRow {
  const {metadata, spec, specs} = object as KubeObject & {spec?: unknown; specs?: unknown}
  const checked =
    kind === 'NetworkPolicy' ? checkNetworkPolicy(object, options) : checkCiliumPolicy(kind, object, options)
  const annotations = texts(metadata.annotations)
  const denyResponse = annotations[denyResponseAnnotation]
  return {
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    generation: (metadata as {generation?: number}).generation ?? 0,
    resourceVersion: metadata.resourceVersion ?? '',
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => /(^|\.)cilium\.io\//.test(key))),
    content: JSON.stringify([spec, specs, denyResponse]),
    checked,
  }
}
