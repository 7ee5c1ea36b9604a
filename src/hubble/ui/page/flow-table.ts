/** The newest flows, newest first. Holds still while it is paused, or read further down. */
import type {FlowRow, FlowsMessage} from '../wire.ts'
import {button, element, setText} from './element.ts'
import {endCell, outcomeTag, timeText, whyText} from './words.ts'

const rowsMax = 200
/** of each column, CSS pixels; the others share what is left */
const widths = [128, 116, undefined, undefined, 84, undefined, 120]

export class FlowTable {
  readonly element: HTMLElement
  readonly #body = element('tbody')
  readonly #scroll: HTMLElement
  readonly #news: HTMLButtonElement
  readonly #empty = element('p', {class: 'empty'})
  readonly #choose: (row: FlowRow) => void
  readonly #rows = new Map<HTMLTableRowElement, FlowRow>()
  #held: FlowRow[] = []
  #heldCount = 0
  #skipped = 0
  #paused = false
  /** read further down; asking the element each time would lay it out each time */
  #down = false
  #chosen = ''
  #focus: HTMLTableRowElement | undefined

  constructor(choose: (row: FlowRow) => void) {
    this.#choose = choose
    const heads = ['Time', 'Outcome', 'Source', 'Destination', 'Protocol', 'What', 'Node']
    const table = element(
      'table',
      {class: 'flows'},
      element('colgroup', {}, ...widths.map((width) => element('col', {width}))),
      element('thead', {}, element('tr', {}, ...heads.map((text) => element('th', {scope: 'col'}, text)))),
      this.#body,
    )
    this.#news = button('', {class: 'news', hidden: true}, () => this.#release())
    this.#scroll = element('div', {class: 'scroll', tabindex: '-1'}, table, this.#empty)
    this.element = element('div', {class: 'pane'}, this.#news, this.#scroll)
    this.#scroll.addEventListener('scroll', () => {
      this.#down = this.#scroll.scrollTop > 4
      if (!this.#down && !this.#paused) this.#release()
    })
    this.#body.addEventListener('click', (event) => this.#open(event.target))
    this.#body.addEventListener('keydown', (event) => this.#key(event))
  }

  add({rows, skipped}: FlowsMessage): void {
    this.#skipped += skipped
    if (this.#paused || this.#down) {
      this.#heldCount += rows.length + skipped
      this.#held = [...this.#held, ...rows].slice(-rowsMax)
      this.#tellNews()
    } else this.#show(rows)
  }

  clear(): void {
    this.#rows.clear()
    this.#body.replaceChildren()
    this.#held = []
    this.#heldCount = 0
    this.#skipped = 0
    this.#tellNews()
  }

  /** What stands there as long as there are no flows. */
  explain(text: string): void {
    setText(this.#empty, text)
    this.#empty.hidden = this.#rows.size > 0
  }

  /** flows that fitted and were too many to show */
  get skipped(): number {
    return this.#skipped
  }

  get size(): number {
    return this.#rows.size
  }

  pause(paused: boolean): void {
    this.#paused = paused
    if (!paused) this.#release()
  }

  choose(id: string): void {
    this.#chosen = id
    for (const [line, row] of this.#rows) line.setAttribute('aria-selected', String(row.id === id))
  }

  #show(rows: readonly FlowRow[]): void {
    const lines = rows.slice(-rowsMax).map((row) => this.#line(row))
    this.#body.prepend(...lines.reverse())
    while (this.#rows.size > rowsMax) {
      const last = this.#body.lastElementChild as HTMLTableRowElement
      this.#rows.delete(last)
      last.remove()
    }
    // one of them can be reached with the tabulator
    if (this.#focus?.isConnected !== true) this.#setFocus(this.#body.firstElementChild as HTMLTableRowElement)
    this.#empty.hidden = this.#rows.size > 0
  }

  #line(row: FlowRow): HTMLTableRowElement {
    const {outcome, timeMs, source, destination, protocol, node, reply} = row
    const health = outcome === 'forwarded' ? 'good' : outcome
    const line = element(
      'tr',
      {'data-health': health, 'data-flow': row.id, tabindex: '-1', 'aria-selected': String(row.id === this.#chosen)},
      element('td', {class: 'time'}, timeText(timeMs)),
      element('td', {}, outcomeTag(outcome)),
      element('td', {}, endCell(source, reply)),
      element('td', {}, endCell(destination, !reply)),
      element('td', {}, `${protocol}${reply ? ' ↩' : ''}`),
      element('td', {class: 'why', title: whyText(row)}, whyText(row)),
      element('td', {class: 'node'}, node),
    )
    this.#rows.set(line, row)
    return line
  }

  #release(): void {
    const held = this.#held
    this.#held = []
    this.#heldCount = 0
    this.#tellNews()
    if (held.length > 0) this.#show(held)
    if (this.#down) this.#scroll.scrollTop = 0
  }

  #tellNews(): void {
    this.#news.hidden = this.#heldCount === 0 || this.#paused
    setText(this.#news, `↑ ${this.#heldCount.toLocaleString('en')} new`)
  }

  #open(target: EventTarget | null): void {
    const line = (target as Element | null)?.closest('tr')
    const row = line === null || line === undefined ? undefined : this.#rows.get(line as HTMLTableRowElement)
    if (row === undefined) return
    this.#setFocus(line as HTMLTableRowElement)
    this.choose(row.id)
    this.#choose(row)
  }

  #key(event: KeyboardEvent): void {
    const line = (event.target as Element).closest('tr') as HTMLTableRowElement | null
    if (line === null) return
    const other =
      event.key === 'ArrowDown' ? line.nextElementSibling : event.key === 'ArrowUp' ? line.previousElementSibling : null
    if (event.key === 'Enter' || event.key === ' ') this.#open(line)
    else if (other !== null) {
      this.#setFocus(other as HTMLTableRowElement)
      ;(other as HTMLTableRowElement).focus()
    } else return
    event.preventDefault()
  }

  #setFocus(line: HTMLTableRowElement): void {
    if (this.#focus !== undefined) this.#focus.tabIndex = -1
    this.#focus = line
    line.tabIndex = 0
  }
}
