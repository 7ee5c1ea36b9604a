/** The nodes of the cluster, as the peer service tells of them, and the connections to them. */
import {type ChangeNotification, ChangeNotificationType, PeerService} from '../../api/gen/peer.ts'
import {peerServiceName} from '../../api/hubble-names.ts'
import {Ip} from '../../model/ip.ts'
import {every, sleep, systemClock, type Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {type ClientFiles, NodeChannel} from './node-channel.ts'

export interface NodesOptions {
  readonly clusterName: string
  readonly peerService: string
  readonly files: ClientFiles | undefined
  readonly dialTimeoutMs: number
  readonly retryTimeoutMs: number
  /** how long a peer service that begins anew takes at most to tell of all nodes */
  readonly settleMs: number
  readonly log: Log
}

export interface RelayNode {
  /** cluster/node */
  readonly name: string
  /** host:port */
  readonly address: string
  readonly tlsName: string | undefined
  readonly channel: NodeChannel
}

const nodePort = 4244
const firstRetryMs = 500

export class Nodes {
  readonly #options: NodesOptions
  readonly #nodes = new Map<string, RelayNode>()
  readonly #peers: NodeChannel
  readonly #end = new AbortController()
  /** the peer service has told of nodes, and goes on */
  isFollowing = false

  constructor(options: NodesOptions) {
    const {clusterName, peerService, files, dialTimeoutMs, retryTimeoutMs} = options
    this.#options = options
    const local = peerService.startsWith('unix:')
    this.#peers = new NodeChannel({
      target: peerService,
      files: local ? undefined : files,
      tlsName: local ? undefined : peerServiceName(clusterName),
      timeoutMs: dialTimeoutMs,
      retryMs: retryTimeoutMs,
    })
  }

  start(): void {
    void this.#follow()
  }

  stop(): void {
    this.#end.abort()
    this.#peers.close()
    for (const {channel} of this.#nodes.values()) channel.close()
  }

  /** All, by name. */
  get all(): readonly RelayNode[] {
    return [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get connected(): readonly RelayNode[] {
    return this.all.filter(({channel}) => channel.isConnected)
  }

  async #follow(): Promise<void> {
    const {log, retryTimeoutMs, settleMs, peerService} = this.#options
    const {signal} = this.#end
    let pauseMs = firstRetryMs
    while (!signal.aborted) {
      const told = new Set<string>()
      let settled: Timer | undefined
      try {
        for await (const change of this.#peers.stream(PeerService.Notify, {}, signal)) {
          if (!this.isFollowing) log.info('the peer service tells of nodes', {address: peerService})
          this.isFollowing = true
          pauseMs = firstRetryMs
          settled ??= every(systemClock, settleMs, () => this.#forgetUntold(told))
          told.add(change.name ?? '')
          this.#hear(change)
        }
      } catch (thrown) {
        if (signal.aborted) return
        log.warn(
          'the peer service does not answer',
          {address: peerService, error: CiliumError.from(thrown)},
          {per: peerService},
        )
      }
      settled?.cancel()
      this.isFollowing = false
      await sleep(systemClock, pauseMs, signal).catch(() => {})
      pauseMs = Math.min(2 * pauseMs, retryTimeoutMs)
    }
  }

  #hear({name = '', address = '', type, tls}: ChangeNotification): void {
    if (name === '') return
    if (type === ChangeNotificationType.PEER_DELETED) {
      this.#forget(name)
      return
    }
    const tlsName = tls?.server_name
    const target = withPort(address)
    const known = this.#nodes.get(name)
    if (known !== undefined && known.address === target && known.tlsName === tlsName) return
    known?.channel.close()
    const {files, dialTimeoutMs, retryTimeoutMs, log} = this.#options
    const channel = new NodeChannel({target, files, tlsName, timeoutMs: dialTimeoutMs, retryMs: retryTimeoutMs})
    this.#nodes.set(name, {name, address: target, tlsName, channel})
    log.info('a node', {name, address: target})
  }

  /**
   * A peer service that begins anew tells of the nodes that are there, not of those that went meanwhile. One that has
   * just started may know few of them yet: whoever answers is there, told or not.
   */
  #forgetUntold(told: ReadonlySet<string>): void {
    for (const {name, channel} of this.all) if (!told.has(name) && !channel.isConnected) this.#forget(name)
  }

  #forget(name: string): void {
    const known = this.#nodes.get(name)
    if (known === undefined) return
    known.channel.close()
    this.#nodes.delete(name)
    this.#options.log.info('a node is gone', {name})
  }
}

function withPort(address: string): string {
  const ip = Ip.parse(address)
  if (ip === undefined) return address
  return ip.family === 6 ? `[${ip}]:${nodePort}` : `${ip}:${nodePort}`
}
