/**
 * The loops of filters: each takes a list of slots and leaves those that match, in their order. One pass over one column
 * costs about a nanosecond a slot, because nothing is called for a slot.
 */

/** Keeps what matches among the first `count` slots, at the front of the list. @returns how many are left */
export type Narrow = (slots: Uint32Array, count: number) => number

type Column = Uint32Array

/** Bits of a column are these. @param value as it stands in the column, in the place of the mask */
function equal(column: Column, mask: number, value: number): Narrow {
  return (slots, count) => {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!
      // written in any case: a branch that nobody can foretell costs more
      slots[kept] = slot
      kept += ((column[slot]! ^ value) & mask) === 0 ? 1 : 0
    }
    return kept
  }
}

/** A part of a column of at most 16 bits is one of these. */
function inTable(column: Column, shift: number, mask: number, table: Uint8Array): Narrow {
  return (slots, count) => {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!
      slots[kept] = slot
      kept += table[(column[slot]! >>> shift) & mask]!
    }
    return kept
  }
}

function inSet(column: Column, wanted: ReadonlySet<number>): Narrow {
  return (slots, count) => {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!
      if (wanted.has(column[slot]!)) slots[kept++] = slot
    }
    return kept
  }
}

/** Those `bits` of a column, from bit `shift`, are one of these values. */
export function among(column: Column, shift: number, bits: 8 | 16 | 32, values: readonly number[]): Narrow {
  const [only] = values
  const mask = bits === 32 ? -1 : (1 << bits) - 1
  if (values.length === 1) return equal(column, mask << shift, only! << shift)
  if (bits === 32) return inSet(column, new Set(values))
  const table = new Uint8Array(mask + 1)
  for (const value of values) if (value >= 0 && value <= mask) table[value] = 1
  return inTable(column, shift, mask, table)
}

/** What no loop of its own is worth. */
export function where(test: (slot: number) => boolean): Narrow {
  return (slots, count) => {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!
      if (test(slot)) slots[kept++] = slot
    }
    return kept
  }
}

/** All of them, one after the other. */
export function both(narrows: readonly Narrow[]): Narrow {
  return (slots, count) => {
    let left = count
    for (const narrow of narrows) {
      if (left === 0) return 0
      left = narrow(slots, left)
    }
    return left
  }
}

/** An address of 16 bytes in four columns under a mask; words as they stand in memory. */
export function addressUnder(columns: readonly Column[], words: Uint32Array, masks: Uint32Array): Narrow {
  // the last word says the most
  const order = [3, 2, 1, 0].filter((index) => masks[index] !== 0)
  return both(order.map((index) => equal(columns[index]!, masks[index]! | 0, words[index]! | 0)))
}

/** Slots whose time, a boot clock in ns, lies in these bounds. */
export function timeBetween(times: Float64Array, from: number, to: number): Narrow {
  return (slots, count) => {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!
      const time = times[slot]!
      if (time >= from && time <= to) slots[kept++] = slot
    }
    return kept
  }
}
