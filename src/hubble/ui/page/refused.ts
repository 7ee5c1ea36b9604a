/** The first thing to see: who is refused, by what, how often. One quiet line when nobody is. */
import type {MapNode} from '../wire.ts'
import {button, element, setText} from './element.ts'
import {atPort, edgeHealth, type Graph, type GraphEdge, rateText} from './graph.ts'
import {agoText, outcomeWords} from './words.ts'

const shownMax = 3

export class RefusedStrip {
  readonly #at: HTMLElement
  readonly #announce: HTMLElement
  readonly #choose: (edge: GraphEdge) => void
  readonly #showAll: () => void
  readonly #title = element('strong')
  #buttons: HTMLButtonElement[] = []
  #form: string | undefined
  #told = 0

  constructor(at: HTMLElement, announce: HTMLElement, choose: (edge: GraphEdge) => void, showAll: () => void) {
    this.#at = at
    this.#announce = announce
    this.#choose = choose
    this.#showAll = showAll
  }

  render(graph: Graph, nowMs: number): void {
    const refused = graph.refused(nowMs)
    const worst = refused.slice(0, shownMax)
    const denied = refused.filter((edge) => edgeHealth(edge, nowMs) === 'denied').length
    const title = titleText(denied, refused.length - denied)
    const items = worst.map((edge) => ({text: itemText(edge, graph.nodes, nowMs)}))
    this.#at.dataset['health'] = refused.length === 0 ? 'good' : denied > 0 ? 'denied' : 'dropped'
    const form = [refused.length > shownMax, ...worst.map((edge) => `${edge.id} ${edgeHealth(edge, nowMs)}`)].join('\n')
    // the same ones with other numbers: what is pointed at or has the focus stays
    if (form !== this.#form) {
      this.#form = form
      this.#buttons = worst.map((edge) =>
        button('', {class: 'item', 'data-health': edgeHealth(edge, nowMs)}, () => this.#choose(edge)),
      )
      const all = refused.length > shownMax ? [button('Show all', {class: 'all'}, this.#showAll)] : []
      this.#at.replaceChildren(this.#title, ...this.#buttons, ...all)
    }
    setText(this.#title, title)
    for (const [index, {text}] of items.entries()) setText(this.#buttons[index]!, text)
    // a reader of screens hears of it when it becomes more or less, not with each rate
    if (refused.length !== this.#told) {
      this.#told = refused.length
      setText(this.#announce, [title, ...items.map((item) => item.text)].join('. '))
    }
  }
}

function titleText(denied: number, dropped: number): string {
  if (denied + dropped === 0) return 'Nothing was refused in the last 5 minutes'
  const words = [denied > 0 ? `${denied} denied` : '', dropped > 0 ? `${dropped} dropped` : ''].filter(Boolean)
  return `✕ ${words.join(', ')} ${denied + dropped === 1 ? 'connection' : 'connections'}`
}

function itemText(edge: GraphEdge, nodes: ReadonlyMap<string, MapNode>, nowMs: number): string {
  const name = (id: string) => nodes.get(id)?.name ?? id
  const health = edgeHealth(edge, nowMs)
  const by = edge.policies.find(({effect}) => effect === 'denies')
  const words = [
    `${name(edge.from)} → ${name(edge.to)}${atPort(edge)}`,
    by === undefined ? edge.reason : `by ${by.namespace === '' ? '' : `${by.namespace}/`}${by.name}`,
    rateText(edge.rate) || agoText(edge.badMs, nowMs),
  ]
  return `${health === 'good' ? '' : `${outcomeWords[health].mark} `}${words.filter(Boolean).join(' · ')}`
}
