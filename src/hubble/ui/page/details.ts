/** All that is known of one flow, or of one workload. */
import type {FlowRow, PolicyName, RowEnd} from '../wire.ts'
import {button, element} from './element.ts'
import {edgeHealth, type Graph, type GraphEdge, policyText, portText, rateText} from './graph.ts'
import {outcomeTag, outcomeWords, timeText} from './words.ts'

type Item = readonly [name: string, value: string | HTMLElement | undefined]

export class Details {
  readonly #at: HTMLElement
  readonly #close: () => void
  #opener: Element | null = null

  /** @param close takes the selection back */
  constructor(at: HTMLElement, close: () => void) {
    this.#at = at
    this.#close = close
    at.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#end()
    })
  }

  get open(): boolean {
    return !this.#at.hidden
  }

  hide(): void {
    this.#at.hidden = true
    this.#at.replaceChildren()
  }

  showFlow(row: FlowRow, edge: GraphEdge | undefined): void {
    const {source, destination, outcome, protocol} = row
    const port = row.reply ? source.port : destination.port
    const [client, server] = row.reply ? [destination, source] : [source, destination]
    const policies = row.policies.length > 0 ? row.policies : (edge?.policies ?? [])
    const own = row.policies.length > 0
    this.#show(
      'Flow',
      element(
        'p',
        {class: 'sentence'},
        outcomeTag(outcome),
        ` ${endName(client)} → ${endName(server)} ${portText({protocol, port})}${row.reply ? ', the answer' : ''}`,
      ),
      row.reason === '' ? undefined : element('p', {class: 'reason', 'data-health': outcome}, sentence(row.reason)),
      heading(outcome === 'denied' ? 'Denied by' : 'Decided by'),
      policyList(policies, row, own),
      heading('Look further'),
      ...commands(row, policies),
      heading('Flow'),
      list([
        ['Time', timeText(row.timeMs)],
        ['Verdict', row.verdict],
        ['Seen as', row.type],
        ['Summary', row.summary],
        ['Direction', row.direction],
        ['Node', row.node],
        ['Interface', row.interface],
      ]),
      heading('Source'),
      endList(source),
      heading('Destination'),
      endList(destination),
    )
  }

  showWorkload(id: string, graph: Graph, nowMs: number, choose: (edge: GraphEdge) => void) {
    const node = graph.nodes.get(id)
    if (node === undefined) return this.hide()
    const edges = [...graph.edges].filter(({from, to}) => from === id || to === id)
    const order = (edge: GraphEdge) => ['denied', 'dropped', 'audited', 'good'].indexOf(edgeHealth(edge, nowMs))
    edges.sort((a, b) => order(a) - order(b) || b.rate - a.rate)
    const part = (title: string, found: readonly GraphEdge[], other: 'from' | 'to') => {
      if (found.length === 0) return []
      const items = found.slice(0, 100).map((edge) => {
        const health = edgeHealth(edge, nowMs)
        const peer = graph.nodes.get(edge[other])
        const mark = health === 'good' ? '' : `${outcomeWords[health].mark} `
        const name = peer === undefined ? '' : peer.namespace === '' ? peer.name : `${peer.namespace}/${peer.name}`
        const rate = rateText(edge.rate)
        const made = button(`${mark}${name} ${portText(edge)}`, {class: 'peer', 'data-health': health}, () =>
          choose(edge),
        )
        made.append(element('small', {}, [rate, health === 'good' ? '' : edge.reason].filter(Boolean).join(' · ')))
        return element('li', {}, made)
      })
      return [heading(`${title} (${found.length})`), element('ul', {class: 'peers'}, ...items)]
    }
    this.#show(
      node.kind === 'workload' ? node.workloadKind || 'Workload' : 'Outside of pods',
      element(
        'p',
        {class: 'sentence'},
        element('strong', {}, node.name),
        node.namespace === '' ? '' : ` in ${node.namespace}`,
      ),
      ...part(
        'Calls',
        edges.filter(({from}) => from === id),
        'to',
      ),
      ...part(
        'Is called by',
        edges.filter(({to}) => to === id),
        'from',
      ),
    )
  }

  #show(title: string, ...parts: readonly (HTMLElement | undefined)[]): void {
    if (this.#at.hidden) this.#opener = document.activeElement
    const scroll = this.#at.scrollTop
    const focused = this.#at.contains(document.activeElement)
    const close = button('✕', {class: 'close', 'aria-label': 'Close details'}, () => this.#end())
    this.#at.replaceChildren(
      element('div', {class: 'title'}, element('h2', {}, title), close),
      ...parts.filter((part) => part !== undefined),
    )
    this.#at.hidden = false
    this.#at.scrollTop = scroll
    if (focused) close.focus()
  }

  #end(): void {
    const opener = this.#opener
    this.#close()
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
  }
}

