/**
 * The last events of this node, as raw as the programs wrote them, in columns: one array per 32 bits of the record, so
 * that a filter reads only what it asks for and nothing is made for flows that nobody wants.
 *
 *     sequence number   0 ......... oldest ............................ next
 *                       forgotten     |  capacity = 2^n - 1 events  |
 *
 * Appending is the only writer. Nothing is ever moved: an event is forgotten when a newer one takes its place.
 */
import type {Layer7} from '../../api/gen/flow.ts'
import {EVENT_VERSION} from '../../datapath/gen/constants.ts'
import {eventCodec, eventOffsets, eventSampleCodec} from '../../datapath/gen/types.ts'
import {Payloads} from './payloads.ts'

const eventWords = eventCodec.size >> 2
/** Distance of columns beyond their length: columns at a power of two from each other would share cache sets. */
const padding = 16
const lossesMax = 1024

/** What is kept of a record of layer 7, beside the columns. */
export interface KeptRecord {
  readonly record: Layer7
  readonly traceId?: string
}

/** Events that the programs wrote and nobody could read. */
export interface Loss {
  /** the event that was next when it was noticed */
  readonly before: number
  readonly count: number
  /** boot clock, ns */
  readonly first: number
  readonly last: number
}

export class FlowStore {
  /** events it remembers: 2^n - 1 */
  readonly capacity: number
  /** of slots, which number one more than events */
  readonly mask: number
  /** sequence number of the event that comes next: how many there ever were */
  next = 0
  /** records of another version than ours, which were not stored */
  unreadable = 0
  readonly #words: Uint32Array
  readonly #stride: number
  /** boot clock, ns */
  readonly times: Float64Array
  #sourceView: DataView | undefined
  #source: Uint32Array = new Uint32Array(0)
  readonly #losses: Loss[] = []
  /** by slot: what some events have beside the columns */
  readonly #kept = new Map<number, KeptRecord>()
  /** of packets, when they are asked for */
  readonly payloads: Payloads
  lost = 0
  /** changes an event that has just been stored, in its slot */
  complete: ((slot: number) => void) | undefined

  /** @throws RangeError unless the capacity is 2^n - 1 */
  constructor(capacity: number) {
    const slots = capacity + 1
    if (!Number.isInteger(capacity) || capacity < 1 || (slots & capacity) !== 0 || slots > 2 ** 30)
      throw new RangeError(`a capacity of ${capacity} is not one less than a power of two`)
    this.capacity = capacity
    this.mask = capacity
    this.#stride = slots + padding
    this.#words = new Uint32Array(this.#stride * eventWords)
    this.times = new Float64Array(slots)
    this.payloads = new Payloads(slots)
  }

  /** Sequence number of the oldest event that is still here. */
  get oldest(): number {
    return Math.max(0, this.next - this.capacity)
  }

  get size(): number {
    return this.next - this.oldest
  }

  /** Bytes that it holds, always. */
  get bytes(): number {
    return this.#words.byteLength + this.times.byteLength
  }

  /** The column that holds this byte of `struct event`, by slot. */
  column(byteOffset: number): Uint32Array {
    const start = (byteOffset >> 2) * this.#stride
    return this.#words.subarray(start, start + this.capacity + 1)
  }

  slot(sequence: number): number {
    return sequence & this.mask
  }

  /** Takes a record of a ring. Fits `EventStream.poll`. */
  readonly append = (view: DataView, offset: number, length: number): void => {
    if (this.#sourceView !== view) {
      this.#sourceView = view
      this.#source = new Uint32Array(view.buffer, view.byteOffset, view.byteLength >> 2)
    }
    if (length < eventCodec.size || view.getUint8(offset + eventOffsets.version) !== EVENT_VERSION) {
      this.unreadable++
      return
    }
    const source = this.#source
    const words = this.#words
    const stride = this.#stride
    const from = offset >> 2
    const slot = this.next & this.mask
    this.times[slot] = source[from]! + source[from + 1]! * 0x1_0000_0000
    for (let word = 2, at = 2 * stride + slot; word < eventWords; word++, at += stride) words[at] = source[from + word]!
    if (this.#kept.size > 0) this.#kept.delete(slot)
    if (length >= eventSampleCodec.size) this.payloads.put(this.next, view, offset)
    this.complete?.(slot)
    this.next++
  }

  /** Keeps something beside an event that is stored, as long as it is. */
  keep(sequence: number, record: KeptRecord): void {
    this.#kept.set(this.slot(sequence), record)
  }

  kept(slot: number): KeptRecord | undefined {
    return this.#kept.get(slot)
  }

  /** Notes events that found no room in a ring. */
  addLoss(count: number, first: number, last: number): void {
    this.lost += count
    const newest = this.#losses.at(-1)
    // one record for what nothing lies between: a flood of losses is no flood of records
    if (newest !== undefined && newest.before === this.next) {
      this.#losses[this.#losses.length - 1] = {...newest, count: newest.count + count, last}
      return
    }
    this.#losses.push({before: this.next, count, first, last})
    if (this.#losses.length > lossesMax) this.#losses.shift()
  }

  /** How many events had been lost when this one was next, and when the newest of them were. */
  lostBefore(sequence: number): {readonly count: number; readonly newest: Loss | undefined} {
    let count = this.lost
    let at = this.#losses.length - 1
    for (; at >= 0 && this.#losses[at]!.before > sequence; at--) count -= this.#losses[at]!.count
    return {count, newest: this.#losses[at]}
  }
}
