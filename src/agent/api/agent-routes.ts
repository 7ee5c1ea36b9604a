/** The local REST API (/var/run/cilium/cilium.sock, base path /v1): what exists so far of Cilium's. */
import {readFileSync} from 'node:fs'
import type {BPFMap, DaemonConfiguration, Endpoint, IdentityEndpoints, IPListEntry} from '../../api/models.ts'
import {Cidr} from '../../model/cidr.ts'
import {identity, parseIdentity, reservedIdentities} from '../../model/identity.ts'
import {Ip} from '../../model/ip.ts'
import type {LabelSet} from '../../model/labels.ts'
import {fail} from '../../runtime/errors.ts'
import {productVersion} from '../../runtime/version.ts'
import {formatValue, isKey, mutableKeys} from '../config.ts'
import {codes} from '../errors.ts'
import type {AddressRow, EndpointRow} from '../state/rows.ts'
import {tableNamed} from '../state/tables.ts'
import {findEndpoint} from './endpoint-id.ts'
import {endpointHealth, endpointLog, endpointModel, identityModel, labelsFor} from './endpoint-model.ts'
import {type ApiReply, type ApiRequest, type ApiRoutes, ok} from './http.ts'
import {localRedirectModels} from './local-redirect-model.ts'
import {addressing, nodeModel} from './node-model.ts'
import {policyModel, selectorModels} from './policy-model.ts'
import {serviceById, serviceModels} from './service-model.ts'
import type {ApiSources} from './sources.ts'
import {statusModel} from './status-model.ts'

export function agentRoutes(sources: ApiSources): ApiRoutes {
  return {
    'GET /v1/healthz': ({headers}) =>
      ok(
        statusModel(sources, {
          brief: headers['brief'] === 'true',
          requireKubernetes: headers['require-k8s-connectivity'] !== 'false',
        }),
      ),
    'GET /v1/config': () => ok(configuration(sources)),
    'PATCH /v1/config': (request) => changeConfiguration(sources, request),
    'GET /v1/cluster/nodes': () => ok(clusterNodes(sources)),
    'GET /v1/metrics': async () => ok(await sources.metrics()),
    'GET /v1/node/ids': () => ok([]),
    'GET /v1/debuginfo': () => ok(debugInfo(sources)),
    'GET /v1/cgroup-dump-metadata': () => ok({'pod-metadatas': []}),
    ...endpointRoutes(sources),
    ...identityRoutes(sources),
    ...mapRoutes(sources),
    ...ipamRoutes(sources),
    'GET /v1/ip': (request) => ok(ipList(sources, request)),
    'GET /v1/policy': () => ok(policyModel(sources.tables, sources.policy())),
    'GET /v1/policy/selectors': () => ok(selectorModels(sources.policy())),
    'GET /v1/policy/subject-selectors': () => ok([]),
    'GET /v1/fqdn/cache': () => ok([]),
    'GET /v1/fqdn/names': () => ok({DNSPollNames: [], FQDNPolicySelectors: []}),
    'GET /v1/lrp': () => ok(localRedirectModels(sources)),
    'GET /v1/service': () => ok(serviceModels(sources)),
    'GET /v1/service/{id}': ({params}) => {
      const found = serviceById(sources, Number(params['id']))
      return found === undefined ? {status: 404} : ok(found)
    },
    'GET /v1/prefilter': () => ok({spec: {deny: []}, status: {realized: {deny: []}}}),
    'GET /v1/bgp/peers': () => ({status: 501, body: 'the BGP control plane is not enabled'}),
    ...tableRoutes(sources),
  }
}

