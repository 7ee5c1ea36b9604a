/** Neighbours: which Ethernet address an IP address has on a device (RTM_*NEIGH). */
import {Ip, type IpFamily} from '../../model/ip.ts'
import {Mac} from '../../model/mac.ts'
import {Attributes, BodyWriter, families, messageFlags, messageTypes, type NetlinkRequest} from './codec.ts'
import type {NetlinkSocket} from './socket.ts'

const attribute = {destination: 1, linkAddress: 2} as const
const neighbourHeader = 12

export const neighbourStates = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noArp: 0x40,
  permanent: 0x80,
} as const

export interface Neighbour {
  readonly ifindex: number
  readonly ip: Ip
  readonly mac: Mac
}

function write(neighbour: {ifindex: number; ip: Ip; mac?: Mac}, state: number): Uint8Array {
  const body = new BodyWriter(neighbourHeader)
  body.header.setUint8(0, families[`v${neighbour.ip.family}`])
  body.header.setInt32(4, neighbour.ifindex, true)
  body.header.setUint16(8, state, true)
  body.bytes(attribute.destination, neighbour.ip.toBytes())
  if (neighbour.mac) body.bytes(attribute.linkAddress, neighbour.mac.toBytes())
  return body.finish()
}

/** Adds or changes a permanent neighbour: it is never asked for and never expires. */
export function neighbourReplace(neighbour: Neighbour): NetlinkRequest {
  return {
    type: messageTypes.newNeighbour,
    flags: messageFlags.create | messageFlags.replace,
    body: write(neighbour, neighbourStates.permanent),
    operation: `add neighbour ${neighbour.ip} on device ${neighbour.ifindex}`,
  }
}

/** @throws from the request: ENOENT */
export function neighbourDelete(neighbour: {readonly ifindex: number; readonly ip: Ip}): NetlinkRequest {
  return {
    type: messageTypes.delNeighbour,
    flags: 0,
    body: write({ifindex: neighbour.ifindex, ip: neighbour.ip}, 0),
    operation: `delete neighbour ${neighbour.ip} on device ${neighbour.ifindex}`,
  }
}

export interface ListedNeighbour {
  readonly ifindex: number
  readonly ip: Ip
  /** undefined while it is being asked for, or when nobody answered */
  readonly mac: Mac | undefined
  /** a number of neighbourStates */
  readonly state: number
}

function readNeighbour(body: DataView): ListedNeighbour | undefined {
  const family = body.getUint8(0)
  if (family !== families.v4 && family !== families.v6) return undefined
  const attributes = new Attributes(body, neighbourHeader)
  const ip = attributes.bytes(attribute.destination)
  const mac = attributes.bytes(attribute.linkAddress)
  if (!ip) return undefined
  return {
    ifindex: body.getInt32(4, true),
    ip: Ip.fromBytes(ip),
    mac: mac?.length === 6 ? Mac.fromBytes(mac) : undefined,
    state: body.getUint16(8, true),
  }
}

/** Neighbours of one family, of all devices or one. */
export function listNeighbours(socket: NetlinkSocket, family: IpFamily, ifindex = 0): ListedNeighbour[] {
  const body = new BodyWriter(neighbourHeader)
  body.header.setUint8(0, families[`v${family}`])
  const device = 8
  if (ifindex !== 0) body.u32(device, ifindex)
  return socket.dump(
    {type: messageTypes.getNeighbour, flags: 0, body: body.finish(), operation: 'list neighbours'},
    readNeighbour,
  )
}
