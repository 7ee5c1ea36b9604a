/** CiliumEndpoints → rows: which identity has which address where. */
import {identity} from '../../model/identity.ts'
import type {RemoteEndpointRow} from '../state/rows.ts'
import {ips, list, type Metadata} from './object.ts'
import {isPort} from './service.ts'

export interface CiliumEndpointObject {
  readonly metadata?: Metadata
  readonly status?: {
    readonly identity?: {readonly id?: number}
    readonly networking?: {
      readonly addressing?: readonly {readonly ipv4?: string; readonly ipv6?: string}[] | null
      readonly node?: string
    }
    readonly 'named-ports'?:
      | readonly {readonly name?: string; readonly port?: number; readonly protocol?: string}[]
      | null
  }
}

/** @returns undefined when it has no identity or address yet */
export function remoteEndpointRow({metadata, status}: CiliumEndpointObject): RemoteEndpointRow | undefined {
  const number = status?.identity?.id
  const own = ips(list(status?.networking?.addressing).flatMap(({ipv4, ipv6}) => [ipv4, ipv6]))
  if (number === undefined || !Number.isInteger(number) || number <= 0 || number > 0xffffff || own.length === 0) {
    return undefined
  }
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    identity: identity(number),
    ips: own,
    nodeIp: ips([status?.networking?.node])[0],
    namedPorts: list(status?.['named-ports']).flatMap(({name, port, protocol}) =>
      typeof name === 'string' && isPort(port) ? [{name, port, protocol: protocol ?? 'TCP'}] : [],
    ),
  }
}
