/** Ranges of ports that overlap, made into blocks that do not. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type PortClaim, portBlocks} from '../../../src/policy/port-entries.ts'

const claim = (first: number, last: number, rules = 1n): PortClaim => ({first, last, rules})

test('one range is the fewest blocks that hold it', () => {
  expect(portBlocks([claim(8000, 8080)]).map(({port, bits}) => `${port}/${bits}`)).toEqual([
    ...['8000/10', '8064/12', '8080/16'],
  ])
})

test('all ports but 0 are fifteen blocks and a port', () => {
  expect(portBlocks([claim(1, 65535)])).toHaveLength(16)
})

test('nothing claimed is no block', () => {
  expect(portBlocks([])).toEqual([])
})

const anyClaim = fc
  .tuple(fc.integer({min: 1, max: 300}), fc.integer({min: 0, max: 120}))
  .map(([first, length]) => ({first, last: first + length}))

test('every port is in one block with the rules of all claims on it, and ports nobody claims are in none', () => {
  fc.assert(
    fc.property(fc.array(anyClaim, {maxLength: 6}), (raw) => {
      const claims = raw.map(({first, last}, index) => claim(first, last, 1n << BigInt(index)))

      const blocks = portBlocks(claims)

      for (let port = 0; port <= 430; port++) {
        const expected = claims
          .filter(({first, last}) => first <= port && port <= last)
          .reduce((mask, {rules}) => mask | rules, 0n)
        const holding = blocks.filter((block) => port >= block.port && port < block.port + 2 ** (16 - block.bits))
        expect(holding.map(({rules}) => rules)).toEqual(expected === 0n ? [] : [expected])
      }
    }),
    {numRuns: 60},
  )
})
