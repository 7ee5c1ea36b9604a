/**
 * Answers one request for flows: where to begin, what to show, what was lost on the way. Never holds up the store: a
 * reader that is too slow is overtaken, and told by how much.
 */
import {setImmediate as turn} from 'node:timers/promises'
import {type Flow, LostEventSource} from '../../api/gen/flow.ts'
import type {GetFlowsRequest, GetFlowsResponse} from '../../api/gen/observer.ts'
import {compileEventFilter, type EventFilter} from './column-filter.ts'
import type {EventPump} from './event-pump.ts'
import type {FlowBuilder} from './flow-builder.ts'

/** events looked at before others get their turn */
const scanned = 8192
const lostEveryMs = 1000

export interface FlowQueryOptions {
  readonly pump: EventPump
  readonly builder: FlowBuilder
  readonly nodeName: string
}

export class FlowQuery {
  readonly #pump: EventPump
  readonly #builder: FlowBuilder
  readonly #nodeName: string
  readonly #request: GetFlowsRequest
  readonly #filter: EventFilter
  readonly #since: bigint | undefined
  readonly #until: bigint | undefined
  #overtaken = {count: 0n, first: 0n, toldAt: 0}

  /** @throws FLOW_FILTER_INVALID */
  constructor({pump, builder, nodeName}: FlowQueryOptions, request: GetFlowsRequest) {
    this.#pump = pump
    this.#builder = builder
    this.#nodeName = nodeName
    this.#request = request
    this.#filter = compileEventFilter(builder.columns, request.whitelist ?? [], request.blacklist ?? [])
    this.#since = request.since
    this.#until = request.follow === true ? undefined : request.until
  }

  /** The answers, in batches that are ordered by time. Ends at the newest event, or with the signal. */
  async *batches(signal: AbortSignal): AsyncGenerator<GetFlowsResponse[]> {
    const {store} = this.#pump
    const {number = 0n, first = false, follow = false} = this.#request
    const end = follow ? Number.POSITIVE_INFINITY : store.next
    let left = number > 0n && (first || !follow) ? Number(number) : Number.POSITIVE_INFINITY
    let next = await this.#begin(signal)
    let told = store.lostBefore(next).count
    while (!signal.aborted && left > 0 && next < end) {
      const batch: GetFlowsResponse[] = []
      if (next < store.oldest) {
        this.#note(store.oldest - next)
        next = store.oldest
      }
      const stop = Math.min(store.next, end, next + scanned)
      for (; next < stop && left > 0; next++) {
        const flow = this.#match(next)
        if (flow === undefined) continue
        batch.push({flow, node_name: this.#nodeName, time: flow.time})
        left--
      }
      batch.sort((a, b) => (a.time! < b.time! ? -1 : a.time! > b.time! ? 1 : 0))
      told = this.#tellLost(batch, told, next)
      this.#tellOvertaken(batch)
      if (batch.length > 0) yield batch
      if (next < store.next) await turn()
      else if (next < end) await this.#pump.more(signal)
    }
  }

  #match(sequence: number): Flow | undefined {
    const {store, time} = this.#pump
    const slot = store.slot(sequence)
    if (this.#since !== undefined || this.#until !== undefined) {
      // the cheapest question first: no flow is made for it
      const at = time.wall(store.times[slot]!, sequence)
      if ((this.#since !== undefined && at < this.#since) || (this.#until !== undefined && at > this.#until))
        return undefined
    }
    let built: Flow | undefined
    const flow = () => (built ??= this.#builder.build(sequence))
    return this.#filter.matches(slot, flow) ? flow() : undefined
  }

  /** Where the answer begins: at the n-th wanted event from the end, or at the first. */
  async #begin(signal: AbortSignal): Promise<number> {
    const {store} = this.#pump
    const {number = 0n, first = false, follow = false} = this.#request
    if (number === 0n && follow && this.#since === undefined) return store.next
    if (number === 0n || first) return store.oldest
    let left = Number(number)
    let at = store.next
    if (left >= store.size && this.#since === undefined) return store.oldest
    while (at > store.oldest && left > 0 && !signal.aborted) {
      const stop = Math.max(store.oldest, at - scanned)
      while (at > stop && left > 0) if (this.#match(--at) !== undefined) left--
      if (at > store.oldest && left > 0) await turn()
    }
    return at
  }

  /** @returns how many lost events have been told now */
  #tellLost(batch: GetFlowsResponse[], told: number, next: number): number {
    const {count, newest} = this.#pump.store.lostBefore(next)
    if (count > told && newest !== undefined) {
      const [first, last] = [this.#wall(newest.first), this.#wall(newest.last)]
      batch.push(this.#lost(LostEventSource.PERF_EVENT_RING_BUFFER, BigInt(count - told), first, last))
    }
    return count
  }

  #wall(bootNs: number): bigint {
    return BigInt(Math.round(bootNs)) + this.#pump.time.distance
  }

  #note(count: number): void {
    if (this.#overtaken.count === 0n) this.#overtaken.first = this.#now()
    this.#overtaken.count += BigInt(count)
  }

  /** At most once a second: telling of losses must not cause more. */
  #tellOvertaken(batch: GetFlowsResponse[]): void {
    const now = performance.now()
    const {count, first, toldAt} = this.#overtaken
    if (count === 0n || (toldAt !== 0 && now - toldAt < lostEveryMs)) return
    batch.push(this.#lost(LostEventSource.HUBBLE_RING_BUFFER, count, first, this.#now()))
    this.#overtaken = {count: 0n, first: 0n, toldAt: now}
  }

  #lost(source: number, count: bigint, first: bigint, last: bigint): GetFlowsResponse {
    return {lost_events: {source, num_events_lost: count, first, last}, node_name: this.#nodeName, time: last}
  }

  #now(): bigint {
    return BigInt(Date.now()) * 1_000_000n
  }
}
