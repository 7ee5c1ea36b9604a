import type {ClusterMeshStatus, RemoteCluster} from '../../api/models.ts'
import type {Row} from '../render/table.ts'

/** The cluster mesh of `cilium-dbg status`: a count, then the clusters that are not ready, or all. */
export function clusterMeshRows({clusters}: ClusterMeshStatus, all: boolean): Row[] {
  const list = clusters ?? []
  const ready = list.filter((cluster) => cluster.ready === true)
  const rows: Row[] = [['ClusterMesh:', `${ready.length}/${list.length} remote clusters ready`]]
  for (const cluster of all ? list : list.filter((one) => one.ready !== true)) rows.push(...clusterRows(cluster))
  return rows
}

function clusterRows(cluster: RemoteCluster): Row[] {
  const failed = cluster['last-failure']
  const last = failed === undefined || failed.startsWith('0001-') ? 'never' : failed
  const counts = [
    cluster.ready === true ? 'ready' : 'not-ready',
    `${cluster['num-nodes'] ?? 0} nodes`,
    `${cluster['num-endpoints'] ?? 0} endpoints`,
    `${cluster['num-identities'] ?? 0} identities`,
    `${cluster['num-shared-services'] ?? 0} services`,
    `${cluster['num-endpoint-slices'] ?? 0} endpoint slices`,
    `${cluster['num-service-exports'] ?? 0} MCS-API service exports`,
    `${cluster['num-failures'] ?? 0} reconnections (last: ${last})`,
  ]
  const rows: Row[] = [[`   ${cluster.name ?? ''}: ${counts.join(', ')}`], [`   └  ${cluster.status ?? ''}`]]
  const {config, synced} = cluster
  if (config !== undefined) {
    const details = [`expected=${config.required === true}`, `retrieved=${config.retrieved === true}`]
    if (config.retrieved === true) {
      const exportsState =
        config['service-exports-enabled'] === undefined || config['service-exports-enabled'] === null
          ? 'unsupported'
          : config['service-exports-enabled']
            ? 'enabled'
            : 'disabled'
      details.push(
        `cluster-id=${config['cluster-id'] ?? 0}`,
        `kvstoremesh=${config.kvstoremesh === true}`,
        `sync-canaries=${config['sync-canaries'] === true}`,
        `service-exports=${exportsState}`,
      )
      const mode = config['endpoint-slices-export-mode']
      if (mode !== undefined) details.push(`endpoint-slice-export-mode=${mode}`)
    }
    rows.push([`   └  remote configuration: ${details.join(', ')}`])
  }
  if (synced !== undefined) {
    const details = (['nodes', 'endpoints', 'identities', 'services'] as const).map(
      (what) => `${what}=${synced[what] === true}`,
    )
    for (const what of ['endpoint-slices', 'service-exports'] as const) {
      const value = synced[what]
      if (value !== undefined && value !== null) details.push(`${what}=${value}`)
    }
    rows.push([`   └  synchronization status: ${details.join(', ')}`])
  }
  return rows
}
