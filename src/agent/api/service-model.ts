/** Services in the models of the local API. */
import type {BackendAddress, KPR, Service, ServiceSpec} from '../../api/models.ts'
import {type AgentConfig, answersDirectly} from '../config.ts'
import type {FrontendBackend, FrontendRow, Selection} from '../service/rows.ts'
import type {ApiSources} from './sources.ts'

/** All frontends, sorted by their text; one that inside sees otherwise has a row for each view. */
export function serviceModels(sources: ApiSources): Service[] {
  return sources.tables.frontends
    .sorted()
    .filter(({port}) => port !== 0)
    .flatMap((row) => [
      serviceModel(sources, row, false),
      ...(row.inside === undefined ? [] : [serviceModel(sources, row, true)]),
    ])
}

export function serviceById(sources: ApiSources, id: number): Service | undefined {
  return serviceModels(sources).find(({spec}) => spec?.id === id)
}

function serviceModel(sources: ApiSources, row: FrontendRow, inside: boolean): Service {
  const state = sources.services()?.stateOf(row)
  const spec: ServiceSpec = {
    id: state?.number ?? 0,
    'frontend-address': {
      ip: String(row.ip),
      port: row.port,
      protocol: row.protocol.toLowerCase() as 'tcp',
      scope: inside ? 'internal' : 'external',
    },
    'backend-addresses': backendModels(inside ? row.inside! : row.backends),
    flags: {
      type: row.kind,
      name: row.name,
      namespace: row.namespace,
      natPolicy: 'None',
      extTrafficPolicy: row.kind !== 'ClusterIP' && row.local ? 'Local' : 'Cluster',
      intTrafficPolicy: row.kind === 'ClusterIP' && row.local ? 'Local' : 'Cluster',
      trafficPolicy: row.local ? 'Local' : 'Cluster',
    },
  }
  const written = sources.tables.frontends.status(row.key, 'bpf-services')?.state === 'done'
  return {spec, ...(written ? {status: {realized: spec}} : {})}
}

function backendModels({active, terminating}: Selection): BackendAddress[] {
  const model = (state: 'active' | 'terminating') => (backend: FrontendBackend) => ({
    ip: String(backend.ip),
    port: backend.port,
    protocol: backend.protocol,
    state,
    ...(backend.node === undefined ? {} : {nodeName: backend.node}),
    ...(backend.zone === undefined ? {} : {zone: backend.zone}),
  })
  return [...active.map(model('active')), ...terminating.map(model('terminating'))]
}

const accelerations = {
  disabled: 'Disabled',
  native: 'Native',
  generic: 'Generic',
  'best-effort': 'Best-Effort',
} as const
const modes = {snat: 'SNAT', dsr: 'DSR', hybrid: 'Hybrid'} as const
const dispatches = {opt: 'IP Option/Extension', ipip: 'IPIP', geneve: 'Geneve'} as const

/** What of the services' features is on. Readers take every part of it for granted. */
export function serviceFeatures(config: AgentConfig): KPR {
  const replaces = config['kube-proxy-replacement'] === 'true'
  const sockets = replaces || config['bpf-lb-sock']
  const hasTables = config['bpf-lb-algorithm'] === 'maglev' || config['bpf-lb-algorithm-annotation']
  const [portMin = 30_000, portMax = 32_767] = config['node-port-range'].split(/[,-]/).map(Number)
  return {
    annotations: [],
    bpfSocketLBHostnsOnly: config['bpf-lb-sock-hostns-only'],
    externalIPs: {enabled: replaces},
    gracefulTermination: {enabled: true},
    hostPort: {enabled: replaces},
    hostReachableServices: {enabled: sockets, protocols: sockets ? ['TCP', 'UDP'] : []},
    nat46X64: {enabled: false, gateway: {enabled: false, prefixes: []}, service: {enabled: false}},
    nodePort: {
      enabled: replaces,
      acceleration: accelerations[config['bpf-lb-acceleration']],
      algorithm: config['bpf-lb-algorithm'] === 'maglev' ? 'Maglev' : 'Random',
      ...(hasTables ? {lutSize: config['bpf-lb-maglev-table-size']} : {}),
      mode: modes[config['bpf-lb-mode']],
      ...(answersDirectly(config) ? {dsrMode: dispatches[config['bpf-lb-dsr-dispatch']]} : {}),
      portMin,
      portMax,
    },
    sessionAffinity: {enabled: true},
    socketLB: {enabled: sockets},
    socketLBTracing: {enabled: false},
  }
}