function endpointRoutes(sources: ApiSources): ApiRoutes {
  const {tables} = sources
  const model = modelOf(sources)
  const find = ({params}: ApiRequest) => findEndpoint(tables, params['id'] ?? '')
  return {
    'GET /v1/endpoint': async (request) => {
      const labels = (await request.body()) as readonly string[] | undefined
      const rows = [...tables.endpoints.values()].sort((a, b) => a.id - b.id)
      const found = rows.filter((row) => (labels ?? []).every((label) => row.labels?.toStrings().includes(label)))
      return found.length === 0 && (labels ?? []).length > 0 ? {status: 404} : ok(found.map(model))
    },
    'GET /v1/endpoint/{id}': (request) => ok(model(find(request))),
    'GET /v1/endpoint/{id}/healthz': (request) => ok(endpointHealth(find(request))),
    'GET /v1/endpoint/{id}/log': (request) => ok(endpointLog(find(request))),
    'GET /v1/endpoint/{id}/labels': (request) => {
      const {status} = model(find(request))
      return ok({spec: {user: []}, status: status?.labels})
    },
    'GET /v1/endpoint/{id}/config': (request) => {
      const {spec} = model(find(request))
      return ok({immutable: {}, realized: spec})
    },
    'PATCH /v1/endpoint/{id}/config': async (request) => {
      await changeEndpoint(sources, find(request), request)
      return {status: 200}
    },
    'DELETE /v1/endpoint/{id}': async (request) => {
      await sources.disconnect(find(request))
      return {status: 200}
    },
    'DELETE /v1/endpoint': async (request) => {
      const {'container-id': container} = ((await request.body()) ?? {}) as {readonly 'container-id'?: string}
      if (!container) return {status: 400}
      const rows = tables.endpoints.by('container', container)
      for (const row of rows) await sources.disconnect(row)
      return {status: rows.length === 0 ? 404 : 200}
    },
  }
}

function modelOf({tables, policy}: ApiSources): (row: EndpointRow) => Endpoint {
  return (row) => endpointModel(row, tables.pods.get(`${row.namespace}/${row.pod}`), policy()?.standings.stateOf(row))
}

function identityRoutes(sources: ApiSources): ApiRoutes {
  const {identities, nodeIdentities, endpoints} = sources.tables
  const all = () => [
    ...Object.values(reservedIdentities)
      .filter((id) => id !== reservedIdentities.unknown)
      .map((id) => identityModel(id, labelsOf(sources, id)!)),
    ...[...identities.values(), ...nodeIdentities.values()]
      .filter(({id}) => id !== reservedIdentities.host)
      .sort((a, b) => a.id - b.id)
      .map((row) => identityModel(row.id, row.labels)),
  ]
  return {
    'GET /v1/identity': async (request) => {
      const labels = ((await request.body()) ?? []) as readonly string[]
      return ok(all().filter((one) => labels.every((label) => one.labels?.includes(label))))
    },
    'GET /v1/identity/endpoints': () => {
      const counts = new Map<number, number>()
      for (const row of endpoints.values()) {
        if (row.identity !== undefined) counts.set(row.identity, (counts.get(row.identity) ?? 0) + 1)
      }
      return ok(
        [...counts].map(([id, refCount]): IdentityEndpoints => {
          const labels = labelsOf(sources, id)
          return {refCount, ...(labels ? {identity: identityModel(identity(id), labels)} : {})}
        }),
      )
    },
    'GET /v1/identity/{id}': ({params}) => {
      const id = parseIdentity(params['id'] ?? '')
      if (id === undefined) return {status: 400}
      const labels = labelsOf(sources, id)
      return labels === undefined ? {status: 404} : ok(identityModel(id, labels))
    },
  }
}

function labelsOf({tables}: ApiSources, id: number): LabelSet | undefined {
  const known = tables.nodeIdentities.get(String(id))?.labels
  return known ?? labelsFor(identity(id), (other) => tables.identities.get(String(other))?.labels)
}

function mapRoutes(sources: ApiSources): ApiRoutes {
  const maps = (): BPFMap[] =>
    (sources.datapath()?.maps ?? []).map(({name, path}) => ({path, cache: mapCache(sources, name)}))
  return {
    'GET /v1/map': () => ok({maps: maps()}),
    'GET /v1/map/{name}': ({params}) => {
      const found = maps().find(({path}) => path?.endsWith(`/${params['name']}`))
      return found === undefined ? {status: 404} : ok(found)
    },
  }
}

/** What the agent wants in a map, with the error of what could not be written. */
function mapCache({tables}: ApiSources, name: string): NonNullable<BPFMap['cache']> {
  const rows: {
    readonly key: string
    readonly value: string
    readonly by: string
    readonly table: keyof typeof tables
    readonly id: string
  }[] = []
  if (name === 'cilium_ipcache' || name === 'cilium_ipcache_p') {
    for (const row of tables.addresses.values()) {
      if (row.cidr.isHost !== (name === 'cilium_ipcache')) continue
      rows.push({
        key: String(row.cidr),
        value: addressText(row),
        by: 'bpf-addresses',
        table: 'addresses',
        id: String(row.cidr),
      })
    }
  }
  if (name === 'cilium_lxc') {
    for (const row of tables.endpoints.values()) {
      const value = `id=${row.id} ifindex=${row.ifindex} identity=${row.identity ?? 0} mac=${row.mac} nodemac=${row.hostMac}`
      rows.push({key: String(row.id), value, by: 'bpf-endpoints', table: 'endpoints', id: String(row.id)})
    }
  }
  return rows.map(({key, value, by, table, id}) => {
    const status = tables[table].status(id, by)
    return {
      key,
      value,
      'desired-action': status?.state === 'done' ? 'ok' : 'insert',
      ...(status?.message === undefined ? {} : {'last-error': status.message}),
    }
  })
}

