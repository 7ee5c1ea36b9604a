/** `cilium config view`: the ConfigMap that agents and operators read. */
import {objects} from '../../k8s/objects.ts'
import {type ConfigMap, resources} from '../../k8s/resources.ts'
import {declareErrors, fail} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {ClusterAccess} from '../install/cluster-access.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'

export const configMapName = 'cilium-config'

export const {CONFIG_MISSING} = declareErrors({
  CONFIG_MISSING: {
    what: 'there is no ConfigMap {name} in namespace {namespace}',
    advice: 'install Cilium first, or give its namespace with -n',
  },
})

/** Key → value, sorted by key. @throws CONFIG_MISSING; errors of the Kubernetes client */
export async function viewConfig(cluster: ClusterOptions): Promise<Readonly<Record<string, string>>> {
  using access = await ClusterAccess.connect(cluster)
  const {namespace} = cluster
  const found = await objects<ConfigMap>(access.client, resources.configMaps).find({namespace, name: configMapName})
  if (found === undefined) return fail(CONFIG_MISSING, {name: configMapName, namespace})
  return Object.fromEntries(Object.entries(found.data ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function configText(config: Readonly<Record<string, string>>): string {
  return table(Object.entries(config).map(([key, value]) => [clean(key), clean(value)]))
}
