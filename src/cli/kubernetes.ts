import {connectKube, type KubeClient} from '../k8s/client.ts'
import type {ClusterOptions} from './cluster-options.ts'

/** Opens the cluster that the flags of a command mean. @throws K8S_NO_CONFIG, K8S_CONFIG_INVALID, K8S_CONTEXT_UNKNOWN */
export function connectCluster({kubeconfig, context, impersonate}: ClusterOptions): Promise<KubeClient> {
  return connectKube({
    ...(kubeconfig === undefined ? {} : {path: kubeconfig}),
    ...(context === undefined ? {} : {context}),
    ...(impersonate === undefined ? {} : {impersonate}),
  })
}
