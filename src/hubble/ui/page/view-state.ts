/** What the page shows, as its address says it: whoever gets the address sees the same. */
import {type Outcome, outcomes} from '../wire.ts'

export interface ViewState {
  /** empty: all */
  readonly namespace: string
  readonly verdict: readonly Outcome[]
  /** ids of nodes of the map */
  readonly workload: string
  readonly peer: string
  readonly port: string
  readonly text: string
  /** also answers and what is seen of packets on their way */
  readonly all: boolean
  readonly tab: 'flows' | 'connections'
}

export const emptyView: ViewState = {
  namespace: '',
  verdict: [],
  workload: '',
  peer: '',
  port: '',
  text: '',
  all: false,
  tab: 'flows',
}

export function readView(search: string): ViewState {
  const query = new URLSearchParams(search)
  const word = (name: string) => query.get(name) ?? ''
  const asked = word('verdict').split(',')
  return {
    namespace: word('namespace'),
    verdict: outcomes.filter((one) => asked.includes(one)),
    workload: word('workload'),
    peer: word('peer'),
    port: /^\d{1,5}$/.test(word('port')) && Number(word('port')) <= 65535 ? word('port') : '',
    text: word('text'),
    all: word('all') === '1',
    tab: word('tab') === 'connections' ? 'connections' : 'flows',
  }
}

/** The part of the address behind the path, beginning with `?`; what is at its default is left out. */
export function viewSearch(view: ViewState): string {
  const query = filterQuery(view)
  if (view.tab !== 'flows') query.set('tab', view.tab)
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** What the server has to know of it. */
export function filterQuery(view: ViewState): URLSearchParams {
  const query = new URLSearchParams()
  const put = (name: string, value: string) => value !== '' && query.set(name, value)
  put('namespace', view.namespace)
  put('verdict', view.verdict.join(','))
  put('workload', view.workload)
  put('peer', view.peer)
  put('port', view.port)
  put('text', view.text)
  put('all', view.all ? '1' : '')
  return query
}

export function isFiltered(view: ViewState): boolean {
  return view.verdict.length > 0 || view.workload !== '' || view.peer !== '' || view.port !== '' || view.text !== ''
}
