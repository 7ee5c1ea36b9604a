/**
 * Which places of the endpoint map are taken. A slot is also an endpoint's id and, added to a base, the index of its
 * device. Pure: the map and the disk are told elsewhere.
 */
import {fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'

/** A slot and how many pods have had it: what tells a reference to a former pod from one to the present one. */
export interface Slot {
  readonly slot: number
  readonly generation: number
}

const lastGeneration = 0xffff

/**
 * Gives out slots from 1 (slot 0 is never a pod).
 * 1 The search goes on where the last one ended: a slot rests as long as possible.
 * 2 Each use of a slot has the next generation; 65 535 is followed by 1, as 0 means "never used".
 * 3 A slot whose device index somebody else holds is left alone until told otherwise.
 */
export class Slots {
  private readonly count: number
  private readonly taken = new Set<number>()
  private readonly blocked = new Set<number>()
  private readonly generations: Uint16Array
  private next = 1

  /** @param count number of slots of the map, slot 0 included */
  constructor(count: number) {
    this.count = count
    this.generations = new Uint16Array(count)
  }

  get used(): number {
    return this.taken.size
  }

  /** @throws ENDPOINT_SLOTS_EXHAUSTED */
  allocate(): Slot {
    for (let i = 0; i < this.count - 1; i++) {
      const slot = 1 + ((this.next - 1 + i) % (this.count - 1))
      if (this.taken.has(slot) || this.blocked.has(slot)) continue
      this.next = slot + 1
      this.taken.add(slot)
      const generation = this.generations[slot] === lastGeneration ? 1 : this.generations[slot]! + 1
      this.generations[slot] = generation
      return {slot, generation}
    }
    return fail(codes.ENDPOINT_SLOTS_EXHAUSTED, {count: this.taken.size})
  }

  /** Notes a slot that an endpoint of an earlier process has. */
  restore({slot, generation}: Slot): void {
    this.taken.add(slot)
    this.remember({slot, generation})
  }

  /** Notes how far a slot's generation has come, from what is left in the map. Never goes back. */
  remember({slot, generation}: Slot): void {
    if (slot > 0 && slot < this.count && generation > this.generations[slot]!) this.generations[slot] = generation
  }

  release(slot: number): void {
    this.taken.delete(slot)
  }

  /** The device index of this slot is somebody else's: do not try it again. */
  block(slot: number): void {
    this.taken.delete(slot)
    this.blocked.add(slot)
  }

  unblockAll(): void {
    this.blocked.clear()
  }
}
