import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type Arrow, type Layout, layOut} from '../../../../src/hubble/ui/page/layout.ts'

const gaps = {x: 100, y: 20}
const box = (id: string) => ({id, width: 200, height: 50})
const arrow = (text: string): Arrow => ({from: text.split('>')[0]!, to: text.split('>')[1]!})

function lay(ids: string, ...arrows: string[]): Layout {
  return layOut(ids.split(' ').map(box), arrows.map(arrow), gaps)
}

const x = (layout: Layout, id: string) => layout.places.get(id)!.x

test('callers stand left of what they call', () => {
  const layout = lay('web api db', 'web>api', 'api>db', 'web>db')

  expect(x(layout, 'web')).toBeLessThan(x(layout, 'api'))
  expect(x(layout, 'api')).toBeLessThan(x(layout, 'db'))
})

test('those who call each other stand beside each other all the same', () => {
  const layout = lay('a b c', 'a>b', 'b>c', 'c>a')

  expect(new Set([x(layout, 'a'), x(layout, 'b'), x(layout, 'c')]).size).toBe(3)
})

test('a chain stands in one line', () => {
  const {places} = lay('a b c', 'a>b', 'b>c')

  expect([...places.values()].map(({y}) => y)).toEqual([0, 0, 0])
})

test('a chain of five hundred is folded to the form of a screen', () => {
  const ids = Array.from({length: 500}, (_, index) => `n${index}`)
  const {width, height} = layOut(
    ids.map(box),
    ids.slice(1).map((id, index) => ({from: ids[index]!, to: id})),
    gaps,
  )

  expect(width / height).toBeGreaterThan(0.8)
  expect(width / height).toBeLessThan(6)
})

test('no two cards touch, and the same map gives the same picture', () => {
  const graphs = fc.record({
    count: fc.integer({min: 1, max: 60}),
    pairs: fc.array(fc.tuple(fc.nat(59), fc.nat(59)), {maxLength: 150}),
  })
  fc.assert(
    fc.property(graphs, ({count, pairs}) => {
      const boxes = Array.from({length: count}, (_, index) => ({...box(`n${index}`), height: 40 + (index % 5) * 22}))
      const arrows = pairs.map(([from, to]) => ({from: `n${from % count}`, to: `n${to % count}`}))

      const one = layOut(boxes, arrows, gaps)
      const two = layOut([...boxes].reverse(), [...arrows].reverse(), gaps)

      expect(one).toEqual(two)
      const placed = boxes.map((card) => ({...card, ...one.places.get(card.id)!}))
      for (const a of placed) {
        for (const b of placed) {
          if (a.id >= b.id) continue
          const apart =
            a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y + 1e-6 || b.y + b.height <= a.y + 1e-6
          expect(apart, `${a.id} and ${b.id}`).toBe(true)
        }
      }
    }),
    {numRuns: 100},
  )
})
