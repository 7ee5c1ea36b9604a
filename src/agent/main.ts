/**
 * The agent: what is made from what, in the order in which it starts.
 *
 *     Kubernetes ──► reflect ──► tables: pods, namespaces, nodes, identities, remote-endpoints, local-node
 *                                  │                                     ▲
 *     disk ──► restore ──► endpoints, own-node                           │ create
 *                            │     │                                     │
 *        runtime ── CNI ──► connections ── endpoint-identity ────────────┘
 *                            │     │
 *                            ▼     ▼
 *                address-claimants, route-claimants ──► tables: addresses, routes, devices
 *                                                         │
 *                                reconcilers ◄────────────┘──► maps, hooks, routes, CiliumNode, CiliumEndpoints
 *
 * After a restart: the programs and maps that run are found again; what the disk and the maps say holds until Kubernetes
 * has told everything; then differences are applied, what nobody wants any more last.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {ENDPOINT_IFINDEX_BASE} from '../datapath/gen/constants.ts'
import {readFlowShards} from '../datapath/maps/open.ts'
import {ClientMetrics, connectKube, type KubeClient} from '../k8s/client.ts'
import {EventRecorder} from '../k8s/event-recorder.ts'
import {objects} from '../k8s/objects.ts'
import {type CiliumNode, type Node, resources} from '../k8s/resources.ts'
import {NetlinkSocket} from '../kernel/netlink/socket.ts'
import {netnsCookie} from '../kernel/netns.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {Part} from '../runtime/lifecycle.ts'
import {ReconcilerMetrics} from '../runtime/reconciler.ts'
import type {ApiSources} from './api/sources.ts'
import {statusModel} from './api/status-model.ts'
import {registerBpfMetrics} from './bpf-metrics.ts'
import {ClaimsPart} from './claims-part.ts'
import {ClusterHealth} from './cluster-health.ts'
import {type AgentConfig, changeConfig} from './config.ts'
import {type AgentContext, CurrentConfig} from './context.ts'
import type {PodNetwork} from './endpoint/connections.ts'
import {EndpointsPart} from './endpoints-part.ts'
import {MonitorPart} from './hubble/monitor-part.ts'
import {HubblePart} from './hubble/part.ts'
import {NodePools} from './ipam/node-pools.ts'
import {KubernetesProbe} from './kubernetes-probe.ts'
import {applyLogLevel} from './log-level.ts'
import {metricPrefix} from './metrics.ts'
import {natPortCount} from './node/datapath-config.ts'
import type {DeviceChoice} from './node/device-watch.ts'
import {NodeFactsFile} from './node/facts.ts'
import {kernelState} from './node/kernel-state.ts'
import {NatSaturation} from './node/nat-saturation.ts'
import {layNetwork} from './node/node-network.ts'
import {openDatapath, pinnedMapSizes} from './node/open-datapath.ts'
import {familiesOf} from './node/own-facts.ts'
import {OwnNode} from './node/own-node.ts'
import {Sysctl} from './node/sysctl.ts'
import type {PolicyEnforcer} from './policy/enforcer.ts'
import {policyOptionsOf} from './policy/options.ts'
import {type PolicyPart, policyPart} from './policy-part.ts'
import {addressReconciler} from './reconcile/addresses.ts'
import {ciliumNodeReconciler} from './reconcile/cilium-node.ts'
import {deviceReconciler} from './reconcile/devices.ts'
import {endpointReconciler} from './reconcile/endpoints.ts'
import type {LoadedDatapath} from './reconcile/loaded-datapath.ts'
import {routeReconciler} from './reconcile/routes.ts'
import {ReflectorMetrics} from './reflect/reflector-metrics.ts'
import {Reflectors} from './reflect/reflectors.ts'
import {Runners, settled} from './runners.ts'
import {addServers} from './servers.ts'
import {ServicePart} from './service-part.ts'
import {writeRuntimeConfig} from './state/runtime-config-file.ts'
import {createTables, type Tables} from './state/tables.ts'
import {registerStateMetrics} from './state-metrics.ts'

/** A node without an API server and without a memory of its own waits as long as it takes. */
const patienceMs = 2 ** 31 - 1

