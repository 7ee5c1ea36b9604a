/**
 * The page: the address says what is shown, the stream says what there is, the views draw it.
 *
 *     address ─► view state ─► stream ─► graph ─► map, connections, refused
 *                     ▲           └────► table ─► details
 *                     └── clicks, keys
 */
import type {ClusterMessage, FlowRow, StateMessage} from '../wire.ts'
import {ConnectionTable} from './connection-table.ts'
import {Details} from './details.ts'
import {addDivider} from './divider.ts'
import {byId, element, setText} from './element.ts'
import {FilterBar} from './filter-bar.ts'
import {FlowTable} from './flow-table.ts'
import {Graph, type GraphEdge} from './graph.ts'
import {MapView} from './map-view.ts'
import {RefusedStrip} from './refused.ts'
import {FlowStream, readCluster} from './stream.ts'
import {bindTheme} from './theme.ts'
import {filterQuery, isFiltered, readView, type ViewState, viewSearch} from './view-state.ts'

const clusterEveryMs = 5_000
const drawEveryMs = 1_000

class Page {
  readonly #graph = new Graph()
  readonly #stream: FlowStream
  readonly #map: MapView
  readonly #table: FlowTable
  readonly #connections: ConnectionTable
  readonly #details: Details
  readonly #refused: RefusedStrip
  readonly #filters: FilterBar
  #view: ViewState = readView(location.search)
  #flow: FlowRow | undefined
  #state: StateMessage = {connected: false, detail: 'connecting', lost: 0, seen: 0}
  #away = false
  #cluster: ClusterMessage | undefined
  /** of the server's clock before ours, ms */
  #ahead = 0
  #drawing = false
  #query = ''

