/** Chooses among stored events, a run of them at a time: by columns first, and makes flows only for what they let through. */
import type {Flow, FlowFilter} from '../../api/gen/flow.ts'
import {compileEventFilter, type EventFilter} from './column-filter.ts'
import type {EventPump} from './event-pump.ts'
import type {FlowBuilder} from './flow-builder.ts'
import {timeBetween} from './narrow.ts'

export interface SelectionRequest {
  readonly whitelist: readonly FlowFilter[]
  readonly blacklist: readonly FlowFilter[]
  /** ns since 1970, both included */
  readonly since: bigint | undefined
  readonly until: bigint | undefined
}

export class EventSelection {
  readonly #pump: EventPump
  readonly #builder: FlowBuilder
  readonly #filter: EventFilter
  readonly #since: bigint | undefined
  readonly #until: bigint | undefined
  #slots = new Uint32Array(0)
  #first = 0
  /** of the last run, by slot: made to find out whether they are wanted */
  readonly #made = new Map<number, Flow>()

  /** @throws FLOW_FILTER_INVALID */
  constructor(pump: EventPump, builder: FlowBuilder, {whitelist, blacklist, since, until}: SelectionRequest) {
    this.#pump = pump
    this.#builder = builder
    this.#filter = compileEventFilter(builder.columns, whitelist, blacklist)
    this.#since = since
    this.#until = until
  }

  /** Looks at the events from one sequence number to before another. @returns how many are wanted */
  take(from: number, stop: number): number {
    const {store} = this.#pump
    const count = stop - from
    if (this.#slots.length < count) this.#slots = new Uint32Array(count)
    const slots = this.#slots
    const {mask} = store
    const base = store.slot(from)
    for (let i = 0; i < count; i++) slots[i] = (base + i) & mask
    this.#first = from
    this.#made.clear()
    const inTime = this.#narrowTime(count, from, stop)
    return this.#filter.select(slots, inTime, this.#make)
  }

  /** The sequence number of the one at this place among those that `take` found. */
  sequence(index: number): number {
    const {store} = this.#pump
    return this.#first + ((this.#slots[index]! - store.slot(this.#first)) & store.mask)
  }

  flow(index: number): Flow {
    return this.#make(this.#slots[index]!)
  }

  readonly #make = (slot: number): Flow => {
    const known = this.#made.get(slot)
    if (known !== undefined) return known
    const {store} = this.#pump
    const flow = this.#builder.build(this.#first + ((slot - store.slot(this.#first)) & store.mask))
    if (this.#filter.needsFlows) this.#made.set(slot, flow)
    return flow
  }

  #narrowTime(count: number, from: number, stop: number): number {
    if (count === 0 || (this.#since === undefined && this.#until === undefined)) return count
    const {store, time} = this.#pump
    let left = 0
    // runs between two settings of the wall clock have one distance each
    for (let first = from; first < stop; ) {
      const {distance, until} = time.distanceAt(first)
      const end = Math.min(stop, until)
      const low = this.#since === undefined ? Number.NEGATIVE_INFINITY : Number(this.#since - distance)
      const high = this.#until === undefined ? Number.POSITIVE_INFINITY : Number(this.#until - distance)
      const run = this.#slots.subarray(first - from, end - from)
      const kept = timeBetween(store.times, low, high)(run, end - first)
      this.#slots.copyWithin(left, first - from, first - from + kept)
      left += kept
      first = end
    }
    return left
  }
}