/** Adds the agent's parts, in order. */
export function assembleAgent(context: AgentContext): Agent {
  const agent = new Agent(context)
  addServers(context, agent.sources())
  const add = (part: Part) => context.lifecycle.add(agent.timed(part))
  add({name: 'state', start: () => agent.openState()})
  add({name: 'kubernetes', start: () => agent.connectKubernetes(), stop: () => agent.leaveKubernetes()})
  add({
    name: 'node',
    startTimeoutMs: patienceMs,
    start: (signal) => agent.learnNode(signal),
    stop: () => agent.ownNode.stop(),
  })
  add({
    name: 'datapath',
    startTimeoutMs: 120_000,
    start: () => agent.startDatapath(),
    stop: () => agent.stopDatapath(),
  })
  add({name: 'endpoints', start: () => agent.startEndpoints(), stop: () => agent.endpoints.stop()})
  add({name: 'health', start: () => agent.startHealth(), stop: () => agent.health.stop()})
  add({name: 'hubble', start: () => agent.flows.start(), stop: () => agent.flows.stop()})
  add({
    name: 'cni',
    start: () => agent.endpoints.serveRuntime(agent.events!),
    stop: () => agent.endpoints.leaveRuntime(),
  })
  return agent
}

export class Agent {
  readonly context: AgentContext
  readonly config: CurrentConfig
  readonly tables: Tables = createTables()
  readonly pools: NodePools
  readonly endpoints: EndpointsPart
  readonly ownNode: OwnNode
  readonly bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  reflectors: Reflectors | undefined
  client: KubeClient | undefined
  datapath: LoadedDatapath | undefined
  network: PodNetwork | undefined
  private readonly sysctl: Sysctl
  private readonly runners: Runners
  private readonly claims: ClaimsPart
  private readonly services: ServicePart
  readonly health: ClusterHealth
  /** undefined: flows are not wanted */
  readonly hubble: HubblePart | undefined
  /** who reads what the programs tell */
  readonly flows: HubblePart | MonitorPart
  readonly startedAt: number
  private kubernetes: KubernetesProbe | undefined
  private generationSince = 0
  /** the part that is starting; empty when all have */
  private starting = 'everything'
  private socket!: NetlinkSocket
  events: EventRecorder | undefined
  private readonly natSaturation: NatSaturation
  policy: PolicyEnforcer | undefined
  private policyPart: PolicyPart | undefined

  constructor(context: AgentContext) {
    const {config} = context.loaded
    this.context = context
    this.config = new CurrentConfig(config)
    this.pools = new NodePools(familiesOf(config))
    this.sysctl = new Sysctl(config.procfs)
    const {clock, log} = context
    this.runners = new Runners({clock, log, metrics: new ReconcilerMetrics(context.registry, metricPrefix)})
    const file = new NodeFactsFile(config['lib-dir'], context.clock, context.log)
    const {tables, pools, bootId} = this
    this.endpoints = new EndpointsPart({
      context,
      config: this.config,
      tables,
      pools,
      sysctl: this.sysctl,
      runners: this.runners,
      bootId,
    })
    this.ownNode = new OwnNode({config, tables, pools, file, bootId, log: context.log})
    this.startedAt = context.clock.now()
    registerStateMetrics({
      registry: context.registry,
      tables,
      pools,
      policy: () => this.policy,
      maps: () => (this.datapath === undefined ? undefined : (name) => this.datapath!.generation.map(name)),
    })
    registerBpfMetrics(context.registry, this.pinRoot)
    this.natSaturation = new NatSaturation(context.registry, {
      clock,
      intervalMs: config['nat-map-stats-interval'],
      ports: natPortCount(config),
      shards: () => this.datapath && readFlowShards((name) => this.datapath!.generation.map(name)),
    })
    this.claims = new ClaimsPart(context, tables)
    this.services = new ServicePart(context, this.config, tables, this.runners)
    this.hubble = config['enable-hubble']
      ? new HubblePart(
          context,
          this.tables,
          () => this.policy?.revision ?? 0,
          (subject, text) => this.events?.record(subject, text),
        )
      : undefined
    this.flows = this.hubble ?? new MonitorPart(config)
    this.health = new ClusterHealth(context, tables, this.startedAt, () =>
      statusModel(this.sources(), {brief: false, requireKubernetes: false}),
    )
  }

  /** The part with its start told and measured. The last one's end is the agent's readiness. */
  timed(part: Part): Part {
    const {start} = part
    return {
      ...part,
      start: async (signal) => {
        const began = this.context.clock.monotonic()
        this.starting = part.name
        await start?.(signal)
        this.starting = part.name === 'cni' ? '' : part.name
        const seconds = (this.context.clock.monotonic() - began) / 1000
        this.context.metrics.bootstrap.labels(part.name, 'success').set(seconds)
      },
    }
  }

  async openState(): Promise<void> {
    await this.endpoints.records.open()
    this.tellRuntimeConfig()
    this.socket = new NetlinkSocket()
  }

