/** Addresses of devices (RTM_*ADDR). */
import {Ip} from '../../model/ip.ts'
import {Attributes, BodyWriter, families, messageFlags, messageTypes, type NetlinkRequest} from './codec.ts'
import type {NetlinkSocket} from './socket.ts'

const attribute = {address: 1, local: 2, broadcast: 4, flags: 8} as const
const addressHeader = 8
const IFA_F_NODAD = 0x02
const IFA_F_TENTATIVE = 0x40
const IFA_F_NOPREFIXROUTE = 0x200

/** How far an address or route reaches. */
export const scopes = {universe: 0, site: 200, link: 253, host: 254} as const
export type Scope = keyof typeof scopes

export interface DeviceAddress {
  readonly ifindex: number
  readonly ip: Ip
  readonly prefixLength: number
  readonly scope?: Scope
  /** false: the kernel makes no route to the prefix */
  readonly prefixRoute?: boolean
}

function write(address: DeviceAddress): Uint8Array {
  const body = new BodyWriter(addressHeader)
  body.header.setUint8(0, families[`v${address.ip.family}`])
  body.header.setUint8(1, address.prefixLength)
  body.header.setUint8(3, scopes[address.scope ?? 'universe'])
  body.header.setUint32(4, address.ifindex, true)
  // an address that we give is nobody else's: usable at once, without duplicate address detection
  const flags = (address.ip.family === 6 ? IFA_F_NODAD : 0) | (address.prefixRoute === false ? IFA_F_NOPREFIXROUTE : 0)
  body.bytes(attribute.local, address.ip.toBytes()).bytes(attribute.address, address.ip.toBytes())
  if (flags !== 0) body.u32(attribute.flags, flags)
  return body.finish()
}

/** Adds an address, or changes the flags of one that is there. */
export function addressReplace(address: DeviceAddress): NetlinkRequest {
  return {
    type: messageTypes.newAddress,
    flags: messageFlags.create | messageFlags.replace,
    body: write(address),
    operation: `add address ${address.ip}/${address.prefixLength} to device ${address.ifindex}`,
  }
}

/** @throws from the request: EADDRNOTAVAIL when it is not there */
export function addressDelete(address: DeviceAddress): NetlinkRequest {
  return {
    type: messageTypes.delAddress,
    flags: 0,
    body: write(address),
    operation: `delete address ${address.ip}/${address.prefixLength} from device ${address.ifindex}`,
  }
}

export interface ListedAddress {
  readonly ifindex: number
  readonly ip: Ip
  readonly prefixLength: number
  /** a number of scopes, or another that somebody chose */
  readonly scope: number
  /** not usable yet: duplicate address detection goes on */
  readonly tentative: boolean
}

/** Reads an address from a message of type newAddress or delAddress; undefined for other families. */
export function readAddress(body: DataView): ListedAddress | undefined {
  const family = body.getUint8(0)
  if (family !== families.v4 && family !== families.v6) return undefined
  const attributes = new Attributes(body, addressHeader)
  // point-to-point links name the other end in `address`
  const ip = attributes.bytes(attribute.local) ?? attributes.bytes(attribute.address)
  if (!ip) return undefined
  const flags = attributes.u32(attribute.flags) ?? body.getUint8(2)
  return {
    ifindex: body.getUint32(4, true),
    ip: Ip.fromBytes(ip),
    prefixLength: body.getUint8(1),
    scope: body.getUint8(3),
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
  }
}

/** Addresses of both families, of all devices or one. */
export function listAddresses(socket: NetlinkSocket, ifindex = 0): ListedAddress[] {
  const body = new BodyWriter(addressHeader)
  body.header.setUint32(4, ifindex, true)
  return socket.dump(
    {type: messageTypes.getAddress, flags: 0, body: body.finish(), operation: 'list addresses'},
    readAddress,
  )
}
