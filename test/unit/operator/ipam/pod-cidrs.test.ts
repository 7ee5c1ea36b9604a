import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Cidr} from '../../../../src/model/cidr.ts'
import {
  assignPodCidrs,
  type FamilyPools,
  type Occupied,
  type PrefixHolder,
} from '../../../../src/operator/ipam/pod-cidrs.ts'

const v4: FamilyPools = {family: 4, pools: [Cidr.of('10.0.0.0/22')], nodeMask: 24}
const v6: FamilyPools = {family: 6, pools: [Cidr.of('fd00::/104')], nodeMask: 120}

test('new nodes get one prefix per family, the oldest the lowest', () => {
  const answer = assignPodCidrs(
    [holder('b', [], '2026-01-02T00:00:00Z'), holder('a', [], '2026-01-03T00:00:00Z')],
    [v4, v6],
    [],
  )

  expect(answer).toEqual([
    {name: 'b', podCidrs: ['10.0.0.0/24', 'fd00::/120'], error: ''},
    {name: 'a', podCidrs: ['10.0.1.0/24', 'fd00::100/120'], error: ''},
  ])
})

test('what nodes have is learnt before anything is given out', () => {
  const answer = assignPodCidrs([holder('new'), holder('old', ['10.0.0.0/24'])], [v4], [])

  expect(byName(answer)['new']!.podCidrs).toEqual(['10.0.1.0/24'])
  expect(byName(answer)['old']!.podCidrs).toEqual(['10.0.0.0/24'])
})

test('a family that was switched on later is added to what a node has', () => {
  const [node] = assignPodCidrs([holder('a', ['10.0.3.0/24'])], [v4, v6], [])

  expect(node!.podCidrs).toEqual(['10.0.3.0/24', 'fd00::/120'])
})

test('a prefix outside the pools stays: pods live in it', () => {
  const [node] = assignPodCidrs([holder('a', ['172.16.5.0/24'])], [v4], [])

  expect(node).toEqual({name: 'a', podCidrs: ['172.16.5.0/24'], error: ''})
})

test('the next pool is used when the first is full', () => {
  const pools = {...v4, pools: [Cidr.of('10.0.0.0/24'), Cidr.of('10.9.0.0/24')]}

  const answer = assignPodCidrs([holder('a'), holder('b')], [pools], [])

  expect(answer.flatMap(({podCidrs}) => podCidrs)).toEqual(['10.0.0.0/24', '10.9.0.0/24'])
})

test('a node that finds the pools used up is told how much they hold', () => {
  const holders = ['a', 'b', 'c', 'd', 'e'].map((name) => holder(name))

  const answer = assignPodCidrs(holders, [v4], [])

  expect(byName(answer)['e']).toEqual({
    name: 'e',
    podCidrs: [],
    error: 'no IPv4 pod CIDR is left: 10.0.0.0/22 holds 4 of /24, 4 nodes have one',
  })
})

test('a prefix that is free again goes to the node that waits', () => {
  const waiting = assignPodCidrs(
    [holder('b', ['10.0.1.0/24']), holder('e')],
    [{...v4, pools: [Cidr.of('10.0.0.0/23')]}],
    [],
  )

  expect(byName(waiting)['e']).toMatchObject({podCidrs: ['10.0.0.0/24'], error: ''})
})

describe('addresses of nodes and services', () => {
  const occupied: Occupied[] = [
    {cidr: Cidr.of('10.0.0.5/32'), owner: 'address of node a'},
    {cidr: Cidr.of('10.0.2.0/23'), owner: 'service range kubernetes'},
  ]

  test('are never given to pods', () => {
    const [node] = assignPodCidrs([holder('a')], [v4], occupied)

    expect(node).toMatchObject({podCidrs: ['10.0.1.0/24'], error: ''})
  })

  test('are named when nothing else is left', () => {
    const answer = assignPodCidrs([holder('a'), holder('b')], [v4], occupied)

    expect(byName(answer)['b']!.error).toContain('others overlap 10.0.0.5/32 (address of node a)')
  })

  test('inside a prefix that a node already has are reported on that node, which keeps it', () => {
    const [node] = assignPodCidrs([holder('a', ['10.0.0.0/24'])], [v4], occupied)

    expect(node).toEqual({
      name: 'a',
      podCidrs: ['10.0.0.0/24'],
      error: 'pod CIDR 10.0.0.0/24 overlaps 10.0.0.5, address of node a',
    })
  })
})

