/** `cilium context`: which cluster the flags lead to. Only the kubeconfig is read. */
import {delimiter} from 'node:path'
import {k8sErrors} from '../../k8s/errors.ts'
import {kubeconfigPaths, loadKubeconfig, resolveContext} from '../../k8s/kubeconfig.ts'
import {fail} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'

export interface ContextFacts {
  readonly context: string
  readonly cluster: string
  readonly auth: string
  readonly host: string
  readonly tlsServerName: string
  readonly caPath: string
}

/** @throws K8S_NO_CONFIG, K8S_CONFIG_INVALID, K8S_CONTEXT_UNKNOWN */
export async function readContext(cluster: ClusterOptions): Promise<ContextFacts> {
  const place = cluster.kubeconfig === undefined ? {} : {path: cluster.kubeconfig}
  const config = await loadKubeconfig(place)
  if (config === undefined) return fail(k8sErrors.K8S_NO_CONFIG, {path: kubeconfigPaths(place).join(delimiter)})
  const found = resolveContext(config, cluster.context)
  return {
    context: found.name,
    cluster: found.cluster.name,
    auth: found.user.name,
    host: found.cluster.server,
    tlsServerName: found.cluster.tlsServerName ?? '',
    caPath: found.cluster.caFile ?? '',
  }
}

export function contextText(facts: ContextFacts): string {
  return table(
    [
      ['Context:', facts.context],
      ['Cluster:', facts.cluster],
      ['Auth:', facts.auth],
      ['Host:', facts.host],
      ['TLS server name:', facts.tlsServerName],
      ['CA path:', facts.caPath],
    ].map(([name, value]) => [name!, clean(value!)]),
  )
}