  /** For other tools: a disk that is full keeps no agent from starting. */
  private tellRuntimeConfig(): void {
    void writeRuntimeConfig(this.config.value['state-dir'], this.config.value).catch((thrown) =>
      this.context.log.warn('the runtime configuration file cannot be written', {error: CiliumError.from(thrown)}),
    )
  }

  /** Begins to follow Kubernetes, and to tell it of this node. Waits for nothing. */
  async connectKubernetes(): Promise<void> {
    const {clock, log, registry} = this.context
    const config = this.config.value
    const client = await connectKube({
      source: 'in-cluster',
      ...(config['k8s-kubeconfig-path'] === '' ? {} : {path: config['k8s-kubeconfig-path']}),
      metrics: new ClientMetrics(registry, metricPrefix),
      clock,
    })
    this.client = client
    this.events = new EventRecorder({client, component: 'cilium', host: config.nodeName, clock, log})
    this.reflectors = new Reflectors({
      client,
      tables: this.tables,
      nodeName: config.nodeName,
      l2Policies: config['enable-l2-announcements'],
      localRedirects: config['enable-local-redirect-policy'],
      serviceProxyName: config['k8s-service-proxy-name'],
      clock,
      log,
      metrics: new ReflectorMetrics(registry),
      policyOptions: policyOptionsOf(config),
      networkPolicies: config['enable-k8s-networkpolicy'],
    })
    this.reflectors.start()
    this.kubernetes = new KubernetesProbe(client, clock)
    this.kubernetes.start()
    this.runners.run({
      name: 'cilium-node',
      table: this.tables.ownNode,
      reconciler: ciliumNodeReconciler({
        ciliumNodes: objects<CiliumNode>(client, resources.ciliumNodes),
        nodes: objects<Node>(client, resources.nodes),
        writesPodCidrs: config.ipam === 'kubernetes',
        annotate: config['annotate-k8s-node'],
      }),
      refreshEveryMs: 60_000,
    })
  }

  async leaveKubernetes(): Promise<void> {
    await this.runners.stop()
    await this.reflectors?.stop()
    await this.kubernetes?.stop()
    this.client?.close()
    this.socket.close()
  }

  async learnNode(signal: AbortSignal): Promise<void> {
    await this.ownNode.start()
    await this.ownNode.ready(signal)
  }

  /**
   * Devices, programs, maps. Why the order is safe: maps are filled before any hook gets a program that reads them,
   * and what ran before runs on until then.
   */
  async startDatapath(): Promise<void> {
    const config = this.config.value
    const {facts, routerIps} = this.ownNode
    const {socket, sysctl} = this
    const network = layNetwork({config, socket, sysctl, choice: this.deviceChoice(), facts, routerIps})
    const {own, defrag, routeMtu} = network
    this.network = network

    const opened = openDatapath({
      config,
      node: {routerIps, host: own.host, overlay: own.overlay, routeMtu, defrag, cookie: netnsCookie()},
      socket,
    })
    this.datapath = opened.datapath
    await this.endpoints.restore(opened.datapath, socket)

    const part = policyPart({
      context: this.context,
      config: () => this.config.value,
      tables: this.tables,
      datapath: opened.datapath,
      records: this.endpoints.records,
      client: this.client!,
      events: this.events!,
      health: this.health,
      former: opened.formerSets,
      addresses: this.claims,
      nodeIdentities: this.claims.nodeIdentities,
      addressesSettled: () => settled(filling),
    })
    const policy = part.enforcer
    this.policyPart = part
    this.policy = policy
    await this.claims.start({
      network,
      socket,
      choice: this.deviceChoice(),
      facts: () => this.ownNode.facts,
      restored: opened.restored,
      whenClassed: policy.whenClassed,
    })

    const {endpoints, addresses, devices, programs} = this.datapath
    policy.start()
    const filling = [
      this.runners.run({
        name: 'bpf-endpoints',
        table: this.tables.endpoints,
        reconciler: endpointReconciler(endpoints, (row) => policy.standings.setsOf(row)),
        begin: 'now',
      }),
      this.runners.run({
        name: 'bpf-addresses',
        table: this.tables.addresses,
        reconciler: addressReconciler(addresses),
        begin: 'now',
      }),
    ]
    this.services.start(this.datapath, this.client!, this.events!)
    this.natSaturation.start()
    await settled(filling)
    for (const row of this.tables.endpoints.values()) programs.attachPod(row.ifindex)
    if (own.overlay !== undefined) programs.attachOverlay(own.overlay.ifindex)
    if (defrag) programs.attachHost(own.host.ifindex)
    this.services.serveSockets(programs)
    const rest = [
      this.runners.run({
        name: 'devices',
        table: this.tables.devices,
        reconciler: deviceReconciler(devices, programs),
        begin: 'now',
      }),
      this.runners.run({
        name: 'routes',
        table: this.tables.routes,
        reconciler: routeReconciler({
          socket: this.socket,
          skipUnreachable: config['direct-routing-skip-unreachable'],
          log: this.context.log.for('routes'),
        }),
        begin: 'now',
        refreshEveryMs: 60_000,
      }),
    ]
    await settled(rest)
    opened.complete()
    this.generationSince = this.context.clock.now()
  }