test('of two nodes with overlapping prefixes the younger is told, and both keep theirs', () => {
  const answer = byName(
    assignPodCidrs(
      [
        holder('old', ['10.0.0.0/23'], '2026-01-01T00:00:00Z'),
        holder('young', ['10.0.1.0/24'], '2026-01-02T00:00:00Z'),
      ],
      [v4],
      [],
    ),
  )

  expect(answer['old']).toEqual({name: 'old', podCidrs: ['10.0.0.0/23'], error: ''})
  expect(answer['young']).toEqual({
    name: 'young',
    podCidrs: ['10.0.1.0/24'],
    error: 'pod CIDR 10.0.1.0/24 overlaps 10.0.0.0/23, which node old had before',
  })
})

test('a prefix that cannot be read is left alone and reported, and nothing is added', () => {
  const [node] = assignPodCidrs([holder('a', ['10.0.0/24'])], [v4, v6], [])

  expect(node).toEqual({name: 'a', podCidrs: ['10.0.0/24'], error: '"10.0.0/24" in spec.ipam.podCIDRs is not a prefix'})
})

test('whatever nodes have and lack: nobody loses a prefix, no two new ones overlap anything, and it is settled at once', () => {
  const anyHolder = fc.record({
    name: fc.string({minLength: 1, maxLength: 4}),
    created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    podCidrs: fc.uniqueArray(
      fc.constantFrom('10.0.0.0/24', '10.0.1.0/24', '10.0.0.0/23', '10.0.3.128/25', '10.9.9.0/24'),
      {
        maxLength: 2,
      },
    ),
  })
  const anyOccupied = fc.constantFrom('10.0.2.3/32', '10.0.0.0/16', '10.0.1.0/26').map((text) => ({
    cidr: Cidr.of(text),
    owner: 'x',
  }))

  fc.assert(
    fc.property(
      fc.uniqueArray(anyHolder, {selector: ({name}) => name, maxLength: 8}),
      fc.array(anyOccupied, {maxLength: 2}),
      (holders, occupied) => {
        const answer = assignPodCidrs(holders, [v4], occupied)

        const had = new Map(holders.map(({name, podCidrs}) => [name, podCidrs]))
        const fresh: Cidr[] = []
        for (const {name, podCidrs} of answer) {
          expect(podCidrs.slice(0, had.get(name)!.length)).toEqual(had.get(name))
          fresh.push(...podCidrs.slice(had.get(name)!.length).map((text) => Cidr.of(text)))
        }
        const others = [
          ...holders.flatMap(({podCidrs}) => podCidrs.map((text) => Cidr.of(text))),
          ...occupied.map((o) => o.cidr),
        ]
        for (const [index, cidr] of fresh.entries()) {
          for (const other of [...others, ...fresh.slice(index + 1)]) expect(cidr.overlaps(other)).toBe(false)
        }
        // what was answered, once written, changes nothing any more
        const written = holders.map((one) => ({...one, podCidrs: answer.find(({name}) => name === one.name)!.podCidrs}))
        expect(assignPodCidrs(written, [v4], occupied).map(({podCidrs}) => podCidrs)).toEqual(
          answer.map(({podCidrs}) => podCidrs),
        )
      },
    ),
    {numRuns: 500},
  )
})

test('thousands of nodes are assigned in one go', () => {
  const holders = Array.from({length: 5000}, (_, index) =>
    holder(`n${index}`, index % 2 === 0 ? [`10.${index >> 8}.${index & 255}.0/24`] : []),
  )
  const occupied = holders.map(({name}, index) => ({
    cidr: Cidr.of(`192.168.${index >> 8}.${index & 255}/32`),
    owner: `address of node ${name}`,
  }))

  const answer = assignPodCidrs(holders, [{family: 4, pools: [Cidr.of('10.0.0.0/8')], nodeMask: 24}], occupied)

  expect(new Set(answer.flatMap(({podCidrs}) => podCidrs)).size).toBe(5000)
  expect(answer.every(({error}) => error === '')).toBe(true)
})

function holder(name: string, podCidrs: readonly string[] = [], created = '2026-01-01T00:00:00Z'): PrefixHolder {
  return {name, created, podCidrs}
}

function byName<Row extends {readonly name: string}>(rows: readonly Row[]): Record<string, Row> {
  return Object.fromEntries(rows.map((row) => [row.name, row]))
}
