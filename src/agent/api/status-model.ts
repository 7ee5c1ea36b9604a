/** The agent's status as existing tools read it. Pure: sources in, model out. */
import {availableParallelism} from 'node:os'
import type {ControllerStatus, StatusResponse, Timestamp} from '../../api/models.ts'
import {clusterIdentities} from '../../model/identity.ts'
import {productVersion} from '../../runtime/version.ts'
import type {AgentConfig} from '../config.ts'
import type {RunnerState} from '../runner-state.ts'
import {serviceFeatures} from './service-model.ts'
import type {ApiSources} from './sources.ts'

export interface StatusOptions {
  /** only what decides whether the agent is healthy */
  readonly brief: boolean
  /** an API server that does not answer is a failure */
  readonly requireKubernetes: boolean
}

const pageBytes = 4096

/** Go's zero time. */
const never = '0001-01-01T00:00:00.000Z'

export function statusModel(sources: ApiSources, options: StatusOptions): StatusResponse {
  const cilium = ciliumState(sources, options)
  const ciliumHealth = healthState(sources)
  const controllers = controllersModel(sources)
  if (options.brief) {
    const failing = controllers.find((one) => (one.status?.['consecutive-failure-count'] ?? 0) > 0)
    return {cilium, cluster: {ciliumHealth, nodes: null}, ...(failing ? {controllers: [failing]} : {})}
  }
  const config = sources.config()
  const datapath = sources.datapath()
  const cni = sources.cniConfig()
  return {
    cilium,
    kubernetes: kubernetesModel(sources),
    kvstore: {state: 'Disabled'},
    cluster: {ciliumHealth, nodes: null, self: `${config['cluster-name']}/${config.nodeName}`},
    'cluster-mesh': {clusters: []},
    controllers,
    ipam: ipamModel(sources),
    'identity-range': identityRange(config),
    routing: {
      'inter-host-routing-mode': config['routing-mode'] === 'tunnel' ? 'Tunnel' : 'Native',
      'intra-host-routing-mode': config['enable-host-legacy-routing'] ? 'Legacy' : 'BPF',
      'tunnel-protocol': config['tunnel-protocol'],
    },
    masquerading: masqueradingModel(config),
    'kube-proxy-replacement': {
      mode: config['kube-proxy-replacement'] === 'true' ? 'True' : 'False',
      devices: devicesOf(sources).map(({name}) => name),
      deviceList: devicesOf(sources),
      features: serviceFeatures(config),
    },
    'host-firewall': hostFirewallModel(sources),
    'bandwidth-manager': {enabled: false, devices: []},
    'ipv4-big-tcp': {enabled: false},
    'ipv6-big-tcp': {enabled: false},
    srv6: {enabled: false},
    'cni-chaining': {mode: 'none'},
    ...(cni === undefined ? {} : {'cni-file': {state: cni.ok ? 'Ok' : 'Failure', msg: cni.message}}),
    encryption: {mode: 'Disabled'},
    ...flowsModel(sources),
    'clock-source': {mode: 'ktime'},
    'datapath-mode': 'veth',
    'configured-datapath-mode': 'veth',
    'attach-mode': datapath?.attachMode ?? 'tcx',
    'bpf-maps': {
      'dynamic-size-ratio': config['bpf-map-dynamic-size-ratio'],
      maps: (datapath?.maps ?? []).map(({name, maxEntries}) => ({name, size: maxEntries})),
    },
    ...(datapath === undefined
      ? {}
      : {
          'program-generation': {
            generation: datapath.generation,
            version: productVersion().version,
            since: time(datapath.since),
          },
        }),
    ...(sources.kernel === undefined ? {} : {kernel: sources.kernel()}),
    stale: {},
  }
}

/**
 * Rules: 1 while the agent starts, Warning with what it waits for; 2 the API server, when it is required; 3 the CNI
 * configuration; 4 fine.
 */
function ciliumState(sources: ApiSources, options: StatusOptions): NonNullable<StatusResponse['cilium']> {
  const {version, revision} = productVersion()
  const name = `${version} (v${version}-${revision})`
  const waiting = sources.waitingFor()
  if (waiting !== '') {
    return {
      state: 'Warning',
      msg: `${name}    Not all probes executed at least once: waiting for ${waiting}`,
      since: time(sources.startedAt),
    }
  }
  const kubernetes = sources.kubernetes()
  if (options.requireKubernetes && kubernetes.error !== undefined) {
    return {state: 'Failure', msg: `${name}    Kubernetes: ${kubernetes.error}`, since: time(kubernetes.since)}
  }
  const cni = sources.cniConfig()
  if (cni !== undefined && !cni.ok) return {state: 'Failure', msg: `${name}    CNI configuration: ${cni.message}`}
  return {state: 'Ok', msg: name}
}

function kubernetesModel(sources: ApiSources): NonNullable<StatusResponse['kubernetes']> {
  const {version, error, since} = sources.kubernetes()
  const apis = [
    'cilium/v2::CiliumEndpoint',
    'cilium/v2::CiliumIdentity',
    'cilium/v2::CiliumNode',
    'core/v1::Namespace',
    'core/v1::Node',
    'core/v1::Pods',
  ]
  return {
    'k8s-api-versions': apis,
    state: error === undefined ? 'Ok' : 'Failure',
    msg: error === undefined ? (version ?? '') : `${error}; since ${time(since)} what was known then is kept`,
    since: time(since),
  }
}