function addressText(row: AddressRow): string {
  return `identity=${row.identity} encryptkey=0 tunnelendpoint=${row.tunnel ?? '0.0.0.0'} flags=${row.tunnel ? 'hastunnel' : '<none>'}`
}

function ipamRoutes(sources: ApiSources): ApiRoutes {
  const {pools} = sources
  return {
    'POST /v1/ipam': ({query}): ApiReply => {
      const owner = query.get('owner') || 'api'
      const {ipv4, ipv6} = pools.allocate(owner)
      const host = addressing(sources.network()?.routerIps ?? [], sources.facts()?.podCidrs ?? [])
      const one = (ip: Ip | undefined) => (ip === undefined ? {} : {[`ipv${ip.family}`]: {ip: String(ip), cidrs: []}})
      const address = {...(ipv4 ? {ipv4: String(ipv4)} : {}), ...(ipv6 ? {ipv6: String(ipv6)} : {})}
      return {status: 201, body: {address, 'host-addressing': host, ...one(ipv4), ...one(ipv6)}}
    },
    'POST /v1/ipam/{ip}': ({params, query}): ApiReply => {
      const ip = Ip.parse(params['ip'] ?? '')
      if (ip === undefined) return {status: 400}
      const pool = pools.pools.find((one) => one.family === ip.family)
      if (pool === undefined) return {status: 501}
      pool.take(ip, query.get('owner') || 'api')
      return {status: 200}
    },
    'DELETE /v1/ipam/{ip}': ({params}): ApiReply => {
      const ip = Ip.parse(params['ip'] ?? '')
      if (ip === undefined) return {status: 400}
      const pool = pools.pools.find((one) => one.family === ip.family)
      const holder = pool?.ownerOf(ip)
      if (holder === undefined) return {status: 404}
      // what an endpoint or the node itself uses is not given away under it
      if (sources.tables.endpoints.by('ip', String(ip)).length > 0 || holder === 'router' || holder === 'health') {
        return {status: 403}
      }
      pool!.release(ip)
      return {status: 200}
    },
  }
}

function ipList(sources: ApiSources, {query}: ApiRequest): IPListEntry[] {
  const asked = query.get('cidr')
  const wanted =
    asked === null || asked === ''
      ? undefined
      : (Cidr.parseOrHost(asked) ?? fail(codes.API_BODY_INVALID, {detail: `${asked.slice(0, 64)} is no CIDR`}))
  return sources.tables.addresses
    .sorted()
    .filter((row) => wanted === undefined || wanted.covers(row.cidr))
    .map((row) => {
      const [, namespace, name] = /^pod\/([^/]+)\/(.+)$/.exec(row.owner) ?? localPod(sources, row)
      return {
        cidr: String(row.cidr),
        identity: row.identity,
        ...(row.tunnel === undefined ? {} : {hostIP: String(row.tunnel)}),
        metadata: {
          source: row.source === 'restored' ? 'restored' : row.source === 'cluster' ? 'generated' : 'custom-resource',
          ...(name === undefined ? {} : {name, namespace}),
        },
      }
    })
}

function localPod({tables}: ApiSources, row: AddressRow): readonly (string | undefined)[] {
  const endpoint = row.endpoint === undefined ? undefined : tables.endpoints.get(String(row.endpoint.slot))
  return endpoint === undefined || endpoint.pod === '' ? [] : ['', endpoint.namespace, endpoint.pod]
}

function clusterNodes(sources: ApiSources) {
  const config = sources.config()
  const cluster = config['cluster-name']
  return {
    self: `${cluster}/${config.nodeName}`,
    'nodes-added': sources.tables.nodes.sorted().map((row) => nodeModel(row, cluster)),
    'nodes-removed': [],
  }
}

