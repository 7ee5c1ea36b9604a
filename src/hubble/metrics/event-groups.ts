/**
 * Events that are alike in some words of their records, and how many there are of each kind. A table of hashes with open
 * addressing over the columns of the store: what a group looks like is read at its first event, which must not be
 * overwritten before `clear`.
 */

export class EventGroups {
  readonly #mask: number
  /** a group's number and one; 0: free */
  readonly #table: Int32Array
  readonly #slots: Uint32Array
  readonly #sequences: Float64Array
  readonly #counts: Uint32Array
  #columns: readonly Uint32Array[] = []
  #firstBits = 0
  #size = 0

  /** @param capacity events at most between two calls of `clear`: a power of two */
  constructor(capacity: number) {
    this.#mask = 2 * capacity - 1
    this.#table = new Int32Array(2 * capacity)
    this.#slots = new Uint32Array(capacity)
    this.#sequences = new Float64Array(capacity)
    this.#counts = new Uint32Array(capacity)
  }

  /** @param firstBits of the first column that count */
  compare(columns: readonly Uint32Array[], firstBits: number): void {
    this.clear()
    this.#columns = columns
    this.#firstBits = firstBits
  }

  /** At most `capacity` times between two calls of `clear`. */
  add(slot: number, sequence: number): void {
    const columns = this.#columns
    const table = this.#table
    const mask = this.#mask
    const {length} = columns
    const firstBits = this.#firstBits
    const first = columns[0]![slot]! & firstBits
    let hash = Math.imul(first ^ 0x9e3779b9, 0x85ebca6b)
    for (let i = 1; i < length; i++) hash = Math.imul((hash ^ (hash >>> 15)) + columns[i]![slot]!, 0x2c1b3c6d)
    hash ^= hash >>> 16
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const group = table[at]! - 1
      if (group < 0) {
        table[at] = ++this.#size
        this.#slots[this.#size - 1] = slot
        this.#sequences[this.#size - 1] = sequence
        this.#counts[this.#size - 1] = 1
        return
      }
      const other = this.#slots[group]!
      if ((columns[0]![other]! & firstBits) !== first) continue
      let i = 1
      while (i < length && columns[i]![other] === columns[i]![slot]) i++
      if (i < length) continue
      this.#counts[group]!++
      return
    }
  }

  /** @param use gets the first event of each group, and how many there are */
  each(use: (sequence: number, count: number) => void): void {
    for (let group = 0; group < this.#size; group++) use(this.#sequences[group]!, this.#counts[group]!)
  }

  clear(): void {
    if (this.#size > 0) this.#table.fill(0)
    this.#size = 0
  }
}
