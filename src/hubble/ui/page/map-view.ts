/** The service map: cards and lines that can be moved, enlarged, chosen, by pointer and by keys. */
import type {NodeKind} from '../wire.ts'
import {button, element, setAttribute, setText, svg} from './element.ts'
import {type Graph, type Health, type NodeSum, pairHealth, portText, rateText} from './graph.ts'
import {type Card, cardSums, cardText, type Line, lineEnds, linePath, makeScene, type Scene} from './scene.ts'
import {Viewport} from './viewport.ts'

export interface MapListener {
  /** undefined: nothing */
  choose(node: string | undefined): void
  chooseLine(from: string, to: string): void
}

interface LineParts {
  readonly group: SVGGElement
  readonly path: SVGPathElement
  readonly hit: SVGPathElement
  readonly title: SVGTitleElement
  readonly mark: SVGGElement
}

interface CardParts {
  readonly box: HTMLButtonElement
  readonly name: HTMLElement
  readonly where: HTMLElement
  readonly badge: HTMLElement
  readonly ports: HTMLElement
}

const symbols: Readonly<Record<NodeKind, string>> = {
  workload: '▣',
  world: '◍',
  host: '▤',
  'remote-node': '▤',
  'kube-apiserver': '⎈',
  health: '♥',
  ingress: '⇥',
  other: '?',
}

export class MapView {
  readonly #graph: Graph
  readonly #listener: MapListener
  readonly #viewport: Viewport
  readonly #empty: HTMLElement
  readonly #lines: SVGGElement
  readonly #cards: HTMLElement
  readonly #cardParts = new Map<string, CardParts>()
  readonly #lineParts = new Map<string, LineParts>()
  #scene: Scene
  #shape = -1
  /** the card in the order of the tabulator */
  #focus: string | undefined
  #namespace = ''
  #sought = false
  #chosen: {workload: string; peer: string} = {workload: '', peer: ''}

