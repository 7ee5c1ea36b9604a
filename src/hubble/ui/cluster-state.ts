/** What is known of the whole cluster. Asked while pages look, and shared by them. */
import {type ServiceError, status} from '@grpc/grpc-js'
import {ObserverService} from '../../api/gen/observer.ts'
import {NodeState} from '../../api/gen/relay.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {ObserverClient} from './observer-client.ts'
import {shown} from './shown-text.ts'
import type {ClusterMessage} from './wire.ts'

const freshMs = 4_000
const timeoutMs = 5_000
const namesMax = 10_000

export class ClusterState {
  readonly #observer: ObserverClient
  readonly #clock: Clock
  #newest: {readonly at: number; readonly answer: Promise<ClusterMessage>} | undefined

  constructor(observer: ObserverClient, clock: Clock) {
    this.#observer = observer
    this.#clock = clock
  }

  /** At most some seconds old. Never rejects: a relay that does not answer is part of the answer. */
  read(): Promise<ClusterMessage> {
    const now = this.#clock.monotonic()
    if (this.#newest === undefined || now - this.#newest.at > freshMs) {
      this.#newest = {at: now, answer: this.#ask()}
    }
    return this.#newest.answer
  }

  async #ask(): Promise<ClusterMessage> {
    const observer = this.#observer
    try {
      const [server, {namespaces = []}, nodes] = await Promise.all([
        observer.ask(ObserverService.ServerStatus, {}, timeoutMs),
        observer.ask(ObserverService.GetNamespaces, {}, timeoutMs),
        this.#nodes(),
      ])
      const away = nodes?.filter(({state}) => state !== NodeState.NODE_CONNECTED).map(({name = ''}) => name)
      return {
        connected: true,
        detail: '',
        namespaces: [...new Set(namespaces.map(({namespace = ''}) => shown(namespace)))].sort().slice(0, namesMax),
        nodesConnected: nodes === undefined ? (server.num_connected_nodes ?? 1) : nodes.length - away!.length,
        nodesUnavailable: (away ?? server.unavailable_nodes ?? []).slice(0, namesMax).map(shown),
        flowsPerSecond: server.flows_rate ?? 0,
        version: shown(server.version ?? ''),
      }
    } catch (thrown) {
      const {details, message} = thrown as ServiceError
      const nothing = {namespaces: [], nodesConnected: 0, nodesUnavailable: [], flowsPerSecond: 0, version: ''}
      return {connected: false, detail: shown(details || message), ...nothing}
    }
  }

  /** undefined: an agent was asked, which knows itself only */
  async #nodes() {
    try {
      return (await this.#observer.ask(ObserverService.GetNodes, {}, timeoutMs)).nodes ?? []
    } catch (thrown) {
      if ((thrown as ServiceError).code === status.UNIMPLEMENTED) return undefined
      throw thrown
    }
  }
}
