/** The Peer service: which nodes there are, from this node's view. */
import type {ServerWritableStream, UntypedHandleCall} from '@grpc/grpc-js'
import {type ChangeNotification, ChangeNotificationType, type NotifyRequest} from '../../api/gen/peer.ts'
import {send, stream} from './grpc-call.ts'

export interface Peer {
  /** node, or cluster/node */
  readonly name: string
  readonly address: string
  /** name in its certificate; undefined: it speaks without TLS */
  readonly tlsName: string | undefined
}

/** changes that a listener may be behind */
const queueMax = 100_000

export class Peers {
  readonly #peers = new Map<string, Peer>()
  readonly #listeners = new Set<(change: ChangeNotification) => void>()

  /** Takes the nodes that there are now. */
  set(peers: readonly Peer[]): void {
    const names = new Set(peers.map(({name}) => name))
    for (const [name, peer] of this.#peers) {
      if (names.has(name)) continue
      this.#peers.delete(name)
      this.#tell(peer, ChangeNotificationType.PEER_DELETED)
    }
    for (const peer of peers) {
      const known = this.#peers.get(peer.name)
      if (known !== undefined && known.address === peer.address && known.tlsName === peer.tlsName) continue
      this.#peers.set(peer.name, peer)
      this.#tell(peer, known === undefined ? ChangeNotificationType.PEER_ADDED : ChangeNotificationType.PEER_UPDATED)
    }
  }

  handlers(): Record<string, UntypedHandleCall> {
    const notify = (call: ServerWritableStream<NotifyRequest, ChangeNotification>) =>
      stream(call, async (signal) => {
        const queue = [...this.#peers.values()].map((peer) => notification(peer, ChangeNotificationType.PEER_ADDED))
        let wake = () => {}
        const listener = (change: ChangeNotification) => {
          if (queue.length < queueMax) queue.push(change)
          wake()
        }
        this.#listeners.add(listener)
        signal.addEventListener('abort', () => wake(), {once: true})
        try {
          while (!signal.aborted) {
            const next = queue.shift()
            if (next !== undefined) await send(call, next, signal)
            else await new Promise<void>((resolve) => (wake = resolve))
          }
        } finally {
          this.#listeners.delete(listener)
        }
      })
    return {Notify: notify as UntypedHandleCall}
  }

  #tell(peer: Peer, type: number): void {
    for (const listener of this.#listeners) listener(notification(peer, type))
  }
}

function notification({name, address, tlsName}: Peer, type: number): ChangeNotification {
  return {name, address, type, ...(tlsName === undefined ? {} : {tls: {server_name: tlsName}})}
}
