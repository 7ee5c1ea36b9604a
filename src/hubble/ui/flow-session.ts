/**
 * One page that looks: follows the flows of its namespace and tells map, table and state in steps. Whatever the flows
 * do, what is kept is bounded: the map by its limits, the table by `rowsMax` between two steps. A page that does not
 * read is told nothing until it does, and then what has become of it.
 */
import type {ServiceError} from '@grpc/grpc-js'
import type {Flow, FlowFilter} from '../../api/gen/flow.ts'
import {type GetFlowsRequest, ObserverService} from '../../api/gen/observer.ts'
import {Backoff} from '../../runtime/backoff.ts'
import {type Clock, every, sleep} from '../../runtime/clock.ts'
import {flowRow} from './flow-row.ts'
import type {ObserverClient} from './observer-client.ts'
import {matchesRow, type RowFilter} from './row-filter.ts'
import {type MapLimits, ServiceMap} from './service-map.ts'
import type {FlowsMessage, MapMessage, StateMessage} from './wire.ts'

export type SessionMessage =
  | {readonly event: 'map'; readonly data: MapMessage}
  | {readonly event: 'flows'; readonly data: FlowsMessage}
  | {readonly event: 'state'; readonly data: StateMessage}

export interface SessionOptions {
  readonly observer: ObserverClient
  readonly clock: Clock
  /** undefined: all */
  readonly namespace: string | undefined
  readonly filter: RowFilter
  /** how far back to begin */
  readonly pastMs: number
  readonly limits?: MapLimits
  /** false: the page has not read yet what it got */
  readonly ready: () => boolean
  readonly tell: (message: SessionMessage) => void
}

/** flows that one step may bring to the table: more than a person reads in it */
const rowsMax = 100
const stepMs = 500

export class FlowSession {
  readonly #options: SessionOptions
  readonly #map: ServiceMap
  readonly #startedNs: bigint
  #rows: {flow: Flow; sequence: number}[] = []
  #skipped = 0
  #seen = 0
  #lost = 0n
  #newestNs: bigint
  #state: {connected: boolean; detail: string} = {connected: false, detail: 'connecting'}
  #toldState = ''

  constructor(options: SessionOptions) {
    this.#options = options
    this.#map = new ServiceMap(options.limits)
    this.#startedNs = BigInt(options.clock.now()) * 1_000_000n
    this.#newestNs = this.#startedNs - BigInt(options.pastMs) * 1_000_000n
  }

  /** Until the signal. Never throws: what is wrong with the relay is told as state. */
  async run(signal: AbortSignal): Promise<void> {
    const {clock} = this.#options
    const steps = every(clock, stepMs, () => this.#step())
    const backoff = new Backoff({minMs: 500, maxMs: 10_000})
    this.#step()
    try {
      while (!signal.aborted) {
        const detail = await this.#follow(signal, () => backoff.reset())
        if (signal.aborted) return
        this.#state = {connected: false, detail}
        await sleep(clock, backoff.next(), signal).catch(() => {})
      }
    } finally {
      steps.cancel()
    }
  }

  /** @returns why it ended */
  async #follow(signal: AbortSignal, onOpen: () => void): Promise<string> {
    const {observer} = this.#options
    const open = () => {
      this.#state = {connected: true, detail: ''}
      onOpen()
    }
    try {
      for await (const response of observer.stream(ObserverService.GetFlows, this.#request(), signal, open)) {
        if (!this.#state.connected) open()
        if (response.lost_events !== undefined) this.#lost += response.lost_events.num_events_lost ?? 0n
        if (response.flow !== undefined) this.#take(response.flow)
      }
      return 'the relay ended the answer'
    } catch (thrown) {
      const {details, message} = thrown as ServiceError
      return details || message
    }
  }

  #request(): GetFlowsRequest {
    const {namespace} = this.#options
    // one behind the newest: what has been told is not told again
    const request: GetFlowsRequest = {follow: true, since: this.#newestNs + 1n}
    if (namespace === undefined) return request
    const pod = [`${namespace}/`]
    return {...request, whitelist: [{source_pod: pod}, {destination_pod: pod}] satisfies FlowFilter[]}
  }

  #take(flow: Flow): void {
    const time = flow.time ?? 0n
    if (time > this.#newestNs) this.#newestNs = time
    this.#seen++
    this.#map.add(flow, time >= this.#startedNs)
    if (!matchesRow(flow, this.#options.filter)) return
    this.#rows.push({flow, sequence: this.#seen})
    if (this.#rows.length <= rowsMax * 2) return
    // taken away in one piece, not one by one
    this.#rows = this.#rows.slice(-rowsMax)
    this.#skipped += rowsMax + 1
  }

  #step(): void {
    const {clock, ready, tell} = this.#options
    if (!ready()) return
    const state: StateMessage = {...this.#state, lost: Number(this.#lost), seen: this.#seen}
    const text = JSON.stringify(state)
    if (text !== this.#toldState) {
      this.#toldState = text
      tell({event: 'state', data: state})
    }
    const map = this.#map.changes(clock.now())
    if (map !== undefined) tell({event: 'map', data: map})
    if (this.#rows.length === 0) return
    const shown = this.#rows.slice(-rowsMax)
    const skipped = this.#skipped + this.#rows.length - shown.length
    this.#rows = []
    this.#skipped = 0
    tell({event: 'flows', data: {rows: shown.map(({flow, sequence}) => flowRow(flow, sequence)), skipped}})
  }
}
