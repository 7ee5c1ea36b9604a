/** Rule sets as the datapath has them: which peers and ports each endpoint's sets allow and deny. */

import type {Endpoint} from '../../../datapath/gen/types.ts'
import type {CompiledPart, CompiledPeer, CompiledSet} from '../../../datapath/maps/policy.ts'
import {formatIdentity, identity} from '../../../model/identity.ts'
import {formatPortRange, protocolLabel} from '../../../model/port.ts'
import {isMember} from '../../../policy/peer-groups.ts'
import {fail} from '../../../runtime/errors.ts'
import {type Row, table} from '../../render/table.ts'
import {clean} from '../../render/text.ts'
import {defaultSocket} from '../agent-client.ts'
import {ENDPOINT_UNKNOWN} from '../errors.ts'
import {listIdentities} from '../identity.ts'
import {closing} from './endpoint.ts'
import {type MapPlace, openMaps} from './map-place.ts'

export interface PolicyEntryRow {
  readonly policy: 'Allow' | 'Deny'
  readonly direction: 'Ingress' | 'Egress'
  /** 0: anybody; undefined: a CIDR class */
  readonly identity: number | undefined
  readonly cidrClass: number | undefined
  readonly labels: readonly string[]
  readonly port: string
  readonly prefix: number
  readonly cookie: number
}

export interface EndpointPolicyMap {
  readonly endpoint: number
  readonly ingressSet: string
  readonly egressSet: string
  readonly entries: readonly PolicyEntryRow[]
}

const closedSet = 0
const openSet = 1

/**
 * The entries of one endpoint, or of all. Labels come from the agent; without one there are numbers.
 *
 * @throws ENDPOINT_UNKNOWN, DATAPATH_NOT_LOADED
 */
export async function readPolicyMaps(
  place: MapPlace,
  id: number | undefined,
  signal: AbortSignal,
): Promise<EndpointPolicyMap[]> {
  const {maps, open} = await openMaps(place)
  const {PolicyTables} = await import('../../../datapath/maps/policy.ts')
  using endpoints = closing(maps.openEndpoints(open))
  using tables = new PolicyTables(open)
  const found = [...endpoints.map.entries()]
    .map(([, row]) => row)
    .filter((row) => row.ifindex !== 0 && (id === undefined || row.id === id))
  if (id !== undefined && found.length === 0) return fail(ENDPOINT_UNKNOWN, {id})
  const sets = tables.readSets()
  const peers = [...tables.readPeers()]
  const labels = await labelsByIdentity(signal)
  return found.map((row) => policyMapOf(row, sets, peers, labels))
}

async function labelsByIdentity(signal: AbortSignal): Promise<ReadonlyMap<number, readonly string[]>> {
  try {
    const all = await listIdentities({host: process.env['CILIUM_SOCK'] ?? defaultSocket, signal}, [])
    return new Map(all.map(({id, labels}) => [id ?? 0, labels ?? []]))
  } catch {
    // the maps are read with the agent down, too
    return new Map()
  }
}

export function policyMapOf(
  {id, ingressSet, egressSet}: Pick<Endpoint, 'id' | 'ingressSet' | 'egressSet'>,
  sets: ReadonlyMap<number, CompiledSet>,
  peers: readonly (CompiledPeer & {readonly groups: Uint8Array})[],
  labels: ReadonlyMap<number, readonly string[]>,
): EndpointPolicyMap {
  const entries = (
    [
      ['Ingress', ingressSet],
      ['Egress', egressSet],
    ] as const
  ).flatMap(([direction, number]) =>
    (sets.get(number)?.parts ?? []).flatMap((part) => partEntries(part, direction, peers, labels)),
  )
  const rank = ({policy, direction, identity: peer, cidrClass}: PolicyEntryRow) =>
    [policy === 'Deny' ? 0 : 1, direction === 'Ingress' ? 0 : 1, peer ?? 2 ** 32 + cidrClass!] as const
  entries.sort((a, b) => {
    const [x, y] = [rank(a), rank(b)]
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
  })
  return {endpoint: id, ingressSet: setName(ingressSet, sets), egressSet: setName(egressSet, sets), entries}
}

