import {expect, test} from 'vitest'
import {edgeHealth, Graph, rateText} from '../../../../src/hubble/ui/page/graph.ts'
import {makeScene} from '../../../../src/hubble/ui/page/scene.ts'
import {readView, viewSearch} from '../../../../src/hubble/ui/page/view-state.ts'
import type {MapEdge, MapNode} from '../../../../src/hubble/ui/wire.ts'

const node = (id: string, kind: MapNode['kind'] = 'workload'): MapNode => ({
  id,
  kind,
  name: id,
  namespace: kind === 'workload' ? 'shop' : '',
  workloadKind: '',
})
const edge = (from: string, to: string, more: Partial<MapEdge> = {}): MapEdge => ({
  id: `${from}|${to}|TCP|80`,
  from,
  to,
  protocol: 'TCP',
  port: 80,
  counts: {forwarded: 1, denied: 0, dropped: 0, audited: 0},
  live: 0,
  lastMs: 0,
  badMs: 0,
  reason: '',
  policies: [],
  ...more,
})
const message = (nodes: readonly MapNode[], edges: readonly MapEdge[]) => ({nodes, edges, beyond: 0, nowMs: 0})

test('a rate comes near to what happens each second, and goes when nothing does', () => {
  const graph = new Graph()
  for (let second = 1; second <= 40; second++) {
    graph.apply(message([node('a'), node('b')], [edge('a', 'b', {live: second * 10})]))
    graph.settle(second * 1000)
  }
  const busy = graph.pairs()[0]!.rate
  for (let second = 41; second <= 120; second++) graph.settle(second * 1000)

  expect(busy).toBeGreaterThan(9.5)
  expect(busy).toBeLessThan(10.5)
  expect(graph.pairs()[0]!.rate).toBe(0)
})

test('a stream that begins anew does not make a rate jump', () => {
  const graph = new Graph()
  graph.apply(message([node('a'), node('b')], [edge('a', 'b', {live: 1000})]))
  for (let second = 1; second <= 60; second++) graph.settle(second * 1000)

  graph.apply(message([], [edge('a', 'b', {live: 2})]))
  graph.settle(61_000)

  expect(graph.pairs()[0]!.rate).toBeLessThan(2)
})

test('the world stands twice, so that nothing is tied to itself through it', () => {
  const graph = new Graph()
  graph.apply(message([node('world', 'world'), node('web')], [edge('world', 'web'), edge('web', 'world')]))

  const {cards, lines, layout} = makeScene(graph)

  expect([...cards.keys()].sort()).toEqual(['web', 'world <', 'world >'])
  expect(lines.map(({from, to}) => `${from} ${to}`)).toEqual(['web world >', 'world < web'])
  expect(layout.places.get('world <')!.x).toBeLessThan(layout.places.get('web')!.x)
})

test('a denial is told of for five minutes', () => {
  const denied = edge('a', 'b', {counts: {forwarded: 5, denied: 1, dropped: 0, audited: 0}, badMs: 1_000_000})

  expect(edgeHealth(denied, 1_000_000 + 299_000)).toBe('denied')
  expect(edgeHealth(denied, 1_000_000 + 301_000)).toBe('good')
})

test.each([
  [0, ''],
  [0.01, '<0.1/s'],
  [2.345, '2.3/s'],
  [12_345, '12,345/s'],
])('a rate of %d is said as %j', (rate, text) => {
  expect(rateText(rate)).toBe(text)
})

test('an address says what is shown, and is read back', () => {
  const search =
    '?namespace=shop&verdict=denied%2Cdropped&workload=shop%2FDeployment%2Fa&port=80&text=x+y&all=1&tab=connections'

  expect(viewSearch(readView(search))).toBe(search)
  expect(viewSearch(readView('?verdict=nonsense&port=99999&tab=other'))).toBe('')
})
