/** What explaining policies needs of a cluster, read once. */

import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {objects} from '../../k8s/objects.ts'
import {
  type ConfigMap,
  type EndpointSlice,
  type KubeObject,
  type Namespace,
  type Node,
  type Pod,
  type Resource,
  resources,
  type Service,
} from '../../k8s/resources.ts'
import type {PolicyKind} from '../../policy/rule.ts'
import {hasCode} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {connectCluster} from '../kubernetes.ts'

/** A policy as its writer wrote it. */
export interface PolicySource {
  readonly kind: PolicyKind
  readonly object: KubeObject
}

export interface CidrGroupObject extends KubeObject {
  readonly spec?: {readonly externalCIDRs?: readonly string[]}
}

export interface ClusterObjects {
  readonly policies: readonly PolicySource[]
  readonly namespaces: readonly Namespace[]
  readonly pods: readonly Pod[]
  readonly nodes: readonly Node[]
  readonly services: readonly Service[]
  readonly slices: readonly EndpointSlice[]
  readonly cidrGroups: readonly CidrGroupObject[]
  /** the agents' ConfigMap; empty when there is none */
  readonly config: Readonly<Record<string, string>>
}

export const policyResources: readonly (readonly [PolicyKind, Resource])[] = [
  ['NetworkPolicy', resources.networkPolicies],
  ['CiliumNetworkPolicy', resources.ciliumNetworkPolicies],
  ['CiliumClusterwideNetworkPolicy', resources.ciliumClusterwideNetworkPolicies],
]

/** @throws errors of the Kubernetes client; kinds that the cluster does not serve count as none of them */
export async function readClusterObjects(options: ClusterOptions, signal: AbortSignal): Promise<ClusterObjects> {
  const client = await connectCluster(options)
  const all = <T extends KubeObject>(resource: Resource) => listOrNone<T>(client, resource, signal)
  const [policies, namespaces, pods, nodes, services, slices, cidrGroups, config] = await Promise.all([
    Promise.all(
      policyResources.map(async ([kind, resource]) =>
        (await all<KubeObject>(resource)).map((object): PolicySource => ({kind, object})),
      ),
    ),
    all<Namespace>(resources.namespaces),
    all<Pod>(resources.pods),
    all<Node>(resources.nodes),
    all<Service>(resources.services),
    all<EndpointSlice>(resources.endpointSlices),
    all<CidrGroupObject>(resources.ciliumCidrGroups),
    objects<ConfigMap>(client, resources.configMaps).find(
      {namespace: options.namespace, name: 'cilium-config'},
      {signal},
    ),
  ])
  return {policies: policies.flat(), namespaces, pods, nodes, services, slices, cidrGroups, config: config?.data ?? {}}
}

async function listOrNone<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  signal: AbortSignal,
): Promise<T[]> {
  try {
    return await objects<T>(client, resource).listAll({signal})
  } catch (thrown) {
    if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return []
    throw thrown
  }
}
