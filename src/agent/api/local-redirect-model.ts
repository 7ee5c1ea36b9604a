/** CiliumLocalRedirectPolicies in the models of the local API. */
import type {LRPSpec} from '../../api/models.ts'
import type {ApiSources} from './sources.ts'

/** All policies, sorted by name; one that redirects nothing here has no mappings. */
export function localRedirectModels({tables}: ApiSources): LRPSpec[] {
  const redirected = [...tables.frontends.values()].filter(({kind}) => kind === 'LocalRedirect')
  return tables.localRedirects.sorted().map(({namespace, name, uid, from}) => {
    const mine = redirected.filter((row) => {
      if (row.namespace !== namespace || from === undefined) return false
      return from.kind === 'service' ? `${namespace}/${row.name}` === from.service : row.name === name
    })
    const several = mine.length > 1
    return {
      name,
      namespace,
      uid,
      'lrp-type': from?.kind === 'service' ? 'svc' : 'addr',
      'frontend-type':
        from?.kind === 'service' && from.ports === undefined
          ? 'clusterIP + all svc ports'
          : `${from?.kind === 'service' ? 'clusterIP' : 'IP'} + ${several ? 'named ports' : 'port'}`,
      ...(from?.kind === 'service' ? {'service-id': from.service} : {}),
      'frontend-mappings': mine
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .map(({ip, port, protocol, backends}) => ({
          'frontend-address': {ip: String(ip), port, protocol: protocol.toLowerCase() as 'tcp'},
          backends: backends.active.map((backend) => ({
            'backend-address': {ip: String(backend.ip), port: backend.port, protocol: backend.protocol},
            'pod-id': podOf(tables, String(backend.ip)),
          })),
        })),
    }
  })
}

function podOf(tables: ApiSources['tables'], ip: string): string {
  const [endpoint] = tables.endpoints.by('ip', ip)
  return endpoint === undefined ? '' : `${endpoint.namespace}/${endpoint.pod}`
}
