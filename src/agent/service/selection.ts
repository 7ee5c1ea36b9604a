/** Which endpoints answer a service's port. Pure. */
import type {IpFamily} from '../../model/ip.ts'
import type {EndpointSliceRow, FrontendBackend, Selection, ServicePortRow, SliceEndpoint} from './rows.ts'

/** Of this node, what decides. */
export interface Place {
  readonly node: string
  readonly zone: string | undefined
}

interface Candidate {
  readonly endpoint: SliceEndpoint
  readonly backend: FrontendBackend
}

/** Every endpoint that has this port, one for each address and port. Of an address in two slices the readier counts. */
export function candidates(
  slices: readonly EndpointSliceRow[],
  port: ServicePortRow,
  family: IpFamily,
): readonly Candidate[] {
  const found = new Map<string, Candidate & {readonly key: string}>()
  for (const slice of slices) {
    if (slice.family !== family) continue
    const target = slice.ports.find(({name, protocol}) => name === port.name && protocol === port.protocol)
    if (target === undefined) continue
    for (const endpoint of slice.endpoints) {
      const backend: FrontendBackend = {
        ip: endpoint.ip,
        port: target.port ?? port.port,
        protocol: port.protocol,
        node: endpoint.node,
        zone: endpoint.zone,
      }
      const key = `${endpoint.ip}:${backend.port}`
      const before = found.get(key)
      if (before === undefined || readiness(endpoint) > readiness(before.endpoint))
        found.set(key, {key, endpoint, backend})
    }
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
}

function readiness({ready, serving, terminating}: SliceEndpoint): number {
  return ready && !terminating ? 2 : serving ? 1 : 0
}

/**
 * Who gets new connections, and who only keeps the old. Rules, in this order:
 * 1 with a policy of Local, endpoints of this node alone count;
 * 2 else, where hints are heard, those hinted to this node, else those hinted to its zone, when every ready endpoint
 *   has such a hint and at least one matches;
 * 3 ready ones get new connections; 4 when there are none, those that are terminating but still serve;
 * 5 whoever gets none keeps the connections it has for as long as the endpoint exists, ready or not; datagrams, which
 *   nobody acknowledges, only as long as it serves: their clients are to find another.
 */
export function select(
  all: readonly Candidate[],
  options: {readonly local: boolean; readonly hints: boolean; readonly place: Place; readonly connected: boolean},
): Selection {
  const {local, hints, place, connected} = options
  const here = local ? all.filter(({endpoint}) => endpoint.node === place.node) : all
  const ready = here.filter(({endpoint}) => endpoint.ready && !endpoint.terminating)
  const leaving = here.filter(({endpoint}) => endpoint.serving && endpoint.terminating)
  const near = local || !hints ? ready : nearest(ready, place)
  const active = near.length > 0 ? near : leaving
  if (active.length === all.length) return {active: active.map(({backend}) => backend), terminating: none}
  const keep = new Set(active)
  const rest = here.filter((one) => !keep.has(one) && (connected || one.endpoint.serving || one.endpoint.ready))
  return {active: active.map(({backend}) => backend), terminating: rest.map(({backend}) => backend)}
}

const none: readonly FrontendBackend[] = []

function nearest(ready: readonly Candidate[], {node, zone}: Place): readonly Candidate[] {
  if (ready.length > 0 && ready.every(({endpoint}) => endpoint.forNodes.length > 0)) {
    const same = ready.filter(({endpoint}) => endpoint.forNodes.includes(node))
    if (same.length > 0) return same
  }
  if (zone && ready.every(({endpoint}) => endpoint.forZones.length > 0)) {
    const same = ready.filter(({endpoint}) => endpoint.forZones.includes(zone))
    if (same.length > 0) return same
  }
  return ready
}
