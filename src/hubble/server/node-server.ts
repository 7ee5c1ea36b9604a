/**
 * Hubble on a node: rings → store → servers. Runs in a thread of its own, so that the agent's work never waits for
 * flows, nor flows for it.
 */
import type {Server} from '@grpc/grpc-js'
import {HealthService} from '../../api/gen/health.ts'
import {ObserverService} from '../../api/gen/observer.ts'
import {PeerService} from '../../api/gen/peer.ts'
import {qualifiedNode} from '../../api/hubble-names.ts'
import {MonitorServer} from '../../api/monitor-server.ts'
import {EVENT_VERSION} from '../../datapath/gen/constants.ts'
import {eventCodec, eventSampleCodec} from '../../datapath/gen/types.ts'
import {MetricRegistry} from '../../runtime/metrics.ts'
import {Exports} from '../export/exports.ts'
import {NameTable} from '../flow/name-table.ts'
import {type Redact, redaction} from '../flow/redaction.ts'
import {MetricsPart} from '../metrics/metrics-part.ts'
import {type AccessRecord, appendAccess} from '../observe/access-record.ts'
import {machineClocks} from '../observe/boot-clock.ts'
import {type DropNotice, DropNotices} from '../observe/drop-notices.ts'
import {EventPump, type EventSource} from '../observe/event-pump.ts'
import {EventTap} from '../observe/event-tap.ts'
import {FlowBuilder} from '../observe/flow-builder.ts'
import {FlowStore} from '../observe/flow-store.ts'
import {SocketEnds} from '../observe/socket-ends.ts'
import {AgentEvents} from './agent-events.ts'
import {agentNotice} from './agent-notice.ts'
import {healthHandlers} from './health.ts'
import {closeGrpcServer, type GrpcService, listenOnAddress, listenOnUnixSocket} from './listen.ts'
import type {ToWorker, WorkerCounts, WorkerOptions} from './messages.ts'
import {observerHandlers} from './observer.ts'
import {Peers} from './peers.ts'
import {reflectionServices} from './reflection.ts'

export interface NodeServerListeners {
  /** told of what goes wrong and ends nothing */
  readonly trouble?: (message: string) => void
  /** told of drops that are worth a Kubernetes event */
  readonly dropped?: (notices: readonly DropNotice[]) => void
}

const dropsEveryMs = 1000

export class NodeServer {
  readonly #options: WorkerOptions
  readonly #names: NameTable
  readonly #pump: EventPump
  readonly #peers = new Peers()
  readonly #agentEvents = new AgentEvents()
  readonly #services: readonly GrpcService[]
  readonly #servers: Server[] = []
  readonly #monitor: MonitorServer
  readonly #metrics: MetricsPart | undefined
  readonly #exports: Exports
  readonly #redact: Redact | undefined
  #tellDrops: (() => void) | undefined
  #dropTimer: NodeJS.Timeout | undefined
  readonly #startedAt = performance.now()

  /** @throws FLOW_FILTER_INVALID, HUBBLE_METRIC_INVALID */
  constructor(options: WorkerOptions, source: EventSource, listeners: NodeServerListeners = {}) {
    const {trouble = () => {}, dropped = () => {}} = listeners
    const nodeName = qualifiedNode(options.clusterName, options.nodeName)
    this.#options = options
    this.#redact = options.redact === undefined ? undefined : redaction(options.redact)
    this.#names = new NameTable(nodeName)
    const store = new FlowStore(options.capacity)
    store.complete = new SocketEnds(store, this.#names).complete
    this.#pump = new EventPump({source, store, clocks: machineClocks()})
    const recordBytes = options.payload === true ? eventSampleCodec.size : eventCodec.size
    const tap = new EventTap(
      () => this.#monitor.listeners > 0,
      () => this.#pump.lost,
      recordBytes,
    )
    this.#pump.tap = tap
    const {boot} = machineClocks()
    this.#monitor = new MonitorServer({
      source: tap,
      eventVersion: EVENT_VERSION,
      eventBytes: eventCodec.size,
      recordBytes,
      bootTimeNs: boot,
    })
    const builder = new FlowBuilder(store, this.#pump.time, this.#names, options.version)
    const {clusterName, version, metrics} = options
    if (metrics !== undefined && (metrics.specs.length > 0 || (metrics.path ?? '') !== ''))
      this.#metrics = new MetricsPart({...metrics, pump: this.#pump, builder, names: this.#names, trouble})
    this.#exports = new Exports({
      pump: this.#pump,
      builder,
      nodeName,
      clusterName,
      version,
      plans: options.exports,
      flowLogsPath: options.flowLogsPath,
      registry: this.#metrics?.registry ?? new MetricRegistry(),
      trouble,
    })
    if (options.drops !== undefined) {
      const notices = new DropNotices(this.#pump, builder, options.drops)
      this.#tellDrops = () => {
        const found = notices.look(performance.now())
        if (found.length > 0) dropped(found)
      }
    }
    const observer = {pump: this.#pump, builder, agentEvents: this.#agentEvents, nodeName, clusterName, version}
    const services = [
      {definition: ObserverService, handlers: observerHandlers(observer)},
      {definition: PeerService, handlers: this.#peers.handlers()},
      {definition: HealthService, handlers: healthHandlers()},
    ]
    this.#services = [...services, ...reflectionServices(services)]
  }

  /** @throws HUBBLE_LISTEN_FAILED */
  async start(): Promise<void> {
    const {socketPath, monitorPath, listenAddress, tls} = this.#options
    this.#pump.start()
    this.#exports.start()
    await this.#metrics?.start()
    if (this.#tellDrops !== undefined) this.#dropTimer = setInterval(this.#tellDrops, dropsEveryMs)
    if (monitorPath !== '') await this.#monitor.listen(monitorPath)
    this.#servers.push(await listenOnUnixSocket(socketPath, this.#services))
    if (listenAddress !== '') this.#servers.push(await listenOnAddress(listenAddress, tls, this.#services))
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) closeGrpcServer(server)
    this.#pump.stop()
    this.#metrics?.stop()
    clearInterval(this.#dropTimer)
    if (this.#options.monitorPath !== '') void this.#monitor.close()
    await this.#exports.stop()
  }

  hear(message: ToWorker): void {
    if (message.kind === 'names') this.#names.apply(message.changes)
    else if (message.kind === 'peers') this.#peers.set(message.peers)
    else if (message.kind === 'access') this.#takeRecords(message.records)
    else if (message.kind === 'agent-event') {
      this.#agentEvents.add(message)
      this.#monitor.notify(agentNotice(message.event))
    }
  }

  /** Redacted before they are kept: what must not be told is nowhere. */
  #takeRecords(records: readonly AccessRecord[]): void {
    for (const one of records) {
      const record = this.#redact === undefined ? one.record : this.#redact(one.record)
      appendAccess(this.#pump.store, {...one, record})
    }
    this.#pump.wake()
  }

  get counts(): WorkerCounts {
    const {store, lost, rate, ringBytes} = this.#pump
    return {
      flows: store.size,
      capacity: store.capacity,
      seen: store.next,
      lost,
      ringBytes,
      rate,
      listeners: this.#monitor.listeners,
      unreadable: store.unreadable,
      uptimeMs: performance.now() - this.#startedAt,
    }
  }
}
