/**
 * What serves services on this node, put together: from what Kubernetes says of them to the rows and maps that the
 * programs read, and what else belongs to it: health checks, announcement on the links, local redirects, sockets of
 * backends that are gone.
 */
import type {KubeClient} from '../k8s/client.ts'
import type {EventRecorder} from '../k8s/event-recorder.ts'
import {CiliumError, fail} from '../runtime/errors.ts'
import {parseListenAddress} from './api/listen.ts'
import type {AgentConfig} from './config.ts'
import type {AgentContext, CurrentConfig} from './context.ts'
import {codes} from './errors.ts'
import {L2Announcer} from './l2/announcer.ts'
import {familiesOf} from './node/own-facts.ts'
import type {LoadedDatapath} from './reconcile/loaded-datapath.ts'
import {LocalRedirects} from './reconcile/local-redirects.ts'
import {ServiceClaimants} from './reconcile/service-claimants.ts'
import {ServiceReconciler} from './reconcile/services.ts'
import {StaleSockets} from './reconcile/stale-sockets.ts'
import type {Runners} from './runners.ts'
import type {ServicePlan} from './service/frontends.ts'
import {HealthCheckPorts} from './service/health-check.ts'
import {nodePortIps} from './service/node-port-ips.ts'
import {ProxyHealth} from './service/proxy-health.ts'
import type {ServiceRow} from './service/rows.ts'
import {ServiceMetrics} from './service/service-metrics.ts'
import type {Tables} from './state/tables.ts'

const reconcilerName = 'bpf-services'

/** What ends with the agent. */
interface Ending {
  stop(): void | Promise<void>
}

export class ServicePart {
  readonly #context: AgentContext
  readonly #current: CurrentConfig
  readonly #tables: Tables
  readonly #runners: Runners
  readonly #metrics: ServiceMetrics
  readonly #endings: Ending[] = []
  #events: EventRecorder | undefined
  /** undefined before the start */
  reconciler: ServiceReconciler | undefined

  constructor(context: AgentContext, current: CurrentConfig, tables: Tables, runners: Runners) {
    this.#context = context
    this.#current = current
    this.#tables = tables
    this.#runners = runners
    const {registry, clock} = context
    this.#metrics = new ServiceMetrics({registry, tables, clock, fill: () => this.reconciler?.fill ?? []})
  }

