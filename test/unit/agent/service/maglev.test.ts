import {describe, expect, test} from 'vitest'
import {ListRoom} from '../../../../src/agent/service/list-room.ts'
import {hashSeed, maglevSizes, maglevTable} from '../../../../src/agent/service/maglev.ts'
import {MaglevTables} from '../../../../src/agent/service/maglev-tables.ts'

const seed = Uint8Array.from(Buffer.from('JLfvgnHc2kaSUFaI', 'base64'))

/** A small generator of numbers, so that a failure names its case. */
function random(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function backends(count: number, from: number): string[] {
  return Array.from({length: count}, (_, i) => {
    const n = from + i
    return n % 2 === 0
      ? `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}:8080/TCP`
      : `[fd00::${n.toString(16)}]:80/TCP`
  })
}

function shares(table: Uint16Array, count: number): number[] {
  const found = new Array<number>(count).fill(0)
  for (const place of table) found[place]!++
  return found
}

describe('a Maglev table', () => {
  test.each(maglevSizes)('of %i places gives every backend a share that differs by one place at most', (size) => {
    const next = random(size)
    for (let round = 0; round < 12; round++) {
      const count = 2 + Math.floor(next() * Math.min(size - 2, 400))
      const found = shares(maglevTable(backends(count, Math.floor(next() * 1e6)), size, seed), count)

      expect(Math.max(...found) - Math.min(...found), `${count} backends`).toBeLessThanOrEqual(1)
    }
  })

  test('with a hundred places a backend spreads within one per cent', () => {
    const next = random(7)
    for (let round = 0; round < 30; round++) {
      const count = 2 + Math.floor(next() * 161)
      const found = shares(maglevTable(backends(count, round * 1000), 16_381, seed), count)
      const mean = 16_381 / count

      expect(Math.max(...found) / mean, `${count} backends`).toBeLessThanOrEqual(1.01)
      expect(Math.min(...found) / mean, `${count} backends`).toBeGreaterThanOrEqual(0.99)
    }
  })

  test('moves few places of those that stay when one backend goes', () => {
    const next = random(3)
    for (let round = 0; round < 20; round++) {
      const names = backends(3 + Math.floor(next() * 60), round * 500)
      const gone = Math.floor(next() * names.length)
      const left = names.filter((_, i) => i !== gone)
      const before = maglevTable(names, 16_381, seed)
      const after = maglevTable(left, 16_381, seed)

      let stayed = 0
      let moved = 0
      for (let i = 0; i < before.length; i++) {
        if (before[i] === gone) continue
        if (names[before[i]!] === left[after[i]!]) stayed++
        else moved++
      }
      expect(moved / (moved + stayed), `${names.length} backends`).toBeLessThan(0.06)
    }
  })

  test('is the same wherever it is made, and another one with another seed', () => {
    const names = backends(5, 40)
    const other = Uint8Array.from(seed, (byte) => byte ^ 1)

    expect(maglevTable(names, 1021, seed)).toEqual(maglevTable([...names], 1021, Uint8Array.from(seed)))
    expect(maglevTable(names, 1021, other)).not.toEqual(maglevTable(names, 1021, seed))
    expect(hashSeed(other)).not.toBe(hashSeed(seed))
  })
})

describe('tables of frontends', () => {
  function tables() {
    const written: number[] = []
    let now = 0
    const room = new ListRoom({capacity: 64, graceMs: 1000, now: () => now})
    room.restore([{offset: 0, length: 1}])
    const made = new MaglevTables({room, chunkPlaces: 32, seed, write: (chunk) => written.push(chunk)})
    return {made, written, room, pass: (ms: number) => (now += ms)}
  }

  test('are shared by those with the same backends, and built once', () => {
    const {made, written} = tables()

    const first = made.take(['a', 'b'], 251)
    const second = made.take(['a', 'b'], 251)

    expect(second).toEqual(first)
    expect(written).toEqual([first.table])
  })

  test('keep their room until the last user has gone and nobody can be reading', () => {
    const {made, room, pass} = tables()
    const first = made.take(['a', 'b'], 251)
    made.take(['a', 'b'], 251)

    made.give(['a', 'b'], first)
    expect(room.used).toBe(1 + 8)
    made.give(['a', 'b'], first)
    expect(room.used).toBe(1)

    pass(500)
    expect(made.take(['c', 'd'], 251).table).not.toBe(first.table)
    pass(1000)
    expect(made.take(['x', 'y'], 251).table).toBe(first.table)
  })

  test('are not made for one backend, nor for more than there are places', () => {
    const {made} = tables()

    expect(made.take(['a'], 251)).toEqual({table: 0, tableSize: 0})
    expect(made.take(backends(252, 0), 251)).toEqual({table: 0, tableSize: 0})
  })

  test('that are there already are kept', () => {
    const {made, written} = tables()
    made.restore(['a', 'b'], {table: 16, tableSize: 251})

    expect(made.take(['a', 'b'], 251)).toEqual({table: 16, tableSize: 251})
    expect(written).toEqual([])
  })
})
