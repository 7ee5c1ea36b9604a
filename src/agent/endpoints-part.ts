/**
 * The pods of this node, put together: what the disk remembers of them, their identities, what Kubernetes is told of
 * them, how they are connected and taken down, and the runtime's calls that ask for it.
 */
import {ENDPOINT_IFINDEX_BASE, ENDPOINT_SLOTS} from '../datapath/gen/constants.ts'
import type {KubeClient} from '../k8s/client.ts'
import type {EventRecorder} from '../k8s/event-recorder.ts'
import {objects} from '../k8s/objects.ts'
import {type CiliumEndpoint, resources} from '../k8s/resources.ts'
import type {NetlinkSocket} from '../kernel/netlink/socket.ts'
import {clusterIdentities} from '../model/identity.ts'
import {LabelFilter} from '../model/label-filter.ts'
import {giveBackMemory} from '../runtime/heap.ts'
import {CniFront, eventReason} from './cni/front.ts'
import type {AgentConfig} from './config.ts'
import type {AgentContext, CurrentConfig} from './context.ts'
import {EndpointCollector} from './endpoint/collector.ts'
import {Connections, type PodNetwork} from './endpoint/connections.ts'
import {FormerEndpoints} from './endpoint/former.ts'
import {EndpointRecords} from './endpoint/record.ts'
import {restoreEndpoints} from './endpoint/restore.ts'
import {Slots} from './endpoint/slots.ts'
import type {NodePools} from './ipam/node-pools.ts'
import type {NodeFacts} from './node/facts.ts'
import {underlayOf} from './node/own-facts.ts'
import type {Sysctl} from './node/sysctl.ts'
import type {PolicyEnforcer} from './policy/enforcer.ts'
import {ciliumEndpointReconciler} from './reconcile/cilium-endpoints.ts'
import {EndpointIdentity} from './reconcile/endpoint-identity.ts'
import type {LoadedDatapath} from './reconcile/loaded-datapath.ts'
import {sharedIdentities} from './reconcile/shared-identities.ts'
import type {Runners} from './runners.ts'
import type {EndpointRow} from './state/rows.ts'
import type {Tables} from './state/tables.ts'

export interface EndpointsPartOptions {
  readonly context: AgentContext
  readonly config: CurrentConfig
  readonly tables: Tables
  readonly pools: NodePools
  readonly sysctl: Sysctl
  readonly runners: Runners
  /** of the kernel that runs */
  readonly bootId: string
}

/** What there is once the datapath runs. */
export interface EndpointsStart {
  readonly client: KubeClient
  readonly datapath: LoadedDatapath
  readonly socket: NetlinkSocket
  readonly network: () => PodNetwork
  /** of this node, as it is now */
  readonly facts: () => NodeFacts
  readonly policy: PolicyEnforcer
}

/** ms; the cluster is read by then, and its first answers are given */
const readInMs = 15_000

export class EndpointsPart {
  readonly slots = new Slots(ENDPOINT_SLOTS)
  readonly former = new FormerEndpoints()
  readonly records: EndpointRecords
  readonly #options: EndpointsPartOptions
  #identities: EndpointIdentity | undefined
  #collector: EndpointCollector | undefined
  #connections!: Connections
  #start!: EndpointsStart
  #cni: CniFront | undefined

  constructor(options: EndpointsPartOptions) {
    this.#options = options
    const {clock, log} = options.context
    this.records = new EndpointRecords(this.#config['lib-dir'], clock, log)
  }

  get #config(): AgentConfig {
    return this.#options.config.value
  }

  /** State of the file that the runtime reads; undefined before the start. */
  get cniConfig() {
    return this.#cni?.conflistState
  }