  get #config(): AgentConfig {
    return this.#current.value
  }

  /** Begins to fill the maps. */
  start(datapath: LoadedDatapath, client: KubeClient, events: EventRecorder): void {
    this.#events = events
    const claimants = new ServiceClaimants(
      this.#tables,
      () => this.#plan(),
      (service, problem) => this.#report(service, problem),
    )
    this.#begin(this.#metrics)
    this.#begin(claimants)
    this.#redirectLocally(claimants)
    const stale = this.#closeStaleSockets(datapath)
    this.reconciler = new ServiceReconciler(datapath.services, () => this.#context.clock.monotonic(), stale)
    this.#checkHealth()
    const reconciler = this.#metrics.observed(this.reconciler)
    this.#runners.run({name: reconcilerName, table: this.#tables.frontends, reconciler})
    this.#tellProxyHealth()
    this.#announce(datapath, client)
  }

  async stop(): Promise<void> {
    for (const part of this.#endings.splice(0)) await part.stop()
  }

  /** Processes are sent to backends when they connect, or, without that, packet by packet. @throws CGROUP_UNUSABLE */
  serveSockets(programs: LoadedDatapath['programs']): void {
    const config = this.#config
    if (config['kube-proxy-replacement'] !== 'true' && !config['bpf-lb-sock']) {
      programs.detachSockets()
      return
    }
    const path = config['cgroup-root']
    try {
      programs.attachSockets(path)
    } catch (thrown) {
      fail(codes.CGROUP_UNUSABLE, {path, detail: CiliumError.from(thrown).message}, {cause: thrown})
    }
  }

  #begin(part: Ending & {start(): void}): void {
    this.#endings.push(part)
    part.start()
  }

  #plan(): ServicePlan {
    const config = this.#config
    const {localNode, devices} = this.#tables
    return {
      ...familiesOf(config),
      external: config['kube-proxy-replacement'] === 'true',
      topology: config['enable-service-topology'],
      externalClusterIp: config['bpf-lb-external-clusterip'],
      rangesOnAll: config['bpf-lb-source-range-all-types'],
      sctp: config['enable-sctp'],
      mode: config['bpf-lb-mode'],
      modeAnnotation: config['bpf-lb-mode-annotation'],
      algorithm: config['bpf-lb-algorithm'],
      tableSize: config['bpf-lb-maglev-table-size'],
      algorithmAnnotation: config['bpf-lb-algorithm-annotation'],
      place: {
        node: config.nodeName,
        zone: localNode.get(config.nodeName)?.labels['topology.kubernetes.io/zone'],
      },
      nodePortIps: nodePortIps(devices.sorted(), config['nodeport-addresses']),
    }
  }

  /** @returns asks for sockets of backends that are gone to be closed */
  #closeStaleSockets(datapath: LoadedDatapath): () => void {
    const {clock, log} = this.#context
    const stale = new StaleSockets({
      list: () => datapath.staleSockets(),
      namespaces: () => [...this.#tables.endpoints.values()].map(({netns}) => netns).filter((path) => path !== ''),
      clock,
      log,
    })
    this.#endings.push(stale)
    return () => {
      if (this.#config['bpf-lb-sock-terminate-pod-connections']) stale.request()
    }
  }

  #checkHealth(): void {
    const config = this.#config
    if (config['kube-proxy-replacement'] !== 'true' || !config['enable-health-check-nodeport']) return
    this.#begin(new HealthCheckPorts({tables: this.#tables, log: this.#context.log}))
  }

  #redirectLocally(claimants: ServiceClaimants): void {
    const config = this.#config
    if (!config['enable-local-redirect-policy']) return
    const {ipv4, ipv6} = familiesOf(config)
    this.#begin(
      new LocalRedirects({
        tables: this.#tables,
        node: config.nodeName,
        families: [...(ipv4 ? [4 as const] : []), ...(ipv6 ? [6 as const] : [])],
        allowed: config['lrp-address-matcher-cidrs'],
        claim: (owner, rows) => claimants.claim(owner, rows),
        report: ({namespace, name, uid}, message) => {
          const policy = `${namespace}/${name}`
          this.#context.log.for('services').warn('a policy cannot be followed', {policy, message})
          const object = {apiVersion: 'cilium.io/v2', kind: 'CiliumLocalRedirectPolicy', namespace, name, uid}
          this.#events?.record(object, {type: 'Warning', reason: 'PolicyNotFollowed', message})
        },
      }),
    )
  }

  #announce(datapath: LoadedDatapath, client: KubeClient): void {
    const config = this.#config
    if (!config['enable-l2-announcements']) return
    const {clock, log, environment} = this.#context
    this.#begin(
      new L2Announcer({
        client,
        tables: this.#tables,
        map: datapath.l2,
        nodeName: config.nodeName,
        namespace: environment['CILIUM_K8S_NAMESPACE'] ?? client.namespace,
        leaseMs: config['l2-announcements-lease-duration'],
        renewDeadlineMs: config['l2-announcements-renew-deadline'],
        retryMs: config['l2-announcements-retry-period'],
        clock,
        log,
        report: ({name, uid}, message) => {
          log.for('l2-announcer').warn('a policy cannot be followed', {policy: name, message})
          const object = {apiVersion: 'cilium.io/v2alpha1', kind: 'CiliumL2AnnouncementPolicy', name, uid}
          this.#events?.record(object, {type: 'Warning', reason: 'PolicyNotFollowed', message})
        },
      }),
    )
  }

  #tellProxyHealth(): void {
    const config = this.#config
    const text = config['kube-proxy-replacement-healthz-bind-address']
    if (text === '' || config['kube-proxy-replacement'] !== 'true') return
    const address = parseListenAddress(text)
    if (address === undefined) {
      const value = `kube-proxy-replacement-healthz-bind-address=${JSON.stringify(text)}`
      fail(codes.CONFIG_VALUE_INVALID, {detail: `${value} must be an address and a port such as 0.0.0.0:10256`})
    }
    this.#begin(
      new ProxyHealth({
        ...address,
        state: () => ({
          updatedAt: this.#runners.states.find(({name}) => name === reconcilerName)?.lastSuccessAt,
          taints: this.#tables.localNode.get(config.nodeName)?.taints ?? [],
        }),
        clock: this.#context.clock,
        log: this.#context.log,
      }),
    )
  }

  /** One node speaks for all: the first by name of those that are known. */
  #report({namespace, name, uid}: ServiceRow, message: string): void {
    const {nodeName} = this.#config
    const [first = nodeName] = [...this.#tables.nodes.values()].map((node) => node.name).sort()
    this.#context.log.for('services').warn('not served as it says', {service: `${namespace}/${name}`, message})
    if (first !== nodeName) return
    const object = {apiVersion: 'v1', kind: 'Service', namespace, name, uid}
    this.#events?.record(object, {type: 'Warning', reason: 'ServiceNotServed', message})
  }
}
