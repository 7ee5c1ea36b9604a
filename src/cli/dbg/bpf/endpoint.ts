import type {Endpoint} from '../../../datapath/gen/types.ts'
import {Ip} from '../../../model/ip.ts'
import {Mac} from '../../../model/mac.ts'
import {table} from '../../render/table.ts'
import {type KeyedText, keyedText, type MapPlace, openMaps} from './map-place.ts'

/** address_flags of bpf/abi/address.h: an address of this node itself */
const localHost = 1

/** The endpoints as the datapath has them, by address; the node's own addresses as well. */
export async function readEndpoints(place: MapPlace): Promise<KeyedText> {
  const {maps, open} = await openMaps(place)
  using endpoints = closing(maps.openEndpoints(open))
  using addresses = closing(maps.openAddresses(open))
  const rows: (readonly [string, string])[] = []
  for (const [slot, endpoint] of endpoints.map.entries()) {
    if (endpoint.ifindex !== 0) rows.push(...endpointRows(slot, endpoint))
  }
  for (const [cidr, {flags}] of addresses.map.entries()) {
    if ((flags & localHost) !== 0) rows.push([cidr.network.toString(), '(localhost)'])
  }
  return keyedText(rows.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** One row for each address of an endpoint. */
export function endpointRows(_slot: number, endpoint: Endpoint): (readonly [string, string])[] {
  const {id, identity, flags, ifindex, mac, nodeMac, v4, v6} = endpoint
  const info = [
    `id=${id}`,
    `sec_id=${identity}`,
    `flags=0x${flags.toString(16).padStart(4, '0')}`,
    `ifindex=${ifindex}`,
    `mac=${Mac.fromBytes(mac)}`,
    `nodemac=${Mac.fromBytes(nodeMac)}`,
  ].join(' ')
  return [v4, v6]
    .filter((bytes) => bytes.some((byte) => byte !== 0))
    .map((bytes) => [Ip.fromBytes(bytes).toString(), info] as const)
}

export function endpointText(endpoints: KeyedText): string {
  const rows = Object.entries(endpoints).flatMap(([address, infos]) => infos.map((info) => [address, info]))
  return table([['IP ADDRESS', 'LOCAL ENDPOINT INFO'], ...rows])
}

/** Ties a map's end to a block. */
export function closing<M extends {close(): void}>(map: M): {readonly map: M} & Disposable {
  return {map, [Symbol.dispose]: () => map.close()}
}
