/** Making and changing endpoint rows. Pure. */
import type {EndpointState} from '../../model/endpoint-state.ts'
import type {Identity} from '../../model/identity.ts'
import type {PodLabels} from '../identity/pod-identity.ts'
import type {EndpointRow} from '../state/rows.ts'

/** How many changes of state an endpoint remembers. */
const logLength = 16

/** The row in another state, the change noted. The same state and message change nothing. */
export function inState(
  row: EndpointRow,
  state: EndpointState,
  at: number,
  message: string,
  options: {readonly ok?: boolean} = {},
): EndpointRow {
  const last = row.log.at(-1)
  if (row.state === state && last?.message === message) return row
  const entry = {at, state, ok: options.ok ?? true, message}
  return {...row, state, log: [...row.log.slice(1 - logLength), entry]}
}

/** The row with its identity known: ready. */
export function withIdentity(row: EndpointRow, labels: PodLabels, identity: Identity, at: number): EndpointRow {
  const known: EndpointRow = {...row, labels: labels.relevant, allLabels: labels.all, identity}
  return inState(known, 'ready', at, `identity ${identity}`)
}

/** `container:eth0` */
export function attachmentOf(row: {readonly containerId: string; readonly ifname: string}): string {
  return `${row.containerId}:${row.ifname}`
}
