/** Which flows the table shows: chips and a search, as the address has them. */
import {type MapNode, outcomes} from '../wire.ts'
import {button, element, setAttribute, setText} from './element.ts'
import {emptyView, isFiltered, type ViewState} from './view-state.ts'
import {outcomeWords} from './words.ts'

export interface FilterListener {
  change(change: Partial<ViewState>): void
  pause(paused: boolean): void
}

const typingMs = 300

export class FilterBar {
  readonly element: HTMLElement
  readonly #tabs: ReadonlyMap<ViewState['tab'], HTMLButtonElement>
  readonly #verdicts: ReadonlyMap<string, HTMLButtonElement>
  readonly #text = element('input', {
    type: 'search',
    placeholder: 'Name, address, reason …',
    'aria-label': 'Search flows',
    maxlength: 200,
  })
  readonly #port = element('input', {
    type: 'text',
    inputmode: 'numeric',
    placeholder: 'Port',
    'aria-label': 'Port',
    size: 5,
    maxlength: 5,
  })
  readonly #chosen: HTMLButtonElement
  readonly #clear: HTMLButtonElement
  readonly #all: HTMLButtonElement
  readonly #pause: HTMLButtonElement
  readonly #count = element('span', {class: 'count'})
  #paused = false
  #typing: ReturnType<typeof setTimeout> | undefined

  constructor(listener: FilterListener) {
    const {change} = listener
    const tab = (name: ViewState['tab'], label: string) =>
      [name, button(label, {role: 'tab', id: `tab-${name}`}, () => change({tab: name}))] as const
    this.#tabs = new Map([tab('flows', 'Flows'), tab('connections', 'Connections')])
    this.#verdicts = new Map(
      outcomes.map((one) => {
        const {mark, word} = outcomeWords[one]
        const chip = button(
          `${mark} ${word}`,
          {class: 'chip', 'data-health': one === 'forwarded' ? 'good' : one},
          () => {
            const on = chip.getAttribute('aria-pressed') !== 'true'
            change({verdict: outcomes.filter((other) => (other === one ? on : this.#isOn(other)))})
          },
        )
        return [one, chip]
      }),
    )
    this.#chosen = button('', {class: 'chip chosen'}, () => change({workload: '', peer: ''}))
    this.#clear = button('Clear', {class: 'plain'}, () => {
      const {namespace, tab: at} = emptyView
      change({...emptyView, namespace: this.#namespace ?? namespace, tab: this.#tab ?? at})
    })
    this.#all = button(
      'Every event',
      {class: 'chip', title: 'Also answers, and what is seen of packets on their way'},
      () => change({all: this.#all.getAttribute('aria-pressed') !== 'true'}),
    )
    this.#pause = button('Pause', {class: 'plain'}, () => {
      this.#paused = !this.#paused
      setText(this.#pause, this.#paused ? 'Go on' : 'Pause')
      setAttribute(this.#pause, 'aria-pressed', String(this.#paused))
      listener.pause(this.#paused)
    })
    this.#text.addEventListener('input', () => {
      clearTimeout(this.#typing)
      this.#typing = setTimeout(() => change({text: this.#text.value.trim()}), typingMs)
    })
    this.#port.addEventListener('change', () => {
      const valid = this.#port.value === '' || (/^\d{1,5}$/.test(this.#port.value) && Number(this.#port.value) <= 65535)
      this.#port.setAttribute('aria-invalid', String(!valid))
      if (valid) change({port: this.#port.value})
    })
    this.element = element(
      'div',
      {class: 'filters'},
      element('div', {role: 'tablist', class: 'tabs'}, ...this.#tabs.values()),
      element('div', {role: 'group', 'aria-label': 'Outcome', class: 'chips'}, ...this.#verdicts.values()),
      this.#text,
      this.#port,
      this.#chosen,
      this.#all,
      this.#clear,
      element('span', {class: 'space'}),
      this.#count,
      this.#pause,
    )
  }

  #namespace: string | undefined
  #tab: ViewState['tab'] | undefined

  render(view: ViewState, nodes: ReadonlyMap<string, MapNode>, count: string): void {
    this.#namespace = view.namespace
    this.#tab = view.tab
    for (const [name, tab] of this.#tabs) setAttribute(tab, 'aria-selected', String(name === view.tab))
    for (const [name, chip] of this.#verdicts) {
      setAttribute(chip, 'aria-pressed', String(view.verdict.includes(name as (typeof view.verdict)[number])))
    }
    if (document.activeElement !== this.#text && this.#text.value !== view.text) this.#text.value = view.text
    if (document.activeElement !== this.#port) this.#port.value = view.port
    const name = (id: string) => nodes.get(id)?.name ?? id.split('/').at(-1) ?? id
    this.#chosen.hidden = view.workload === ''
    setText(this.#chosen, `${name(view.workload)}${view.peer === '' ? '' : ` ↔ ${name(view.peer)}`}  ✕`)
    setAttribute(this.#chosen, 'aria-label', `Take the selection of ${name(view.workload)} back`)
    setAttribute(this.#all, 'aria-pressed', String(view.all))
    this.#all.hidden = view.tab !== 'flows'
    this.#pause.hidden = view.tab !== 'flows'
    this.#clear.hidden = !isFiltered(view)
    setText(this.#count, count)
  }

  #isOn(name: string): boolean {
    return this.#verdicts.get(name)?.getAttribute('aria-pressed') === 'true'
  }
}