  constructor() {
    const chooseEdge = (edge: GraphEdge) =>
      this.#change({workload: edge.from, peer: edge.to === edge.from ? '' : edge.to, tab: 'flows'})
    this.#map = new MapView(byId('map'), this.#graph, {
      choose: (node) => this.#change({workload: node === this.#view.workload ? '' : (node ?? ''), peer: ''}),
      chooseLine: (from, to) => this.#change({workload: from, peer: to === from ? '' : to}),
    })
    this.#table = new FlowTable((row) => {
      this.#flow = row
      this.#drawDetails()
    })
    this.#connections = new ConnectionTable(this.#graph, chooseEdge)
    this.#filters = new FilterBar({
      change: (change) => this.#change(change),
      pause: (paused) => this.#table.pause(paused),
    })
    byId('table').append(this.#filters.element, this.#table.element, this.#connections.element)
    this.#details = new Details(byId('details'), () => this.#unchoose())
    this.#refused = new RefusedStrip(byId('refused'), byId('announce'), chooseEdge, () =>
      this.#change({verdict: ['denied', 'dropped'], tab: 'connections', workload: '', peer: ''}),
    )
    this.#stream = new FlowStream({
      map: (message) => {
        this.#ahead = message.nowMs - Date.now()
        this.#graph.apply(message)
        this.#draw()
      },
      flows: (message) => {
        this.#table.add(message)
        this.#draw()
      },
      state: (message) => {
        this.#away = false
        this.#state = message
        this.#draw()
      },
      away: () => {
        this.#away = true
        this.#draw()
      },
    })
  }

  start(): void {
    bindTheme(byId('theme'))
    addDivider(byId('map-help'), document.querySelector('main')!)
    byId('namespace').addEventListener('change', (event) => {
      const namespace = (event.target as HTMLSelectElement).value
      this.#change({namespace, workload: '', peer: ''})
    })
    addEventListener('popstate', () => this.#apply(readView(location.search)))
    document.addEventListener('keydown', (event) => {
      if (event.key === '/' && !(event.target instanceof HTMLInputElement)) {
        event.preventDefault()
        document.querySelector<HTMLInputElement>('.filters input[type=search]')?.focus()
      }
    })
    this.#apply(this.#view)
    const ask = async () => {
      if (document.visibilityState === 'visible' || this.#cluster === undefined) {
        this.#cluster = await readCluster()
        this.#draw()
      }
      setTimeout(ask, clusterEveryMs)
    }
    ask()
    setInterval(() => {
      this.#graph.settle(performance.now())
      this.#draw()
    }, drawEveryMs)
  }

  #change(change: Partial<ViewState>): void {
    const view = {...this.#view, ...change}
    // typing is no step that one goes back to
    const typing = Object.keys(change).join() === 'text'
    history[typing ? 'replaceState' : 'pushState'](null, '', `${location.pathname}${viewSearch(view)}`)
    this.#apply(view)
  }

  #apply(view: ViewState): void {
    const before = this.#view
    this.#view = view
    if (view.namespace !== before.namespace) {
      this.#graph.clear()
      this.#map.reset()
    }
    if (view.workload !== before.workload || view.peer !== before.peer || view.namespace !== before.namespace) {
      this.#flow = undefined
    }
    const query = filterQuery(view)
    if (query.toString() !== this.#query || before === view) {
      this.#query = query.toString()
      this.#table.clear()
      this.#stream.open(query)
    }
    document.title = view.namespace === '' ? 'Hubble' : `${view.namespace} – Hubble`
    this.#map.choose(view.workload, view.peer, view.namespace)
    this.#drawDetails()
    this.#draw()
  }

  #unchoose(): void {
    this.#table.choose('')
    const had = this.#flow !== undefined
    this.#flow = undefined
    if (had) this.#drawDetails()
    else this.#change({workload: '', peer: ''})
  }

  /** Once for all that arrives together. */
  #draw(): void {
    if (this.#drawing) return
    this.#drawing = true
    requestAnimationFrame(() => {
      this.#drawing = false
      this.#drawNow()
    })
  }

  #drawNow(): void {
    const now = Date.now() + this.#ahead
    const view = this.#view
    this.#drawStatus()
    this.#drawNamespaces()
    this.#refused.render(this.#graph, now)
    this.#map.render(now)
    this.#map.explain(this.#graph.nodes.size > 0 ? '' : this.#nothingText('flows'))
    const flows = view.tab === 'flows'
    this.#table.element.hidden = !flows
    this.#connections.element.hidden = flows
    if (flows) this.#table.explain(this.#nothingText(isFiltered(view) ? 'flows that fit' : 'flows'))
    else this.#connections.render(view, now)
    const {skipped} = this.#table
    const count = flows && skipped > 0 ? `${skipped.toLocaleString('en')} more were too fast to list` : ''
    this.#filters.render(view, this.#graph.nodes, count)
    if (this.#details.open && this.#flow === undefined && !byId('details').matches(':hover, :focus-within')) {
      this.#drawDetails()
    }
  }

  #drawDetails(): void {
    const {workload, peer} = this.#view
    const now = Date.now() + this.#ahead
    if (this.#flow !== undefined) this.#details.showFlow(this.#flow, this.#edgeOf(this.#flow))
    else if (workload !== '' && peer === '') {
      this.#details.showWorkload(workload, this.#graph, now, (edge) =>
        this.#change({workload: edge.from, peer: edge.to === edge.from ? '' : edge.to, tab: 'flows'}),
      )
    } else this.#details.hide()
  }

  #edgeOf({source, destination, protocol, reply}: FlowRow): GraphEdge | undefined {
    const [from, to] = reply ? [destination, source] : [source, destination]
    return this.#graph.edge(`${from.node}|${to.node}|${protocol}|${to.port}`)
  }

  #nothingText(what: string): string {
    if (this.#away) return 'The server of this page does not answer.'
    if (!this.#state.connected) return `Waiting for the relay: ${this.#state.detail}`
    const where = this.#view.namespace === '' ? 'the cluster' : this.#view.namespace
    return `No ${what} in ${where} yet.`
  }

  #drawStatus(): void {
    const {connected, detail, lost} = this.#state
    const cluster = this.#cluster
    const away = cluster?.nodesUnavailable ?? []
    const words = this.#away
      ? ['server away']
      : !connected
        ? [`no relay: ${detail}`]
        : [
            'live',
            cluster?.connected === true
              ? `${cluster.nodesConnected} of ${cluster.nodesConnected + away.length} nodes`
              : '',
            cluster === undefined || cluster.flowsPerSecond === 0
              ? ''
              : `${Math.round(cluster.flowsPerSecond).toLocaleString('en')} flows/s`,
            lost > 0 ? `${lost.toLocaleString('en')} lost` : '',
          ]
    const at = byId('status')
    at.dataset['health'] = this.#away || !connected ? 'denied' : away.length > 0 || lost > 0 ? 'audited' : 'good'
    at.title =
      away.length > 0 ? `Not reached: ${away.join(', ')}` : lost > 0 ? 'Flows that the cluster could not tell' : ''
    setText(at, words.filter((word) => word !== '').join(' · '))
  }

  #drawNamespaces(): void {
    const select = byId('namespace') as HTMLSelectElement
    const names = new Set(this.#cluster?.namespaces ?? [])
    for (const {namespace} of this.#graph.nodes.values()) if (namespace !== '') names.add(namespace)
    if (this.#view.namespace !== '') names.add(this.#view.namespace)
    const sorted = ['', ...[...names].sort()]
    const there = [...select.options].map(({value}) => value)
    if (there.join() !== sorted.join()) {
      select.replaceChildren(
        ...sorted.map((name) => element('option', {value: name}, name === '' ? 'All namespaces' : name)),
      )
    }
    if (select.value !== this.#view.namespace) select.value = this.#view.namespace
  }
}

new Page().start()
