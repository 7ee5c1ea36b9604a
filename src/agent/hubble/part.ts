/** Hubble as a part of the agent: the thread of flows and what feeds it. */
import {basename, join} from 'node:path'
import {monitorSocket} from '../../api/monitor-stream.ts'
import type {RedactionWishes} from '../../hubble/flow/redaction.ts'
import {storeCapacity} from '../../hubble/observe/flow-capacity.ts'
import type {WorkerOptions} from '../../hubble/server/messages.ts'
import {HubbleThread} from '../../hubble/server/thread.ts'
import type {EventRecorder} from '../../k8s/event-recorder.ts'
import {productVersion} from '../../runtime/version.ts'
import type {AgentConfig} from '../config.ts'
import type {AgentContext} from '../context.ts'
import {payloadBytes} from '../node/datapath-config.ts'
import type {Tables} from '../state/tables.ts'
import {AgentEventFeed} from './agent-event-feed.ts'
import {exportsOf} from './exports.ts'
import {NameFeed} from './name-feed.ts'

export class HubblePart {
  readonly #thread: HubbleThread
  readonly #feed: NameFeed
  readonly #events: AgentEventFeed

  /**
   * @param policyRevision counts changes of policies
   * @param record writes a Kubernetes event
   */
  constructor(
    {loaded, log, clock}: AgentContext,
    tables: Tables,
    policyRevision: () => number,
    record: EventRecorder['record'],
  ) {
    const {config} = loaded
    const clusterName = config['cluster-name']
    const {nodeName} = config
    const tlsFiles =
      config['hubble-disable-tls'] || config['hubble-tls-cert-file'] === '' || config['hubble-tls-key-file'] === ''
        ? undefined
        : {
            certificate: config['hubble-tls-cert-file'],
            key: config['hubble-tls-key-file'],
            clientAuthority: config['hubble-tls-client-ca-files'][0],
          }
    this.#thread = new HubbleThread({
      log: log.for('hubble'),
      worker: {
        clusterName,
        nodeName,
        version: productVersion().version,
        capacity: storeCapacity(config['hubble-event-buffer-capacity'], config['hubble-memory-budget']),
        pinRoot: join(config['bpf-root'], 'cilium'),
        socketPath: config['hubble-socket-path'],
        monitorPath: join(config['state-dir'], basename(monitorSocket)),
        listenAddress: config['hubble-listen-address'],
        tls: tlsFiles,
        exports: exportsOf(config),
        flowLogsPath: config['hubble-flowlogs-config-path'],
        ...(config['hubble-redact-enabled'] ? {redact: redactionOf(config)} : {}),
        payload: payloadBytes(config) > 0,
        ...(config['hubble-drop-events']
          ? {
              drops: {
                intervalMs: config['hubble-drop-events-interval'],
                reasons: config['hubble-drop-events-reasons'],
              },
            }
          : {}),
        metrics: metricsOf(config),
      },
      tellAll: () => this.#feed.tellAll(),
      dropped(notices) {
        for (const {namespace, pod: name, message} of notices) {
          const uid = tables.pods.get(`${namespace}/${name}`)?.uid
          const pod = {apiVersion: 'v1', kind: 'Pod', namespace, name, uid}
          record(pod, {type: 'Warning', reason: 'PacketDrop', message})
        }
      },
    })
    const tell = this.#thread.tell.bind(this.#thread)
    this.#feed = new NameFeed({
      tables,
      clusterName,
      nodeName,
      tls: tlsFiles !== undefined,
      family: config['hubble-prefer-ipv6'] ? 6 : 4,
      tell,
    })
    this.#events = new AgentEventFeed({tables, policyRevision, now: clock.now.bind(clock), tell})
  }

  /** What runs, for the status: counts, or why there are none. */
  get state(): Pick<HubbleThread, 'counts' | 'problem'> {
    return this.#thread
  }

  start(): void {
    this.#thread.start()
    this.#feed.start()
    this.#events.start()
  }

  async stop(): Promise<void> {
    this.#feed.stop()
    this.#events.stop()
    await this.#thread.stop()
  }
}

function metricsOf(config: AgentConfig): NonNullable<WorkerOptions['metrics']> {
  const authority = config['hubble-metrics-server-tls-client-ca-files'][0]
  return {
    specs: config['hubble-metrics'],
    address: config['hubble-metrics-server'],
    path: config['hubble-dynamic-metrics-config-path'],
    openMetrics: config['enable-hubble-open-metrics'],
    ...(config['hubble-metrics-server-enable-tls']
      ? {
          tls: {
            certificate: config['hubble-metrics-server-tls-cert-file'],
            key: config['hubble-metrics-server-tls-key-file'],
            clientAuthority: authority,
          },
        }
      : {}),
  }
}

function redactionOf(config: AgentConfig): RedactionWishes {
  return {
    urlQuery: config['hubble-redact-http-urlquery'],
    userInfo: config['hubble-redact-http-userinfo'],
    headers: {allow: config['hubble-redact-http-headers-allow'], deny: config['hubble-redact-http-headers-deny']},
    apiKey: config['hubble-redact-kafka-apikey'],
  }
}
