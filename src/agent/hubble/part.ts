/** Hubble as a part of the agent: the thread of flows and what feeds it. */
import {join} from 'node:path'
import {HubbleThread} from '../../hubble/server/thread.ts'
import {productVersion} from '../../runtime/version.ts'
import type {AgentContext} from '../context.ts'
import type {Tables} from '../state/tables.ts'
import {NameFeed} from './name-feed.ts'

export class HubblePart {
  readonly #thread: HubbleThread
  readonly #feed: NameFeed

  constructor({loaded, log}: AgentContext, tables: Tables) {
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
        capacity: config['hubble-event-buffer-capacity'],
        pinRoot: join(config['bpf-root'], 'cilium'),
        socketPath: config['hubble-socket-path'],
        listenAddress: config['hubble-listen-address'],
        tls: tlsFiles,
      },
      tellAll: () => this.#feed.tellAll(),
    })
    const tell = this.#thread.tell.bind(this.#thread)
    this.#feed = new NameFeed({tables, clusterName, nodeName, tls: tlsFiles !== undefined, tell})
  }

  /** What runs, for the status: counts, or why there are none. */
  get state(): Pick<HubbleThread, 'counts' | 'problem'> {
    return this.#thread
  }

  start(): void {
    this.#thread.start()
    this.#feed.start()
  }

  async stop(): Promise<void> {
    this.#feed.stop()
    await this.#thread.stop()
  }
}
