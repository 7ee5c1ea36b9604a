/** The map as a list: the same for those who do not see it, and sorted by what needs a look. */
import type {MapNode, Outcome} from '../wire.ts'
import {outcomes} from '../wire.ts'
import {element, setText} from './element.ts'
import {edgeHealth, type Graph, type GraphEdge, portText, rateText} from './graph.ts'
import type {ViewState} from './view-state.ts'
import {agoText, outcomeWords} from './words.ts'

const rowsMax = 1_000
const order = {denied: 0, dropped: 1, audited: 2, good: 3}

export class ConnectionTable {
  readonly element: HTMLElement
  readonly #body = element('tbody')
  readonly #note = element('p', {class: 'note'})
  readonly #graph: Graph
  readonly #choose: (edge: GraphEdge) => void

  constructor(graph: Graph, choose: (edge: GraphEdge) => void) {
    this.#graph = graph
    this.#choose = choose
    const heads = ['From', 'To', 'Port', 'Outcome', 'Rate', 'Last', 'Decided by']
    const table = element(
      'table',
      {class: 'connections'},
      element('thead', {}, element('tr', {}, ...heads.map((text) => element('th', {scope: 'col'}, text)))),
      this.#body,
    )
    this.element = element('div', {class: 'pane'}, element('div', {class: 'scroll'}, table, this.#note))
    const open = (target: EventTarget | null) => {
      const id = (target as Element | null)?.closest('tr')?.getAttribute('data-edge')
      const edge = id === null || id === undefined ? undefined : this.#graph.edge(id)
      if (edge !== undefined) this.#choose(edge)
    }
    this.#body.addEventListener('click', (event) => open(event.target))
    this.#body.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') open(event.target)
    })
  }

  render(view: ViewState, nowMs: number): void {
    const found = [...this.#graph.edges]
      .filter((edge) => fits(edge, view, this.#graph))
      .map((edge) => ({edge, health: edgeHealth(edge, nowMs)}))
      .sort(
        (a, b) => order[a.health] - order[b.health] || b.edge.rate - a.edge.rate || (a.edge.id < b.edge.id ? -1 : 1),
      )
    const shown = found.slice(0, rowsMax)
    // rows are used again: what has the focus keeps it
    while (this.#body.rows.length > shown.length) this.#body.rows[this.#body.rows.length - 1]!.remove()
    for (const [index, {edge, health}] of shown.entries()) {
      const row = this.#body.rows[index] ?? this.#body.appendChild(emptyRow())
      row.setAttribute('data-edge', edge.id)
      row.setAttribute('data-health', health)
      const texts = [
        nodeText(this.#graph.nodes.get(edge.from)),
        nodeText(this.#graph.nodes.get(edge.to)),
        portText(edge),
        countText(edge),
        rateText(edge.rate),
        agoText(edge.lastMs, nowMs),
        decidedBy(edge),
      ]
      for (const [column, text] of texts.entries()) setText(row.cells[column]!, text)
    }
    const more = found.length - shown.length
    const beyond = this.#graph.beyond
    const notes = [
      found.length === 0 ? 'No connection fits.' : '',
      more > 0 ? `${more.toLocaleString('en')} more are not listed: filter for what you look for.` : '',
      beyond > 0 ? `${beyond.toLocaleString('en')} flows are of connections beyond what the map holds.` : '',
    ]
    setText(this.#note, notes.filter((text) => text !== '').join(' '))
  }
}

function emptyRow(): HTMLTableRowElement {
  return element('tr', {tabindex: '0'}, ...Array.from({length: 7}, () => element('td')))
}

function fits(edge: GraphEdge, view: ViewState, graph: Graph): boolean {
  const ends = [edge.from, edge.to]
  if (view.workload !== '' && !ends.includes(view.workload)) return false
  if (view.peer !== '' && !ends.includes(view.peer)) return false
  if (view.port !== '' && edge.port !== Number(view.port)) return false
  if (view.verdict.length > 0 && !view.verdict.some((one) => edge.counts[one] > 0)) return false
  if (view.text === '') return true
  const text = view.text.toLowerCase()
  return ends.some((id) => nodeText(graph.nodes.get(id)).toLowerCase().includes(text))
}

function nodeText(node: MapNode | undefined): string {
  if (node === undefined) return ''
  return node.namespace === '' ? node.name : `${node.namespace}/${node.name}`
}

function countText({counts, reason}: GraphEdge): string {
  const words = outcomes
    .filter((one: Outcome) => counts[one] > 0)
    .map((one) => `${outcomeWords[one].mark} ${counts[one].toLocaleString('en')} ${outcomeWords[one].word}`)
  return `${words.join(', ')}${reason === '' ? '' : ` (${reason})`}`
}

function decidedBy({policies}: GraphEdge): string {
  return policies
    .map(
      ({namespace, name, effect, direction}) =>
        `${namespace === '' ? '' : `${namespace}/`}${name} ${effect} ${direction}`,
    )
    .join(', ')
}