function heading(text: string): HTMLElement {
  return element('h3', {}, text)
}

function list(items: readonly Item[]): HTMLElement {
  const shown = items.filter(([, value]) => value !== undefined && value !== '')
  return element('dl', {}, ...shown.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]))
}

function endList(end: RowEnd): HTMLElement {
  const labels = element('ul', {class: 'labels'}, ...end.labels.map((label) => element('li', {}, label)))
  return list([
    ['Name', endName(end)],
    ['Pod', end.pod],
    [
      'Address',
      end.ip === '' ? '' : end.port === 0 ? end.ip : `${end.ip.includes(':') ? `[${end.ip}]` : end.ip}:${end.port}`,
    ],
    ['Also', end.names.join(', ')],
    ['Identity', end.identityText.startsWith('(ID') ? String(end.identity) : `${end.identity} ${end.identityText}`],
    ['Labels', end.labels.length === 0 ? undefined : labels],
  ])
}

function endName({name, namespace}: RowEnd): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** @param own the flow itself names them; otherwise they are what this connection was judged by before */
function policyList(policies: readonly PolicyName[], {outcome}: FlowRow, own: boolean): HTMLElement {
  if (policies.length === 0) {
    const nobody =
      outcome === 'denied'
        ? 'No rule: a policy selects the workload, and none allows this.'
        : 'This event names no policy. The verdict stands in an event at the connection’s begin.'
    return element('p', {class: 'quiet'}, nobody)
  }
  const items = policies.map((policy) =>
    element(
      'li',
      {'data-health': policy.effect === 'denies' ? 'denied' : 'good'},
      `${policyText(policy)} ${policy.effect} ${policy.direction}`,
    ),
  )
  const note = own ? undefined : element('p', {class: 'quiet'}, 'As other flows of this connection were judged.')
  return element('div', {}, element('ul', {class: 'policies'}, ...items), note)
}

const plural: Readonly<Record<string, string>> = {
  CiliumNetworkPolicy: 'cnp',
  CiliumClusterwideNetworkPolicy: 'ccnp',
  NetworkPolicy: 'netpol',
}

function commands({source, destination, outcome, advice}: RowCommand, policies: readonly PolicyName[]): HTMLElement[] {
  const end = (side: RowEnd, flag: string) =>
    side.pod === '' ? ` --${flag}-ip ${word(side.ip)}` : ` --${flag}-pod ${word(`${side.namespace}/${side.pod}`)}`
  const lines = [
    `hubble observe${end(source, 'from')}${end(destination, 'to')}${outcome === 'forwarded' ? '' : ' --verdict DROPPED'} --last 100`,
    advice,
    ...policies.map(({kind, namespace, name}) =>
      plural[kind] === undefined
        ? ''
        : `kubectl${namespace === '' ? '' : ` -n ${word(namespace)}`} get ${plural[kind]} ${word(name)} -o yaml`,
    ),
  ]
  return [...new Set(lines)]
    .filter((line) => line !== '')
    .map((line) => {
      const code = element('code', {}, line)
      const copy = button('Copy', {'aria-label': `Copy: ${line}`}, () => {
        navigator.clipboard.writeText(line).then(
          () => (copy.textContent = 'Copied'),
          () => getSelection()?.selectAllChildren(code),
        )
      })
      return element('div', {class: 'command'}, code, copy)
    })
}

type RowCommand = Pick<FlowRow, 'source' | 'destination' | 'outcome' | 'advice'>

/** For a shell: names of Kubernetes pass as they are, everything else in quotes. */
function word(text: string): string {
  return /^[A-Za-z0-9._/:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