  /** Fills the table with what the disk remembers and the maps confirm. */
  async restore(datapath: LoadedDatapath, socket: NetlinkSocket): Promise<void> {
    const {context, tables, pools, bootId} = this.#options
    const {clock, log} = context
    const began = clock.monotonic()
    const {rows, former, leftovers} = await restoreEndpoints({
      records: this.records,
      slots: this.slots,
      pools,
      former: this.former,
      endpointMap: datapath.endpoints,
      socket,
      ifindexBase: ENDPOINT_IFINDEX_BASE,
      slotCount: ENDPOINT_SLOTS,
      bootId,
      log: log.for('restore'),
    })
    for (const row of rows)
      tables.endpoints.upsert({...row, state: row.identity === undefined ? 'waiting-for-identity' : 'ready'})
    tables.endpoints.markSynced('disk')
    if (rows.length + former + leftovers > 0) {
      const ms = Math.round(clock.monotonic() - began)
      log.for('restore').info('restored endpoints', {endpoints: rows.length, former, leftovers, ms})
    }
  }

  /** Identities, CiliumEndpoints, and taking down what is gone. */
  start(start: EndpointsStart): void {
    const {context, tables, pools, sysctl, bootId} = this.#options
    const {clock, log} = context
    const {client, datapath, socket, network} = start
    this.#start = start
    this.#identities = new EndpointIdentity({
      tables,
      shared: sharedIdentities(client),
      records: this.records,
      cluster: this.#config['cluster-name'],
      filter: LabelFilter.parse(this.#config.labels).filter,
      range: clusterIdentities(this.#config['cluster-id']),
      graceMs: this.#config['identity-change-grace-period'],
      clock,
      log,
    })
    this.#identities.start()
    this.#tellKubernetes()
    this.#connections = new Connections({
      tables,
      slots: this.slots,
      pools,
      former: this.former,
      records: this.records,
      socket,
      sysctl,
      programs: datapath.programs,
      endpointMap: datapath.endpoints,
      ifindexBase: ENDPOINT_IFINDEX_BASE,
      bootId,
      network,
      settled: (key) => ['bpf-endpoints', 'policy'].every((by) => tables.endpoints.status(key, by)?.state === 'done'),
      clock,
      log,
    })
    this.#collector = new EndpointCollector({
      tables,
      connections: this.#connections,
      former: this.former,
      clock,
      log,
    })
    this.#collector.start()
  }

  stop(): void {
    this.#collector?.stop()
    this.#identities?.stop()
  }

  /** Pods can come. @param events what pods that cannot be connected are told by */
  async serveRuntime(events: EventRecorder): Promise<void> {
    const {context, config, pools} = this.#options
    const {clock, log, metrics} = context
    const {network, facts} = this.#start
    this.#cni = new CniFront({
      connections: this.#connections,
      network,
      unready: () => (pools.ready ? undefined : 'the node has no pod CIDR yet'),
      warn: (pod, reason, message) =>
        events.record(
          {apiVersion: 'v1', kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid},
          {type: 'Warning', reason: eventReason(reason), message},
        ),
      config: () => config.value,
      runtime: () => facts().runtime,
      clock,
      log,
      metrics: {calls: metrics.cniCalls, duration: metrics.cniDuration},
    })
    await this.#cni.start()
    clock.after(readInMs, () => void giveBackMemory())
  }

  async leaveRuntime(): Promise<void> {
    await this.#cni?.stop()
  }

  /** Takes an endpoint down that somebody asks for by hand. */
  release(row: EndpointRow): Promise<void> {
    return this.#connections.release(row)
  }

  #tellKubernetes(): void {
    const {tables, runners} = this.#options
    const {client, facts, policy} = this.#start
    runners.run({
      name: 'cilium-endpoints',
      table: tables.endpoints,
      reconciler: ciliumEndpointReconciler({
        objects: objects<CiliumEndpoint>(client, resources.ciliumEndpoints),
        podOf: (row) => tables.pods.get(`${row.namespace}/${row.pod}`),
        nodeIp: () => facts().internalIps.find((ip) => ip.family === underlayOf(this.#config, facts())),
        known: () => tables.remoteEndpoints.values(),
        enforcing: (row) => policy.standings.stateOf(row).enforced,
      }),
      concurrency: 8,
      // an endpoint changes several times while it is connected; and its pod, which waits, goes first
      gatherMs: 20,
      refreshEveryMs: 300_000,
    })
  }
}
