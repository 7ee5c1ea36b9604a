/**
 * Answers one request for flows: where to begin, what to show, what was lost on the way. Never holds up the store: a
 * reader that is too slow is overtaken, and told by how much.
 */
import {setImmediate as turn} from 'node:timers/promises'
import {LostEventSource} from '../../api/gen/flow.ts'
import type {GetFlowsRequest, GetFlowsResponse} from '../../api/gen/observer.ts'
import type {EventPump} from './event-pump.ts'
import {EventSelection} from './event-selection.ts'
import type {FlowBuilder} from './flow-builder.ts'

/** events looked at before others get their turn */
const scanned = 8192
const scannedFirst = 256
const lostEveryMs = 1000

export interface FlowQueryOptions {
  readonly pump: EventPump
  readonly builder: FlowBuilder
  readonly nodeName: string
}

export class FlowQuery {
  readonly #pump: EventPump
  readonly #nodeName: string
  readonly #request: GetFlowsRequest
  readonly #selection: EventSelection
  #overtaken = {count: 0n, first: 0n, toldAt: 0}

  /** @throws FLOW_FILTER_INVALID */
  constructor({pump, builder, nodeName}: FlowQueryOptions, request: GetFlowsRequest) {
    this.#pump = pump
    this.#nodeName = nodeName
    this.#request = request
    this.#selection = new EventSelection(pump, builder, {
      whitelist: request.whitelist ?? [],
      blacklist: request.blacklist ?? [],
      since: request.since,
      until: request.follow === true ? undefined : request.until,
    })
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
      const found = this.#selection.take(next, stop)
      const wanted = Math.min(found, left)
      for (let i = 0; i < wanted; i++) {
        const flow = this.#selection.flow(i)
        batch.push({flow, node_name: this.#nodeName, time: flow.time})
      }
      left -= wanted
      next = stop
      batch.sort((a, b) => (a.time! < b.time! ? -1 : a.time! > b.time! ? 1 : 0))
      told = this.#tellLost(batch, told, next)
      this.#tellOvertaken(batch)
      if (batch.length > 0) yield batch
      if (next < store.next) await turn()
      else if (next < end) await this.#pump.more(signal)
    }
  }

  /** Where the answer begins: at the n-th wanted event from the end, or at the first. */
  async #begin(signal: AbortSignal): Promise<number> {
    const {store} = this.#pump
    const {number = 0n, first = false, follow = false} = this.#request
    if (number === 0n && follow && this.#request.since === undefined) return store.next
    if (number === 0n || first) return store.oldest
    let left = Number(number)
    let at = store.next
    if (left >= store.size && this.#request.since === undefined) return store.oldest
    // a few are often found among the newest
    for (let step = scannedFirst; at > store.oldest && !signal.aborted; step = Math.min(2 * step, scanned)) {
      const from = Math.max(store.oldest, at - step)
      const found = this.#selection.take(from, at)
      if (found >= left) return this.#selection.sequence(found - left)
      left -= found
      at = from
      await turn()
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
    this.#pump.overtaken += count
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
