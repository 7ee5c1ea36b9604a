/**
 * The graph as cards and lines. What is outside of the cluster stands twice, left as a caller and right as one that is
 * called, so that it does not tie everything into a knot. No DOM.
 */
import type {MapNode} from '../wire.ts'
import {addToSum, emptySum, type Graph, type NodeSum, type Pair, portText} from './graph.ts'
import {type Layout, layOut} from './layout.ts'

export interface Card {
  /** of the card; two cards may show one node */
  readonly id: string
  readonly node: MapNode
  readonly side: 'caller' | 'called' | 'both'
  /** what it is called on, most used first */
  readonly ports: readonly string[]
  readonly morePorts: number
  readonly width: number
  readonly height: number
}

export interface Line {
  readonly pair: Pair
  readonly from: string
  readonly to: string
}

export interface Scene {
  readonly cards: ReadonlyMap<string, Card>
  readonly lines: readonly Line[]
  readonly layout: Layout
  /** many cards: only names are drawn */
  readonly dense: boolean
}

const portsMax = 5
const denseFrom = 70
export const cardHead = 46
export const portHeight = 22
const sizes = {normal: {width: 236, foot: 8}, dense: {width: 190, height: 32}}
const gaps = {normal: {x: 130, y: 22}, dense: {x: 90, y: 14}}

const outside = (node: MapNode | undefined) => node !== undefined && node.kind !== 'workload' && node.kind !== 'other'

export function makeScene(graph: Graph): Scene {
  const pairs = graph.pairs()
  const dense = graph.nodes.size > denseFrom
  const lines: Line[] = pairs
    .filter(({from, to}) => graph.nodes.has(from) && graph.nodes.has(to))
    .map((pair) => ({
      pair,
      from: outside(graph.nodes.get(pair.from)) ? `${pair.from} <` : pair.from,
      to: outside(graph.nodes.get(pair.to)) ? `${pair.to} >` : pair.to,
    }))
  const cards = new Map<string, Card>()
  const portsOf = new Map<string, Map<string, number>>()
  for (const {pair, to} of lines) {
    const ports = portsOf.get(to) ?? new Map<string, number>()
    portsOf.set(to, ports)
    for (const edge of pair.edges) {
      const {forwarded, denied, dropped, audited} = edge.counts
      const text = portText(edge)
      ports.set(text, (ports.get(text) ?? 0) + forwarded + denied + dropped + audited)
    }
  }
  const add = (id: string, nodeId: string, side: Card['side']) => {
    if (cards.has(id)) return
    const ports = [...(portsOf.get(id) ?? [])].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([text]) => text)
    const shown = ports.slice(0, ports.length > portsMax ? portsMax - 1 : portsMax)
    const rows = shown.length + (ports.length > shown.length ? 1 : 0)
    cards.set(id, {
      id,
      node: graph.nodes.get(nodeId)!,
      side,
      ports: shown,
      morePorts: ports.length - shown.length,
      ...(dense
        ? sizes.dense
        : {width: sizes.normal.width, height: cardHead + (rows === 0 ? 0 : rows * portHeight + sizes.normal.foot)}),
    })
  }
  for (const {pair, from, to} of lines) {
    add(from, pair.from, from === pair.from ? 'both' : 'caller')
    add(to, pair.to, to === pair.to ? 'both' : 'called')
  }
  return {cards, lines, layout: layOut([...cards.values()], lines, dense ? gaps.dense : gaps.normal), dense}
}

/** Where a line ends at a card: beside the row of its port, or in the middle of the head. */
export function lineEnds(scene: Scene, {pair, from, to}: Line): {x1: number; y1: number; x2: number; y2: number} {
  const [source, target] = [scene.cards.get(from)!, scene.cards.get(to)!]
  const [a, b] = [scene.layout.places.get(from)!, scene.layout.places.get(to)!]
  const middle = (card: Card) => (scene.dense ? card.height / 2 : cardHead / 2)
  let y2 = b.y + middle(target)
  if (!scene.dense && pair.edges.length === 1) {
    const row = target.ports.indexOf(portText(pair.edges[0]!))
    if (row >= 0) y2 = b.y + cardHead + row * portHeight + portHeight / 2
  }
  return {x1: a.x + source.width, y1: a.y + middle(source), x2: b.x, y2}
}

/** A curve that leaves to the right and comes in from the left. */
export function linePath({x1, y1, x2, y2}: ReturnType<typeof lineEnds>, self: boolean): string {
  if (self) return `M${x1},${y1} C${x1 + 46},${y1 - 66} ${x2 - 46},${y1 - 66} ${x2},${y1}`
  const reach = x2 > x1 ? Math.max(40, (x2 - x1) / 2) : Math.min(280, 90 + (x1 - x2) / 4)
  const round = (value: number) => Math.round(value * 10) / 10
  return `M${round(x1)},${round(y1)} C${round(x1 + reach)},${round(y1)} ${round(x2 - reach)},${round(y2)} ${round(x2)},${round(y2)}`
}

/** What a screen reader says of a card. */
export function cardText({node, side}: Card, sum: NodeSum | undefined, rate: (value: number) => string): string {
  const kind = node.kind === 'workload' ? node.workloadKind || 'workload' : 'outside of pods'
  const where = node.namespace === '' ? '' : ` in ${node.namespace}`
  const words = [`${node.name}, ${kind}${where}`]
  if (side !== 'both') words.push(side === 'caller' ? 'as caller' : 'as called')
  if (sum !== undefined) {
    const [out, into] = [rate(sum.rateOut), rate(sum.rateIn)]
    if (out !== '') words.push(`sends ${out}`)
    if (into !== '') words.push(`receives ${into}`)
    if (sum.bad > 0) words.push(`${sum.bad} refused connection${sum.bad === 1 ? '' : 's'}`)
  }
  return words.join(', ')
}

/** By card: what its lines add up to. */
export function cardSums({lines}: Scene, nowMs: number): Map<string, NodeSum> {
  const sums = new Map<string, NodeSum>()
  const of = (id: string) => {
    const sum = sums.get(id) ?? emptySum()
    sums.set(id, sum)
    return sum
  }
  for (const {pair, from, to} of lines) {
    addToSum(of(from), pair, 'from', nowMs)
    if (to !== from) addToSum(of(to), pair, 'to', nowMs)
  }
  return sums
}
