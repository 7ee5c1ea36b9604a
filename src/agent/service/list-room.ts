/**
 * Room in one big array for lists that are never changed in place. A list gets a run of places; a run that is given back
 * is used again only after a grace period, when no packet can still be reading it.
 */
import {declareErrors, fail} from '../../runtime/errors.ts'

const codes = declareErrors({
  SERVICE_LISTS_FULL: {
    what: 'no room for a list of {wanted} backends: {used} of {capacity} places are in use',
    advice: 'the services have too many backends together; the affected frontend keeps those it had',
  },
})

/** Runs come in sizes of powers of two: a run of a size serves every list of that size. */
export class ListRoom {
  readonly capacity: number
  private readonly graceMs: number
  private readonly now: () => number
  /** free runs by the logarithm of their size, the longest free first */
  private readonly free: {readonly offset: number; readonly since: number}[][] = []
  /** what lies beyond has never been used */
  private end = 0
  private usedPlaces = 0

  /** @param now a monotonic clock, ms */
  constructor(options: {readonly capacity: number; readonly graceMs: number; readonly now: () => number}) {
    this.capacity = options.capacity
    this.graceMs = options.graceMs
    this.now = options.now
    for (let size = 1; size <= this.capacity; size *= 2) this.free.push([])
  }

  /** Places that lists occupy, unused ones of their runs included. */
  get used(): number {
    return this.usedPlaces
  }

  /** Takes the runs of lists that are there already. To be called once, before anything else. */
  restore(lists: Iterable<{readonly offset: number; readonly length: number}>): void {
    const runs = Array.from(lists, ({offset, length}) => ({offset, size: runSize(length)})).sort(
      (a, b) => a.offset - b.offset,
    )
    for (const {offset, size} of runs) {
      if (offset < this.end) continue // a list that two frontends share, or one that was written by other rules
      this.release(this.end, offset - this.end)
      this.end = Math.min(this.capacity, offset + size)
      this.usedPlaces += size
    }
  }

  /** The offset of a run for `length` places. @throws SERVICE_LISTS_FULL */
  take(length: number): number {
    const size = runSize(length)
    const level = Math.log2(size)
    const offset = this.takeFree(level) ?? this.takeEnd(size) ?? this.split(level)
    if (offset === undefined)
      return fail(codes.SERVICE_LISTS_FULL, {wanted: length, used: this.usedPlaces, capacity: this.capacity})
    this.usedPlaces += size
    return offset
  }

  /** Gives a run back: its places may still be read for a moment. */
  give(offset: number, length: number): void {
    const size = runSize(length)
    this.usedPlaces -= size
    this.free[Math.log2(size)]!.push({offset, since: this.now()})
  }

  private takeFree(level: number): number | undefined {
    const runs = this.free[level]
    if (runs?.[0] === undefined || this.now() - runs[0].since < this.graceMs) return undefined
    return runs.shift()!.offset
  }

  private takeEnd(size: number): number | undefined {
    if (this.end + size > this.capacity) return undefined
    this.end += size
    return this.end - size
  }

  /** A larger run, of which the rest becomes free. */
  private split(level: number): number | undefined {
    for (let larger = level + 1; larger < this.free.length; larger++) {
      const offset = this.takeFree(larger)
      if (offset === undefined) continue
      this.release(offset + 2 ** level, 2 ** larger - 2 ** level)
      return offset
    }
    return undefined
  }

  /** Makes places free that nobody reads. */
  private release(offset: number, places: number): void {
    let at = offset
    for (let left = places; left > 0; ) {
      const level = Math.floor(Math.log2(left))
      this.free[level]!.unshift({offset: at, since: Number.NEGATIVE_INFINITY})
      at += 2 ** level
      left -= 2 ** level
    }
  }
}

function runSize(length: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, length)))
}