function healthState(sources: ApiSources): NonNullable<StatusResponse['cilium']> {
  if (!sources.config()['enable-health-checking']) return {state: 'Disabled'}
  return sources.health() === undefined ? {state: 'Warning', msg: 'no probe has run yet'} : {state: 'Ok', msg: ''}
}

/** The rings are memory of the programs, one per group of CPUs: pages of the kernel's size, shared out to CPUs. */
function flowsModel(sources: ApiSources): Pick<StatusResponse, 'hubble' | 'nodeMonitor'> {
  const flows = sources.flows()
  if (flows === undefined) return {hubble: {state: 'Disabled'}}
  const {counts, problem} = flows
  if (counts === undefined || problem !== undefined) {
    const state = problem === 'starting' ? 'Warning' : 'Failure'
    return {hubble: {state, msg: problem ?? 'not started'}}
  }
  const cpus = availableParallelism()
  return {
    hubble: {
      state: 'Ok',
      observer: {
        'current-flows': counts.flows,
        'max-flows': counts.capacity,
        'seen-flows': counts.seen,
        uptime: `${(counts.uptimeMs / 1000).toFixed(3)}s`,
      },
    },
    nodeMonitor: {
      cpus,
      npages: Math.floor(counts.ringBytes / pageBytes / cpus),
      pagesize: pageBytes,
      lost: counts.lost,
      unknown: counts.unreadable,
    },
  }
}

function ipamModel(sources: ApiSources): NonNullable<StatusResponse['ipam']> {
  const of = (family: 4 | 6) =>
    sources.pools.pools.filter((pool) => pool.family === family).flatMap((pool) => pool.entries())
  const allocations: Record<string, string> = {}
  for (const {ip, owner} of [...of(4), ...of(6)]) allocations[String(ip)] = owner
  return {
    allocations,
    ipv4: of(4).map(({ip}) => String(ip)),
    ipv6: of(6).map(({ip}) => String(ip)),
    status: sources.pools.summary,
  }
}

function identityRange(config: AgentConfig): NonNullable<StatusResponse['identity-range']> {
  const {first, last} = clusterIdentities(config['cluster-id'])
  return {'min-identity': first, 'max-identity': last}
}

function masqueradingModel(config: AgentConfig): NonNullable<StatusResponse['masquerading']> {
  const ipv4 = config['enable-ipv4'] && config['enable-ipv4-masquerade']
  const ipv6 = config['enable-ipv6'] && config['enable-ipv6-masquerade']
  const v4 = String(config['ipv4-native-routing-cidr'] ?? '')
  const v6 = String(config['ipv6-native-routing-cidr'] ?? '')
  return {
    enabled: ipv4 || ipv6,
    enabledProtocols: {ipv4, ipv6},
    ...(ipv4 || ipv6 ? {mode: 'BPF'} : {}),
    'snat-exclusion-cidr': v4,
    'snat-exclusion-cidr-v4': v4,
    'snat-exclusion-cidr-v6': v6,
  }
}

function devicesOf(sources: ApiSources): {name: string; ip: string[]}[] {
  return sources.tables.devices.sorted().map((device) => ({
    name: device.name,
    ip: device.addresses.filter(({network}) => !network.isLinkLocal).map(({network}) => String(network)),
  }))
}

function controllersModel(sources: ApiSources): ControllerStatus[] {
  const rows: RunnerState[] = [...sources.runners()]
  const reflectors = [...sources.reflectors()].map(
    ([name, health]): RunnerState => ({
      name: `watch-${name}`,
      failing: health.state === 'failing' ? health.failures : 0,
      failures: health.failures,
      successes: health.watches,
      lastError: health.error?.message,
      lastErrorAt: undefined,
      lastSuccessAt: health.freshUntil,
    }),
  )
  return [...rows, ...reflectors]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => ({
      name: row.name,
      uuid: uuidOf(row.name),
      configuration: {'error-retry': true},
      status: {
        'consecutive-failure-count': row.failing,
        'failure-count': row.failures,
        'success-count': row.successes,
        ...(row.failing > 0 && row.lastError !== undefined ? {'last-failure-msg': row.lastError} : {}),
        'last-failure-timestamp': row.lastErrorAt === undefined ? never : time(row.lastErrorAt),
        'last-success-timestamp': row.lastSuccessAt === undefined ? never : time(row.lastSuccessAt),
      },
    }))
}

/** A stable id from a name: readers want one, nobody looks it up. */
function uuidOf(name: string): string {
  const hex = Buffer.from(name.padEnd(16, '\0')).toString('hex').slice(0, 32)
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function time(ms: number): Timestamp {
  return new Date(ms).toISOString()
}

/** Besides Cilium's fields: how the newest host policies fare. */
function hostFirewallModel(sources: ApiSources): NonNullable<StatusResponse['host-firewall']> {
  if (!sources.config()['enable-host-firewall']) return {mode: 'Disabled', devices: []}
  const state = sources.policy()?.host?.state
  return {
    mode: 'Enabled',
    devices: devicesOf(sources).map(({name}) => name),
    ...(state === undefined
      ? {}
      : {
          'policy-phase': state.phase,
          ...(state.until === undefined ? {} : {'policy-trial-until': new Date(state.until).toISOString()}),
        }),
  }
}