function partEntries(
  {rules, entries, ranges}: CompiledPart,
  direction: PolicyEntryRow['direction'],
  peers: readonly (CompiledPeer & {readonly groups: Uint8Array})[],
  labels: ReadonlyMap<number, readonly string[]>,
): PolicyEntryRow[] {
  const ports = [...entries.map((entry) => ({...entry, bits: entry.port === 0 ? 0 : 16})), ...ranges]
  return ports.flatMap(({protocol, port, bits, rules: mask}) =>
    rules.flatMap(({group, verdict, cookie}, index) => {
      if (((mask >> BigInt(index)) & 1n) === 0n) return []
      const row = {
        policy: verdict === 'allow' ? ('Allow' as const) : ('Deny' as const),
        direction,
        port: portText(protocol, port, bits),
        prefix: protocol === 0 ? 0 : 8 + bits,
        cookie,
      }
      if (group === 0) return [{...row, identity: 0, cidrClass: undefined, labels: []}]
      return peers
        .filter(({groups}) => isMember(groups, group))
        .map(({kind, number}) =>
          kind === 'identity'
            ? {...row, identity: number, cidrClass: undefined, labels: labels.get(number) ?? []}
            : {...row, identity: undefined, cidrClass: number, labels: []},
        )
    }),
  )
}

function portText(protocol: number, port: number, bits: number): string {
  if (protocol === 0) return 'ANY'
  const name = protocolLabel(protocol)
  if (bits === 0 && port === 0) return name
  const icmp = protocol === 1 || protocol === 58
  const first = icmp ? port - 1 : port
  return `${formatPortRange({first, last: first + 2 ** (16 - bits) - 1})}/${name}`
}

function setName(number: number, sets: ReadonlyMap<number, CompiledSet>): string {
  if (number === closedSet) return 'closed'
  if (number === openSet) return 'open'
  const set = sets.get(number)
  return set === undefined ? `${number} (missing: closed)` : `${number} (else ${set.fallback.verdict})`
}

/** @param numeric identities by number */
export function policyMapText({entries}: EndpointPolicyMap, numeric: boolean): string {
  const head = ['POLICY', 'DIRECTION', numeric ? 'IDENTITY' : 'LABELS (source:key[=value])']
  const rows: Row[] = [[...head, 'PORT/PROTO', 'PROXY PORT', 'AUTH TYPE', 'BYTES', 'PACKETS', 'PREFIX', 'COOKIE']]
  for (const entry of entries) {
    const {policy, direction, port, prefix, cookie} = entry
    const [first = '', ...more] = peerLines(entry, numeric)
    rows.push([policy, direction, first, port, 'NONE', 'disabled', '-', '-', String(prefix), String(cookie)])
    for (const line of more) rows.push(['', '', line, '', '', '', '', '', '', ''])
  }
  const empty = entries.length === 0 ? 'Policy stats empty. Perhaps the policy enforcement is disabled?\n' : ''
  return table(rows) + empty
}

function peerLines({identity: peer, cidrClass, labels}: PolicyEntryRow, numeric: boolean): string[] {
  if (peer === undefined) return [`cidr-class:${cidrClass}`]
  if (numeric) return [String(peer)]
  if (peer === 0) return ['ANY']
  return labels.length > 0 ? labels.map(clean) : [formatIdentity(identity(peer))]
}

/** With several endpoints each is headed by its number. */
export function policyMapsText(
  maps: readonly EndpointPolicyMap[],
  {numeric, all}: {numeric: boolean; all: boolean},
): string {
  if (!all) return maps.map((one) => policyMapText(one, numeric)).join('')
  return maps.map((one) => `Endpoint ID: ${one.endpoint}\n\n${policyMapText(one, numeric)}\n\n`).join('')
}

export function policySetsText(maps: readonly EndpointPolicyMap[]): string {
  return table([
    ['ENDPOINT', 'INGRESS SET', 'EGRESS SET', 'ENTRIES'],
    ...maps.map(({endpoint, ingressSet, egressSet, entries}) => [
      ...[String(endpoint), ingressSet, egressSet, String(entries.length)],
    ]),
  ])
}
