/** Network devices: making, changing, listing (RTM_*LINK). */
import {Mac} from '../../model/mac.ts'
import {isErrno} from '../errors.ts'
import {Attributes, BodyWriter, families, messageFlags, messageTypes, type NetlinkRequest} from './codec.ts'
import type {NetlinkSocket} from './socket.ts'

const attribute = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  txQueueLength: 13,
  operState: 16,
  linkInfo: 18,
  alias: 20,
  afSpec: 26,
  netnsFd: 28,
  extMask: 29,
  numTxQueues: 31,
  numRxQueues: 32,
  linkNetnsId: 37,
  gsoMaxSize: 41,
  xdp: 43,
} as const
const infoKind = 1
const infoData = 2
const vethPeer = 1
const vxlan = {learning: 7, port: 15, udpChecksum: 18, zeroChecksumTx6: 19, zeroChecksumRx6: 20, collectMetadata: 25}
const inet6AddrGenMode = 8
const xdpFd = 1
const xdpFlags = 3
const XDP_FLAGS_DRV_MODE = 1 << 2
const skipStatistics = 8

const linkHeader = 16
const IFF_UP = 1
const IFF_LOOPBACK = 8
const IFF_NOARP = 0x80
const IFF_LOWER_UP = 0x10000

/** What every device can be given when it is made. */
export interface DeviceAttributes {
  readonly name: string
  /** chosen by the kernel when absent. @throws EEXIST from the request when taken */
  readonly ifindex?: number
  readonly mtu?: number
  readonly mac?: Mac
  /** descriptor of the namespace in which the device is made */
  readonly netns?: number
  readonly txQueues?: number
  readonly rxQueues?: number
}

/** What may be said of a new device that has no peer yet: a veth's peer cannot be up before both ends are made. */
export interface NewDevice extends DeviceAttributes {
  readonly up?: boolean
}

export type DeviceKind =
  | {readonly kind: 'veth'; readonly peer: DeviceAttributes}
  | {readonly kind: 'bridge'}
  | {
      readonly kind: 'vxlan'
      /** UDP port */
      readonly port: number
      /** the tunnel's id and remote come from each packet's metadata */
      readonly external: true
    }
  /** any other that needs no parameters, e.g. ifb, dummy */
  | {readonly kind: 'plain'; readonly type: string}

/** Makes a device; a veth with both ends under their final names, in their namespaces, in this one message. */
export function linkAdd(device: NewDevice & DeviceKind): NetlinkRequest {
  const body = new BodyWriter(linkHeader)
  writeHeader(body.header, device)
  writeAttributes(body, device)
  body.nest(attribute.linkInfo, () => {
    body.text(infoKind, device.kind === 'plain' ? device.type : device.kind)
    if (device.kind === 'veth')
      body.nest(infoData, () =>
        body.nest(
          vethPeer,
          () => writeAttributes(body, device.peer),
          linkHeader,
          (view) => writeHeader(view, device.peer),
        ),
      )
    if (device.kind === 'vxlan')
      body.nest(infoData, () =>
        body
          .u8(vxlan.collectMetadata, 1)
          .u8(vxlan.learning, 0)
          .be16(vxlan.port, device.port)
          .u8(vxlan.udpChecksum, 0)
          .u8(vxlan.zeroChecksumTx6, 1)
          .u8(vxlan.zeroChecksumRx6, 1),
      )
  })
  return {
    type: messageTypes.newLink,
    flags: messageFlags.create | messageFlags.exclusive,
    body: body.finish(),
    operation: `add device ${device.name}`,
  }
}

function writeHeader(view: DataView, device: NewDevice): void {
  view.setInt32(4, device.ifindex ?? 0, true)
  if (device.up) {
    view.setUint32(8, IFF_UP, true)
    view.setUint32(12, IFF_UP, true)
  }
}

function writeAttributes(body: BodyWriter, device: DeviceAttributes): void {
  body.text(attribute.name, device.name)
  if (device.mtu !== undefined) body.u32(attribute.mtu, device.mtu)
  if (device.mac) body.bytes(attribute.address, device.mac.toBytes())
  if (device.netns !== undefined) body.u32(attribute.netnsFd, device.netns)
  if (device.txQueues !== undefined) body.u32(attribute.numTxQueues, device.txQueues)
  if (device.rxQueues !== undefined) body.u32(attribute.numRxQueues, device.rxQueues)
}

function writeLinkLocal(body: BodyWriter, linkLocal: boolean): void {
  const [eui64, none] = [0, 1]
  body.nest(attribute.afSpec, () => body.nest(families.v6, () => body.u8(inet6AddrGenMode, linkLocal ? eui64 : none)))
}

export interface LinkChange {
  readonly up?: boolean
  readonly name?: string
  readonly mtu?: number
  readonly mac?: Mac
  /** descriptor of the namespace to move it to */
  readonly netns?: number
  /** bridge to join; 0 leaves it */
  readonly master?: number
  readonly alias?: string
  /** false: the kernel gives it no IPv6 link-local address when it comes up; takes effect before the next `up` only */
  readonly linkLocal?: boolean
  /** false: neighbours are not asked for and do not ask (NOARP) */
  readonly neighbours?: boolean
  readonly txQueueLength?: number
  /** bytes of the largest packet handed to the device for splitting */
  readonly gsoMaxSize?: number
  /** descriptor of an XDP program for its driver, which keeps it */
  readonly xdp?: number
}

