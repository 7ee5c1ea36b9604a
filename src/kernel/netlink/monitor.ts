/**
 * What changes in the network namespace: devices, addresses, routes, neighbours. A change may be missed when they come
 * faster than they are read: the kernel says so, and the listener must list anew.
 */

import {KernelError} from '../errors.ts'
import {bindSocket, closeFd, openSocket, receiveBytes, setSocketOption, watchReadable} from '../libc.ts'
import {type ListedAddress, readAddress} from './address.ts'
import {families, messageTypes, type NetlinkMessage, readMessages} from './codec.ts'
import {type Link, readLink} from './link.ts'
import {type ListedRoute, readRoute} from './route.ts'

export type NetworkChange =
  | {readonly type: 'link'; readonly gone: boolean; readonly link: Link}
  | {readonly type: 'address'; readonly gone: boolean; readonly address: ListedAddress}
  | {readonly type: 'route'; readonly gone: boolean; readonly route: ListedRoute}
  /** changes were missed: list again */
  | {readonly type: 'overrun'}

/** Groups of RTNLGRP as bits of the socket address. */
const groups = {link: 0x1, address: 0x10 | 0x100, route: 0x40 | 0x400} as const
export type MonitorGroup = keyof typeof groups

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
const MSG_DONTWAIT = 0x40
const EAGAIN = 11
const ENOBUFS = 105
const receiveBufferBytes = 4 << 20
/** receives of one wake-up: other work gets its turn */
const receivesPerTurn = 64

/**
 * Watches the namespace where the calling thread is.
 *
 * @param listener is called for each change, in order; what it throws is not caught here
 * @returns a function that ends the watching
 */
export function watchNetwork(what: readonly MonitorGroup[], listener: (change: NetworkChange) => void): () => void {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, 0, 'open netlink monitor')
  let stopWatching: () => void
  const buffer = new Uint8Array(1 << 16)
  try {
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes, 'set up netlink monitor')
    const address = new DataView(new ArrayBuffer(12))
    address.setUint16(0, AF_NETLINK, true)
    address.setUint32(
      8,
      what.reduce((bits, group) => bits | groups[group], 0),
      true,
    )
    bindSocket(fd, new Uint8Array(address.buffer), 'subscribe to network changes')
    stopWatching = watchReadable(fd, () => drain(fd, buffer, listener))
  } catch (thrown) {
    closeFd(fd)
    throw thrown
  }
  let open = true
  return () => {
    if (!open) return
    open = false
    stopWatching()
    closeFd(fd)
  }
}

function drain(fd: number, buffer: Uint8Array, listener: (change: NetworkChange) => void): void {
  for (let i = 0; i < receivesPerTurn; i++) {
    const length = receiveBytes(fd, buffer, MSG_DONTWAIT)
    if (length === -EAGAIN) return
    if (length === -ENOBUFS) {
      listener({type: 'overrun'})
      continue
    }
    if (length < 0) throw new KernelError(-length, 'read network changes')
    for (const message of readMessages(buffer.subarray(0, length))) {
      const change = readChange(message)
      if (change) listener(change)
    }
  }
}

function readChange({type, body}: NetlinkMessage): NetworkChange | undefined {
  switch (type) {
    case messageTypes.newLink:
    case messageTypes.delLink:
      // bridges tell of their ports in messages of another form
      if (body.getUint8(0) !== families.unspecified) return undefined
      return {type: 'link', gone: type === messageTypes.delLink, link: readLink(body)}
    case messageTypes.newAddress:
    case messageTypes.delAddress: {
      const address = readAddress(body)
      return address && {type: 'address', gone: type === messageTypes.delAddress, address}
    }
    case messageTypes.newRoute:
    case messageTypes.delRoute: {
      const route = readRoute(body)
      return route && {type: 'route', gone: type === messageTypes.delRoute, route}
    }
    default:
      return undefined
  }
}