function configuration(sources: ApiSources): DaemonConfiguration {
  const config = sources.config()
  const network = sources.network()
  const spec = {
    options: {Debug: config.debug ? 'Enabled' : 'Disabled', MonitorAggregationLevel: config['monitor-aggregation']},
    'policy-enforcement': config['enable-policy'],
  } as const
  return {
    spec,
    status: {
      realized: spec,
      addressing: addressing(network?.routerIps ?? [], sources.facts()?.podCidrs ?? []),
      daemonConfigurationMap: Object.fromEntries(
        Object.entries(config).map(([key, value]) => [key, formatValue(value)]),
      ),
      immutable: Object.fromEntries([...sources.texts()].filter(([key]) => !mutableKeys.some((one) => one === key))),
      datapathMode: 'veth',
      configuredDatapathMode: 'veth',
      deviceMTU: network?.mtu ?? 0,
      routeMTU: network?.routeMtu ?? 0,
      'ipam-mode': config.ipam,
      masquerade: config['enable-ipv4-masquerade'] || config['enable-ipv6-masquerade'],
      masqueradeProtocols: {ipv4: config['enable-ipv4-masquerade'], ipv6: config['enable-ipv6-masquerade']},
      'k8s-configuration': config['k8s-kubeconfig-path'],
    },
  }
}

/** Options by their names in the API: the rest are keys of the ConfigMap. */
const optionKeys: ReadonlyMap<string, string> = new Map([
  ['Debug', 'debug'],
  ['MonitorAggregationLevel', 'monitor-aggregation'],
  ['PolicyAuditMode', 'policy-audit-mode'],
])

const auditOption = 'PolicyAuditMode'

/** Of an endpoint's options one can be changed: whether policy is enforced or only told. */
async function changeEndpoint(sources: ApiSources, row: EndpointRow, request: ApiRequest): Promise<void> {
  const body = (await request.body()) as {options?: unknown} | undefined
  const options = body?.options
  if (typeof options !== 'object' || options === null) fail(codes.API_BODY_INVALID, {detail: 'it has no options'})
  for (const [name, value] of Object.entries(options)) {
    if (name !== auditOption) fail(codes.CONFIG_KEY_IMMUTABLE, {key: name.slice(0, 64), mutable: auditOption})
    if (value !== 'Enabled' && value !== 'Disabled') {
      fail(codes.API_BODY_INVALID, {detail: `${auditOption} must be Enabled or Disabled`})
    }
    await sources.setAudit(row, value === 'Enabled')
  }
}

async function changeConfiguration(sources: ApiSources, request: ApiRequest): Promise<ApiReply> {
  const body = (await request.body()) as {options?: Record<string, unknown>; 'policy-enforcement'?: unknown} | undefined
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    fail(codes.API_BODY_INVALID, {detail: 'it is no object'})
  }
  const changes = new Map<string, string>()
  for (const [name, value] of Object.entries(body.options ?? {}))
    changes.set(optionKeys.get(name) ?? name, name === auditOption ? String(value === 'Enabled') : String(value))
  if (body['policy-enforcement'] !== undefined) changes.set('enable-policy', String(body['policy-enforcement']))
  for (const key of changes.keys())
    if (!isKey(key)) fail(codes.CONFIG_KEY_IMMUTABLE, {key: key.slice(0, 64), mutable: mutableKeys.join(', ')})
  sources.changeConfig(changes)
  return {status: 200}
}

function debugInfo(sources: ApiSources) {
  const {version, revision, arch} = productVersion()
  const built = '1970-01-01T00:00:00+00:00'
  const model = modelOf(sources)
  return {
    // readers split it at blanks and want seven fields
    'cilium-version': `${version} ${revision} ${built} go version node${process.versions.node} linux/${arch}`,
    'cilium-status': statusModel(sources, {brief: false, requireKubernetes: false}),
    'endpoint-list': [...sources.tables.endpoints.values()].map(model),
    'environment-variables': [],
    'kernel-version': readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    policy: policyModel(sources.tables, sources.policy()),
    'service-list': serviceModels(sources),
    subsystem: {},
  }
}

/** All state as it is, for diagnosis. */
function tableRoutes({tables}: ApiSources): ApiRoutes {
  const dump = () => Object.fromEntries(Object.values(tables).map((table) => [table.name, table.dump()]))
  return {
    'GET /statedb/dump': () => ok(dump()),
    'GET /statedb/dump/{table}': ({params}) => {
      const table = tableNamed(tables, params['table'] ?? '')
      return table === undefined ? {status: 404} : ok(table.dump())
    },
  }
}
