import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Cidr, compareCidrs} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {PrefixTable} from '../../../src/model/prefix-table.ts'

// few distinct bits, so that prefixes nest and collide often
const nearby = fc
  .tuple(fc.constantFrom(4, 6), fc.uint8Array({minLength: 2, maxLength: 2}), fc.integer({min: 0, max: 16}))
  .map(([family, [high, low], length]) => {
    const ip =
      family === 4 ? Ip.fromBytes(Uint8Array.of(high!, low!, 0, 0)) : Ip.of(`${((high! << 8) | low!).toString(16)}::1`)
    return Cidr.from(ip, length)
  })
const step = fc.tuple(fc.constantFrom('set', 'set', 'delete'), nearby)

function model(entries: Map<string, {cidr: Cidr; value: number}>) {
  return [...entries.values()].sort((a, b) => compareCidrs(a.cidr, b.cidr) || a.cidr.family - b.cidr.family)
}

describe('longest prefix match', () => {
  test('the longest prefix wins, families apart', () => {
    const table = new PrefixTable<string>()
    table.set(Cidr.of('0.0.0.0/0'), 'all four')
    table.set(Cidr.of('::/0'), 'all six')
    table.set(Cidr.of('10.0.0.0/8'), 'ten')
    table.set(Cidr.of('10.1.0.0/16'), 'ten one')
    table.set(Cidr.of('10.1.2.3/32'), 'host')

    const at = (text: string) => table.longest(Ip.of(text))?.value

    expect(['10.1.2.3', '10.1.2.4', '10.2.0.0', '11.0.0.0', 'fd00::1'].map(at)).toEqual([
      'host',
      'ten one',
      'ten',
      'all four',
      'all six',
    ])
    expect([...table.covering(Cidr.of('10.1.2.0/24'))].map((entry) => entry.value)).toEqual([
      'all four',
      'ten',
      'ten one',
    ])
    expect([...table.within(Cidr.of('10.0.0.0/8'))].map((entry) => entry.value)).toEqual(['ten', 'ten one', 'host'])
  })

  test('an empty table knows nothing', () => {
    const table = new PrefixTable<string>()
    expect(table.longest(Ip.of('10.0.0.1'))).toBeUndefined()
    expect([...table.entries()]).toEqual([])
    expect([...table.within(Cidr.of('0.0.0.0/0'))]).toEqual([])
    expect(table.delete(Cidr.of('10.0.0.0/8'))).toBe(false)
  })

  test('clearing forgets all', () => {
    const table = new PrefixTable<number>()
    table.set(Cidr.of('10.0.0.0/8'), 1)
    table.clear()
    expect([table.size, table.has(Cidr.of('10.0.0.0/8'))]).toEqual([0, false])
  })

  test('it answers as a plain list would, whatever is put in and taken out', () => {
    fc.assert(
      fc.property(fc.array(step, {maxLength: 60}), nearby, (steps, query) => {
        const table = new PrefixTable<number>()
        const plain = new Map<string, {cidr: Cidr; value: number}>()
        for (const [index, [kind, cidr]] of steps.entries()) {
          if (kind === 'set') {
            table.set(cidr, index)
            plain.set(cidr.toString(), {cidr, value: index})
          } else expect(table.delete(cidr)).toBe(plain.delete(cidr.toString()))
        }

        expect(table.size).toBe(plain.size)
        expect([...table.entries()].map((e) => e.value).sort()).toEqual(
          model(plain)
            .map((e) => e.value)
            .sort(),
        )
        expect(table.get(query)).toBe(plain.get(query.toString())?.value)
        expect(table.has(query)).toBe(plain.has(query.toString()))
        const covering = model(plain).filter((e) => e.cidr.covers(query))
        expect([...table.covering(query)].map((e) => e.value)).toEqual(
          covering.sort((a, b) => a.cidr.length - b.cidr.length).map((e) => e.value),
        )
        expect([...table.within(query)].map((e) => String(e.cidr))).toEqual(
          model(plain)
            .filter((e) => query.covers(e.cidr))
            .map((e) => String(e.cidr)),
        )
        const longest = model(plain)
          .filter((e) => e.cidr.contains(query.network))
          .sort((a, b) => b.cidr.length - a.cidr.length)[0]
        expect(table.longest(query.network)?.value).toBe(longest?.value)
      }),
      {numRuns: 500},
    )
  })
})