  async stopDatapath(): Promise<void> {
    await this.claims.stop()
    await this.services.stop()
    this.natSaturation.stop()
    await this.policyPart?.stop()
    await this.endpoints.records.stop()
    await this.runners.stop()
    this.datapath?.close()
  }

  startEndpoints(): void {
    this.endpoints.start({
      client: this.client!,
      datapath: this.datapath!,
      socket: this.socket,
      network: () => this.network!,
      facts: () => this.ownNode.facts,
      policy: this.policy!,
    })
  }

  /** Answers probes and asks others. */
  async startHealth(): Promise<void> {
    const config = this.config.value
    if (!config['enable-health-checking']) return
    const {facts} = this.ownNode
    await this.health.start(
      facts.healthIps.length === 0
        ? undefined
        : {
            tables: this.tables,
            slots: this.endpoints.slots,
            socket: this.socket,
            sysctl: this.sysctl,
            programs: this.datapath!.programs,
            endpointMap: this.datapath!.endpoints,
            ifindexBase: ENDPOINT_IFINDEX_BASE,
            nodeName: config.nodeName,
            network: this.network!,
            healthIps: facts.healthIps,
            port: config['cluster-health-port'],
            bootId: this.bootId,
            clock: this.context.clock,
          },
    )
  }

  /** Folder of the pins. */
  private get pinRoot(): string {
    return join(this.config.value['bpf-root'], 'cilium')
  }

  /** What the local API shows. */
  sources(): ApiSources {
    return {
      startedAt: this.startedAt,
      tables: this.tables,
      pools: this.pools,
      config: () => this.config.value,
      texts: () => this.context.loaded.texts,
      changeConfig: (changes) => this.changeConfig(changes),
      facts: () => (this.ownNode.waiting === '' ? this.ownNode.facts : undefined),
      network: () => this.network,
      reflectors: () => this.reflectors?.health() ?? new Map(),
      kubernetes: () => this.kubernetes?.state ?? {version: undefined, error: 'not asked yet', since: this.startedAt},
      runners: () => [
        ...this.runners.states,
        ...(this.config.value['enable-health-checking'] ? [this.health.state] : []),
      ],
      metrics: () => this.context.registry.samples(),
      cniConfig: () => this.endpoints.cniConfig,
      datapath: () => {
        const {datapath} = this
        if (datapath === undefined) return undefined
        const {number} = datapath.generation.name
        return {
          generation: number,
          since: this.generationSince,
          attachMode: datapath.attachments.mode,
          maps: pinnedMapSizes(this.pinRoot),
        }
      },
      kernel: kernelState,
      health: () => this.health.status,
      waitingFor: () =>
        this.starting === 'node' && this.ownNode.waiting !== '' ? this.ownNode.waiting : this.starting,
      services: () => this.services.reconciler,
      policy: () => this.policy,
      flows: () => this.hubble?.state,
      disconnect: (row) => this.endpoints.release(row),
      setAudit: async (row, audit) => this.policyPart?.audit.set(row, audit),
    }
  }

  /** Keys that may change while the agent runs. @throws CONFIG_KEY_IMMUTABLE, CONFIG_VALUE_INVALID */
  changeConfig(changes: ReadonlyMap<string, string>): void {
    this.config.value = changeConfig(this.config.value, changes)
    applyLogLevel(this.context.log, this.config.value)
    this.policy?.schedule()
    this.policyPart?.audit.follow()
    this.context.log.info('configuration changed', Object.fromEntries(changes))
    this.tellRuntimeConfig()
  }

  private deviceChoice(): DeviceChoice {
    const config: AgentConfig = this.config.value
    return {
      patterns: config.devices,
      forceDetection: config['force-device-detection'],
      masquerade: config['egress-masquerade-interfaces'],
      linkLocal: config['enable-host-firewall'],
    }
  }
}
