/**
 * The stream of events from the programs: records in place, without an object or a call per record. Whoever reads them
 * takes the columns it wants by `eventOffsets`. One reader at a time: the kernel keeps one position per ring.
 */
import {BpfMap, openMapById} from '../kernel/bpf/map.ts'
import {closeFd} from '../kernel/libc.ts'
import {type RecordHandler, RingBuffer} from '../kernel/ring-buffer.ts'
import {ciliumEvcount, ciliumEvents} from './gen/maps.ts'
import type {EventCount} from './gen/types.ts'
import {innerMapIds} from './inner-maps.ts'
import type {MapOpener} from './maps/open.ts'

export class EventStream {
  readonly #rings: readonly RingBuffer[]
  readonly #counts: BpfMap<number, readonly EventCount[]>
  #turn = 0

  /** @throws DATAPATH_NOT_LOADED */
  constructor(open: MapOpener) {
    using outer = new BpfMap(open(ciliumEvents.name), ciliumEvents)
    this.#counts = new BpfMap(open(ciliumEvcount.name), ciliumEvcount)
    this.#rings = innerMapIds(outer).map((id) => {
      const fd = openMapById(id)
      try {
        return new RingBuffer(fd)
      } finally {
        closeFd(fd)
      }
    })
  }

  /**
   * Hands over what is there now: `struct event` at `offset` of the view, which is the programs' again afterwards.
   * Within a ring in order; rings take turns, so that none starves when the limit is reached.
   *
   * @returns the number handed over
   */
  poll(handler: RecordHandler, limit = Number.POSITIVE_INFINITY): number {
    let count = 0
    for (let i = 0; i < this.#rings.length && count < limit; i++) {
      const ring = this.#rings[(this.#turn + i) % this.#rings.length]!
      count += ring.poll(handler, limit - count)
    }
    this.#turn = (this.#turn + 1) % Math.max(1, this.#rings.length)
    return count
  }

  /** Records handed over by this reader. */
  get delivered(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.delivered, 0)
  }

  /** Bytes that wait. */
  get pending(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.pending, 0)
  }

  /** Bytes that all rings hold. */
  get capacity(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.capacity, 0)
  }

  /** True while what waits in one of the rings is more than half of what it holds. */
  get isCrowded(): boolean {
    return this.#rings.some((ring) => ring.pending > ring.capacity / 2)
  }

  /** What the programs have written, and what found no room, since the state maps were made. */
  counts(): EventCount {
    const perCpu = this.#counts.get(0) ?? []
    return {
      written: perCpu.reduce((sum, {written}) => sum + written, 0),
      lost: perCpu.reduce((sum, {lost}) => sum + lost, 0),
    }
  }

  close(): void {
    for (const ring of this.#rings) ring.close()
    this.#counts.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
