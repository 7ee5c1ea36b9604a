import type {Address} from '../../../datapath/gen/types.ts'
import {Cidr} from '../../../model/cidr.ts'
import {Ip} from '../../../model/ip.ts'
import {declareErrors, fail} from '../../../runtime/errors.ts'
import {declareUsageErrors} from '../../errors.ts'
import {table} from '../../render/table.ts'
import {closing} from './endpoint.ts'
import {type KeyedText, keyedText, type MapPlace, openMaps} from './map-place.ts'

const {ADDRESS_INVALID} = declareUsageErrors({
  ADDRESS_INVALID: {what: '"{text}" is no {what}', advice: 'write an address such as 10.0.1.5, or a prefix 10.0.0.0/8'},
})

const {ADDRESS_WITHOUT_IDENTITY} = declareErrors({
  ADDRESS_WITHOUT_IDENTITY: {
    what: '{text} does not map to any identity',
    advice: 'cilium-dbg bpf ipcache list shows all addresses that do',
  },
})

type AddressRow = readonly [Cidr, Address]

/** All addresses and prefixes with their identity. */
export async function readIpcache(place: MapPlace): Promise<KeyedText> {
  const rows = await readRows(place)
  return keyedText(rows.map(([cidr, address]) => [cidr.toString(), addressText(address)]))
}

/** What an address belongs to: the longest prefix that contains it. @throws ADDRESS_WITHOUT_IDENTITY */
export async function findIdentity(place: MapPlace, text: string): Promise<string> {
  const ip = Ip.parse(text) ?? fail(ADDRESS_INVALID, {text, what: 'address'})
  const row = longestMatch(await readRows(place), ip) ?? fail(ADDRESS_WITHOUT_IDENTITY, {text})
  return `${text} maps to identity ${addressText(row[1])}`
}

/** The row of exactly this prefix. @throws ADDRESS_WITHOUT_IDENTITY */
export async function matchPrefix(place: MapPlace, text: string): Promise<string> {
  const wanted = Cidr.parseOrHost(text) ?? fail(ADDRESS_INVALID, {text, what: 'prefix'})
  const row = (await readRows(place)).find(([cidr]) => cidr.toString() === wanted.toString())
  if (row === undefined) return fail(ADDRESS_WITHOUT_IDENTITY, {text})
  return `key ${wanted} has value "${addressText(row[1])}"`
}

export function longestMatch(rows: readonly AddressRow[], ip: Ip): AddressRow | undefined {
  let best: AddressRow | undefined
  for (const row of rows) {
    if (row[0].contains(ip) && (best === undefined || row[0].length > best[0].length)) best = row
  }
  return best
}

async function readRows(place: MapPlace): Promise<AddressRow[]> {
  const {maps, open} = await openMaps(place)
  using addresses = closing(maps.openAddresses(open))
  const rows = [...addresses.map.entries()]
  return rows.sort(([a], [b]) => (a.toString() < b.toString() ? -1 : 1))
}

/** The value of an address in the words that existing tools read. */
export function addressText({identity, tunnel}: Address): string {
  const hasTunnel = tunnel.some((byte) => byte !== 0)
  const endpoint = hasTunnel ? Ip.fromBytes(tunnel) : undefined
  const flags = [...(hasTunnel ? ['hastunnel'] : []), ...(endpoint?.family === 6 ? ['ipv6tunnel'] : [])]
  return [
    `identity=${identity}`,
    'encryptkey=0',
    `tunnelendpoint=${endpoint ?? '0.0.0.0'}`,
    `flags=${flags.length === 0 ? '<none>' : flags.join(',')}`,
  ].join(' ')
}

export function ipcacheText(ipcache: KeyedText): string {
  const rows = Object.entries(ipcache).flatMap(([prefix, values]) => values.map((value) => [prefix, value, '']))
  return table([['IP PREFIX/ADDRESS', 'IDENTITY'], ...rows])
}
