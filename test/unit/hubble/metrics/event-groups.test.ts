import {expect, test} from 'vitest'
import {EventGroups} from '../../../../src/hubble/metrics/event-groups.ts'

test('events are together that are alike in all columns, and in the bits of the first that count', () => {
  let seed = 7
  const next = (limit: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 16) % limit
  }
  const events = 4096
  // few values in each column: many that differ in one alone
  const columns = Array.from({length: 4}, () => Uint32Array.from({length: events}, () => next(6) * 0x1_0001))
  const groups = new EventGroups(events)
  groups.compare(columns, 0xffff_0000)
  const expected = new Map<string, {first: number; count: number}>()

  for (let slot = 0; slot < events; slot++) {
    groups.add(slot, 1000 + slot)
    const key = columns.map((column, i) => (i === 0 ? column[slot]! >>> 16 : column[slot]!)).join()
    const known = expected.get(key)
    if (known === undefined) expected.set(key, {first: 1000 + slot, count: 1})
    else known.count++
  }

  const found: {first: number; count: number}[] = []
  groups.each((first, count) => found.push({first, count}))
  expect(found).toEqual([...expected.values()])
  expect(found.length).toBeGreaterThan(500)
})

test('as many groups as events are all kept, and forgotten', () => {
  const column = Uint32Array.from({length: 1024}, (_, i) => i)
  const groups = new EventGroups(1024)
  groups.compare([column], 0xffff_ffff)
  const seen: number[] = []

  for (let round = 0; round < 2; round++) {
    for (let slot = 0; slot < 1024; slot++) groups.add(slot, slot)
    let count = 0
    groups.each(() => count++)
    seen.push(count)
    groups.clear()
  }

  expect(seen).toEqual([1024, 1024])
})