/**
 * Changes a device. The kernel takes `up` before `linkLocal`: send two requests when both change.
 *
 * @throws from the request: ENODEV
 */
export function linkSet(ifindex: number, change: LinkChange): NetlinkRequest {
  const body = new BodyWriter(linkHeader)
  body.header.setInt32(4, ifindex, true)
  const flags = (change.up ? IFF_UP : 0) | (change.neighbours === false ? IFF_NOARP : 0)
  const changed = (change.up === undefined ? 0 : IFF_UP) | (change.neighbours === undefined ? 0 : IFF_NOARP)
  body.header.setUint32(8, flags, true)
  body.header.setUint32(12, changed, true)
  if (change.name !== undefined) body.text(attribute.name, change.name)
  if (change.mtu !== undefined) body.u32(attribute.mtu, change.mtu)
  if (change.mac) body.bytes(attribute.address, change.mac.toBytes())
  if (change.netns !== undefined) body.u32(attribute.netnsFd, change.netns)
  if (change.master !== undefined) body.u32(attribute.master, change.master)
  if (change.alias !== undefined) body.text(attribute.alias, change.alias)
  if (change.txQueueLength !== undefined) body.u32(attribute.txQueueLength, change.txQueueLength)
  if (change.gsoMaxSize !== undefined) body.u32(attribute.gsoMaxSize, change.gsoMaxSize)
  if (change.xdp !== undefined) {
    const program = change.xdp
    body.nest(attribute.xdp, () => body.u32(xdpFd, program).u32(xdpFlags, XDP_FLAGS_DRV_MODE))
  }
  if (change.linkLocal !== undefined) writeLinkLocal(body, change.linkLocal)
  return {type: messageTypes.newLink, flags: 0, body: body.finish(), operation: `change device ${ifindex}`}
}

/** Deletes a device, and with a veth its peer. @throws from the request: ENODEV */
export function linkDelete(ifindex: number): NetlinkRequest {
  const body = new BodyWriter(linkHeader)
  body.header.setInt32(4, ifindex, true)
  return {type: messageTypes.delLink, flags: 0, body: body.finish(), operation: `delete device ${ifindex}`}
}

export interface Link {
  readonly ifindex: number
  readonly name: string
  /** veth, vxlan, bridge, ...; '' for loopback and hardware */
  readonly kind: string
  readonly mtu: number
  /** undefined for devices without Ethernet addresses */
  readonly mac: Mac | undefined
  /** set up by its owner */
  readonly up: boolean
  /** a signal from the other side, too */
  readonly running: boolean
  readonly loopback: boolean
  /** neighbours are asked for (not NOARP) */
  readonly neighbours: boolean
  /** the bridge it belongs to, 0 for none */
  readonly master: number
  /** of a veth its peer's index (in the peer's namespace), of others the device below; 0 for none */
  readonly lower: number
  readonly alias: string
  /** hardware type, include/uapi/linux/if_arp.h: 1 Ethernet */
  readonly hardware: number
  readonly vxlan: {readonly port: number; readonly external: boolean} | undefined
  readonly txQueues: number
  readonly rxQueues: number
}

/** Reads a device from a message of type newLink or delLink. */
export function readLink(body: DataView): Link {
  const attributes = new Attributes(body, linkHeader)
  const flags = body.getUint32(8, true)
  const info = attributes.nested(attribute.linkInfo)
  const kind = info?.text(infoKind) ?? ''
  const address = attributes.bytes(attribute.address)
  const data = kind === 'vxlan' ? info?.nested(infoData) : undefined
  return {
    ifindex: body.getInt32(4, true),
    name: attributes.text(attribute.name) ?? '',
    kind,
    mtu: attributes.u32(attribute.mtu) ?? 0,
    mac: address?.length === 6 ? Mac.fromBytes(address) : undefined,
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_LOWER_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    neighbours: (flags & IFF_NOARP) === 0,
    master: attributes.u32(attribute.master) ?? 0,
    lower: attributes.u32(attribute.link) ?? 0,
    alias: attributes.text(attribute.alias) ?? '',
    hardware: body.getUint16(2, true),
    vxlan: data && {
      port: data.be16(vxlan.port) ?? 0,
      external: (data.u8(vxlan.collectMetadata) ?? 0) !== 0,
    },
    txQueues: attributes.u32(attribute.numTxQueues) ?? 1,
    rxQueues: attributes.u32(attribute.numRxQueues) ?? 1,
  }
}

/** All devices of the socket's namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const body = new BodyWriter(linkHeader).u32(attribute.extMask, skipStatistics).finish()
  return socket.dump({type: messageTypes.getLink, flags: 0, body, operation: 'list devices'}, readLink)
}

/** A device by name or index, undefined when there is none. */
export function findLink(socket: NetlinkSocket, which: string | number): Link | undefined {
  const body = new BodyWriter(linkHeader)
  if (typeof which === 'number') body.header.setInt32(4, which, true)
  else body.text(attribute.name, which)
  body.u32(attribute.extMask, skipStatistics)
  try {
    const request = {type: messageTypes.getLink, flags: 0, body: body.finish(), operation: `find device ${which}`}
    return readLink(socket.ask(request).body)
  } catch (thrown) {
    if (isErrno(thrown, 'ENODEV')) return undefined
    throw thrown
  }
}
