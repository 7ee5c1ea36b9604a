/** Which flows of a namespace the table shows, as the page's address says it. */
import type {Flow} from '../../api/gen/flow.ts'
import {fail} from '../../runtime/errors.ts'
import {dropText, summaryText, typeText} from '../flow/flow-text.ts'
import {UI_FILTER_INVALID} from './errors.ts'
import {clientAndServer, counts, nodeOf, outcomeOf, protocolOf} from './flow-ends.ts'
import {type Outcome, outcomes} from './wire.ts'

export interface RowFilter {
  /** undefined: whatever became of them */
  readonly outcomes: ReadonlySet<Outcome> | undefined
  /** ids of nodes of the map: one of the ends is this one */
  readonly workload: string | undefined
  /** beside `workload`: the other end is this one */
  readonly peer: string | undefined
  /** of the side that was asked */
  readonly port: number | undefined
  readonly protocol: string | undefined
  /** in lower case: somewhere in names, addresses, kind or summary */
  readonly text: string | undefined
  /** also answers, and what is seen of a packet on its way */
  readonly everything: boolean
}

const textMax = 256

/** @throws UI_FILTER_INVALID */
export function readRowFilter(query: URLSearchParams): RowFilter {
  const word = (name: string) => query.get(name) || undefined
  const asked = word('verdict')?.split(',')
  for (const one of asked ?? []) {
    if (!outcomes.includes(one as Outcome)) fail(UI_FILTER_INVALID, {name: 'verdict', value: one.slice(0, 50)})
  }
  const port = word('port')
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65535)) {
    fail(UI_FILTER_INVALID, {name: 'port', value: port.slice(0, 50)})
  }
  return {
    outcomes: asked === undefined ? undefined : new Set(asked as Outcome[]),
    workload: word('workload'),
    peer: word('peer'),
    port: port === undefined ? undefined : Number(port),
    protocol: word('protocol')?.toUpperCase(),
    text: word('text')?.slice(0, textMax).toLowerCase(),
    everything: query.get('all') === '1',
  }
}

export function matchesRow(flow: Flow, filter: RowFilter): boolean {
  const outcome = outcomeOf(flow)
  if (outcome === undefined) return false
  if (!filter.everything && (flow.is_reply === true || !counts(flow))) return false
  if (filter.outcomes !== undefined && !filter.outcomes.has(outcome)) return false
  if (filter.protocol !== undefined && protocolOf(flow).toUpperCase() !== filter.protocol) return false
  if (filter.port !== undefined && clientAndServer(flow).port !== filter.port) return false
  if (filter.workload !== undefined || filter.peer !== undefined) {
    const ends = [nodeOf(flow.source).id, nodeOf(flow.destination).id]
    if (filter.workload !== undefined && !ends.includes(filter.workload)) return false
    if (filter.peer !== undefined && !ends.includes(filter.peer)) return false
  }
  return filter.text === undefined || contains(flow, filter.text)
}

function contains(flow: Flow, text: string): boolean {
  const has = (value: string | undefined) => value?.toLowerCase().includes(text) === true
  const {source, destination, IP: ip} = flow
  return (
    has(nodeOf(source).name) ||
    has(nodeOf(destination).name) ||
    has(source?.pod_name) ||
    has(destination?.pod_name) ||
    has(ip?.source) ||
    has(ip?.destination) ||
    (flow.source_names ?? []).some(has) ||
    (flow.destination_names ?? []).some(has) ||
    has(flow.destination_service?.name) ||
    has(summaryText(flow)) ||
    has(typeText(flow)) ||
    (outcomeOf(flow) !== 'forwarded' && has(dropText(flow.drop_reason_desc || (flow.drop_reason ?? 0))))
  )
}
