/** Ranges of ports that overlap, made into blocks that do not. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {outranks, type PortClaim, portBlocks} from '../../../src/policy/port-entries.ts'

const claim = (first: number, last: number, tier: number, order: number): PortClaim => ({
  ...{first, last, tier, order},
  cookie: order,
})

test('one range is the fewest blocks that hold it', () => {
  expect(portBlocks([claim(8000, 8080, 2, 0)]).map(({port, bits}) => `${port}/${bits}`)).toEqual([
    ...['8000/10', '8064/12', '8080/16'],
  ])
})

test('all ports but 0 are fifteen blocks and a port', () => {
  expect(portBlocks([claim(1, 65535, 2, 0)])).toHaveLength(16)
})

test('nothing claimed is no block', () => {
  expect(portBlocks([])).toEqual([])
})

const anyClaim = fc
  .tuple(fc.integer({min: 1, max: 300}), fc.integer({min: 0, max: 120}), fc.integer({min: 1, max: 3}))
  .map(([first, length, tier]) => ({first, last: first + length, tier}))

test('every port gets the strongest claim on it, once, and ports nobody claims get none', () => {
  fc.assert(
    fc.property(fc.array(anyClaim, {maxLength: 6}), (raw) => {
      const claims = raw.map(({first, last, tier}, order) => claim(first, last, tier, order))

      const blocks = portBlocks(claims)

      for (let port = 0; port <= 430; port++) {
        const expected = claims
          .filter(({first, last}) => first <= port && port <= last)
          .reduce<PortClaim | undefined>((best, one) => (outranks(one, best) ? one : best), undefined)
        const holding = blocks.filter((block) => port >= block.port && port < block.port + 2 ** (16 - block.bits))
        expect(holding.map((block) => block.claim)).toEqual(expected === undefined ? [] : [expected])
      }
    }),
    {numRuns: 60},
  )
})