  constructor(at: HTMLElement, graph: Graph, listener: MapListener) {
    this.#graph = graph
    this.#listener = listener
    this.#scene = makeScene(graph)
    this.#lines = svg('g')
    this.#cards = element('div', {class: 'cards'})
    const drawing = svg('svg', {class: 'lines', 'aria-hidden': 'true', width: '1', height: '1'}, this.#lines)
    const layer = element('div', {class: 'layer'})
    layer.append(drawing, this.#cards)
    this.#viewport = new Viewport(at, layer)
    this.#empty = element('p', {class: 'empty'})
    const bar = element(
      'div',
      {class: 'zoom', role: 'group', 'aria-label': 'Zoom'},
      button('+', {'aria-label': 'Larger', title: 'Larger (+)'}, () => this.#viewport.zoom(1.25)),
      button('−', {'aria-label': 'Smaller', title: 'Smaller (−)'}, () => this.#viewport.zoom(0.8)),
      button('⤢', {'aria-label': 'Show all', title: 'Show all (0)'}, () => this.#viewport.fit()),
    )
    at.append(this.#empty, legend(), bar)
    at.addEventListener('keydown', (event) => this.#key(event))
    this.#viewport.onClick = () => listener.choose(undefined)
  }

  /** Another map: it is shown whole again. */
  reset(): void {
    this.#viewport.followAll()
  }

  /** @param namespace that needs no saying; empty: none */
  choose(workload: string, peer: string, namespace: string): void {
    this.#chosen = {workload, peer}
    this.#namespace = namespace
    this.#sought = workload !== ''
    this.render(Date.now())
  }

  /** @param nowMs the server's clock */
  render(nowMs: number): void {
    if (this.#shape !== this.#graph.shape) {
      this.#shape = this.#graph.shape
      this.#scene = makeScene(this.#graph)
      this.#place()
    } else {
      // rates and verdicts of the pairs are new, their places are not
      const pairs = new Map(this.#graph.pairs().map((pair) => [pair.id, pair]))
      this.#scene = {
        ...this.#scene,
        lines: this.#scene.lines.map((line) => ({...line, pair: pairs.get(line.pair.id) ?? line.pair})),
      }
    }
    const sums = cardSums(this.#scene, nowMs)
    const near = this.#near()
    this.#seek(near)
    for (const card of this.#scene.cards.values()) this.#drawCard(card, sums.get(card.id), near)
    for (const line of this.#scene.lines) this.#drawLine(line, pairHealth(line.pair, nowMs), near)
  }

  /** Once what was chosen stands somewhere: brings it and its neighbours into sight. */
  #seek(near: ReadonlySet<string> | undefined): void {
    if (!this.#sought || near === undefined) return
    const {cards, layout} = this.#scene
    const found = [...cards.values()].filter(({node}) => near.has(node.id))
    if (!found.some(({node}) => node.id === this.#chosen.workload)) return
    this.#sought = false
    const boxes = found.map((card) => ({...layout.places.get(card.id)!, width: card.width, height: card.height}))
    const [left, top] = [Math.min(...boxes.map(({x}) => x)), Math.min(...boxes.map(({y}) => y))]
    const right = Math.max(...boxes.map(({x, width}) => x + width))
    const bottom = Math.max(...boxes.map(({y, height}) => y + height))
    this.#viewport.frame(left, top, right - left, bottom - top)
  }

  /** Tells in the place of the map why there is none; empty: there is one. */
  explain(text: string): void {
    this.#empty.hidden = text === ''
    setText(this.#empty, text)
  }

  #place(): void {
    const {cards, lines, layout, dense} = this.#scene
    this.#cards.classList.toggle('dense', dense)
    for (const [id, parts] of this.#cardParts) {
      if (cards.has(id)) continue
      parts.box.remove()
      this.#cardParts.delete(id)
    }
    const ids = new Set(lines.map(({pair}) => pair.id))
    for (const [id, parts] of this.#lineParts) {
      if (ids.has(id)) continue
      parts.group.remove()
      this.#lineParts.delete(id)
    }
    // in the order in which they are read: column by column
    const sorted = [...cards.values()].sort((a, b) => {
      const [p, q] = [layout.places.get(a.id)!, layout.places.get(b.id)!]
      return p.x - q.x || p.y - q.y
    })
    if (this.#focus === undefined || !cards.has(this.#focus)) this.#focus = sorted[0]?.id
    for (const card of sorted) {
      const {x, y} = layout.places.get(card.id)!
      const {box, ports} = this.#cardParts.get(card.id) ?? this.#makeCard(card)
      box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`
      box.style.width = `${card.width}px`
      box.style.height = `${card.height}px`
      box.tabIndex = card.id === this.#focus ? 0 : -1
      const rows = [...card.ports, ...(card.morePorts > 0 ? [`${card.morePorts} more`] : [])]
      ports.replaceChildren(...(dense ? [] : rows.map((text) => element('span', {}, text))))
    }
    for (const line of lines) {
      const parts = this.#lineParts.get(line.pair.id) ?? this.#makeLine(line)
      const ends = lineEnds(this.#scene, line)
      const path = linePath(ends, line.from === line.to)
      setAttribute(parts.path, 'd', path)
      setAttribute(parts.hit, 'd', path)
      setAttribute(parts.mark, 'transform', `translate(${(ends.x1 + ends.x2) / 2} ${(ends.y1 + ends.y2) / 2})`)
    }
    this.#viewport.size(layout.width, layout.height)
  }

  #makeCard(card: Card): CardParts {
    const {node} = card
    const parts: CardParts = {
      box: element('button', {type: 'button', class: 'card', 'data-kind': node.kind, 'data-node': node.id}),
      name: element('span', {class: 'name'}, node.name),
      where: element('span', {class: 'where'}),
      badge: element('span', {class: 'badge'}),
      ports: element('span', {class: 'ports'}),
    }
    const {box, name, where, badge, ports} = parts
    const symbol = element('span', {class: 'symbol', 'aria-hidden': 'true'}, symbols[node.kind])
    box.append(symbol, element('span', {class: 'words'}, name, where), badge, ports)
    box.title = node.namespace === '' ? node.name : `${node.namespace}/${node.name}`
    box.addEventListener('click', () => this.#listener.choose(node.id))
    box.addEventListener('focus', () => {
      this.#setFocus(card.id)
      const place = this.#scene.layout.places.get(card.id)
      if (place !== undefined && box.matches(':focus-visible'))
        this.#viewport.show(place.x, place.y, card.width, card.height)
    })
    this.#cards.append(box)
    this.#cardParts.set(card.id, parts)
    return parts
  }

  #makeLine({pair}: Line): LineParts {
    const parts: LineParts = {
      group: svg('g', {class: 'line'}),
      path: svg('path', {class: 'stroke'}),
      hit: svg('path', {class: 'hit'}),
      title: svg('title'),
      mark: svg(
        'g',
        {class: 'mark'},
        svg('circle', {r: '9'}),
        svg('path', {d: 'M-3.500,-3.500 L3.500,3.500 M3.500,-3.500 L-3.500,3.500'}),
      ),
    }
    parts.group.append(parts.path, parts.hit, parts.mark, parts.title)
    parts.group.addEventListener('click', () => this.#listener.chooseLine(pair.from, pair.to))
    this.#lines.append(parts.group)
    this.#lineParts.set(pair.id, parts)
    return parts
  }

  #drawCard(card: Card, sum: NodeSum | undefined, near: ReadonlySet<string> | undefined): void {
    const {box, where, badge} = this.#cardParts.get(card.id)!
    const {node} = card
    const health = sum?.health ?? 'good'
    const rate = rateText(
      (card.side === 'called' ? 0 : (sum?.rateOut ?? 0)) + (card.side === 'caller' ? 0 : (sum?.rateIn ?? 0)),
    )
    const outside = card.side === 'caller' ? 'calls in' : card.side === 'called' ? 'is called' : ''
    const place = node.namespace === '' ? outside : node.namespace === this.#namespace ? '' : node.namespace
    setText(where, [place, node.workloadKind, rate].filter((word) => word !== '').join(' · '))
    // a mark only where it is more than the line that ends there already says
    const count = sum === undefined || health === 'good' || health === 'audited' ? 0 : sum.bad
    setText(badge, count === 0 ? '' : `✕ ${count}`)
    setAttribute(box, 'data-health', health)
    setAttribute(box, 'aria-label', cardText(card, sum, rateText))
    setAttribute(box, 'aria-pressed', String(node.id === this.#chosen.workload))
    box.classList.toggle('away', near !== undefined && !near.has(node.id))
  }

  #drawLine({pair}: Line, health: Health, near: ReadonlySet<string> | undefined): void {
    const {group, path, title} = this.#lineParts.get(pair.id)!
    const {workload, peer} = this.#chosen
    setAttribute(group, 'data-health', health)
    setAttribute(path, 'stroke-width', (1.4 + Math.min(3.6, Math.log2(1 + pair.rate) * 0.6)).toFixed(1))
    const ends = [pair.from, pair.to]
    const mine = workload === '' || (ends.includes(workload) && (peer === '' || ends.includes(peer)))
    group.classList.toggle('away', near !== undefined && !mine)
    const names = ends.map((id) => this.#graph.nodes.get(id)?.name ?? id)
    const ports = pair.edges.map((edge) =>
      [portText(edge), rateText(edge.rate), edge.reason].filter(Boolean).join(' · '),
    )
    setText(title, `${names.join(' → ')}\n${ports.slice(0, 12).join('\n')}`)
  }

  /** The chosen one and those that it talks with. */
  #near(): Set<string> | undefined {
    const {workload, peer} = this.#chosen
    if (workload === '') return undefined
    if (peer !== '') return new Set([workload, peer])
    const near = new Set([workload])
    for (const {pair} of this.#scene.lines) {
      if (pair.from === workload) near.add(pair.to)
      if (pair.to === workload) near.add(pair.from)
    }
    return near
  }

  #setFocus(id: string): void {
    const before = this.#focus === undefined ? undefined : this.#cardParts.get(this.#focus)
    if (before !== undefined) before.box.tabIndex = -1
    this.#focus = id
    const parts = this.#cardParts.get(id)
    if (parts !== undefined) parts.box.tabIndex = 0
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    if (event.key === 'Escape') this.#listener.choose(undefined)
    else if (event.key === '+' || event.key === '=') this.#viewport.zoom(1.25)
    else if (event.key === '-') this.#viewport.zoom(0.8)
    else if (event.key === '0') this.#viewport.fit()
    else if (event.key.startsWith('Arrow')) this.#walk(event.key)
    else return
    event.preventDefault()
  }

  /** To the nearest card in that direction. */
  #walk(key: string): void {
    const {places} = this.#scene.layout
    const here = this.#focus === undefined ? undefined : places.get(this.#focus)
    if (here === undefined) return
    const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[key] ?? [0, 0]
    let best: {id: string; distance: number} | undefined
    for (const [id, {x, y}] of places) {
      const along = (x - here.x) * dx! + (y - here.y) * dy!
      if (id === this.#focus || along <= 0) continue
      const aside = Math.abs((x - here.x) * dy! + (y - here.y) * dx!)
      const distance = along + aside * 2.5
      if (best === undefined || distance < best.distance) best = {id, distance}
    }
    if (best !== undefined) this.#cardParts.get(best.id)?.box.focus()
  }
}

function legend(): HTMLElement {
  const item = (health: Health, text: string) => element('li', {'data-health': health}, text)
  return element(
    'ul',
    {class: 'legend', 'aria-label': 'Lines'},
    item('good', 'passes'),
    item('audited', 'passes, policy would deny'),
    item('dropped', 'dropped'),
    item('denied', 'denied by policy'),
  )
}
