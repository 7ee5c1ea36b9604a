/** Frames as they are, out of one device. */
import {bindSocket, closeFd, openSocket, sendBytes, setSocketBytes} from './libc.ts'

const AF_PACKET = 17
const AF_INET6 = 10
const SOCK_RAW = 3
const SOCK_DGRAM = 2
const IPPROTO_IPV6 = 41
const IPV6_JOIN_GROUP = 20

/** A socket that only sends. */
export interface PacketSocket {
  /** @param frame from the link-layer header on. @throws KernelError */
  send(frame: Uint8Array): void
  close(): void
}

export function openPacketSocket(ifindex: number): PacketSocket {
  // protocol 0: nothing is received
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0, 'open a packet socket')
  const address = new Uint8Array(20)
  const view = new DataView(address.buffer)
  view.setUint16(0, AF_PACKET, true)
  view.setInt32(4, ifindex, true)
  try {
    bindSocket(fd, address, `bind a packet socket to device ${ifindex}`)
  } catch (thrown) {
    closeFd(fd)
    throw thrown
  }
  return {
    send: (frame) => void sendBytes(fd, frame, frame.byteLength, `send a frame to device ${ifindex}`),
    close: () => closeFd(fd),
  }
}

/**
 * Lets a device take frames of a multicast group, which its filter may drop otherwise.
 *
 * @param group 16 bytes, network byte order. @returns leaves the group
 */
export function joinGroup(ifindex: number, group: Uint8Array): () => void {
  const fd = openSocket(AF_INET6, SOCK_DGRAM, 0, 'open a socket')
  const request = new Uint8Array(20)
  request.set(group)
  new DataView(request.buffer).setInt32(16, ifindex, true)
  try {
    setSocketBytes(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request, `join a multicast group on device ${ifindex}`)
  } catch (thrown) {
    closeFd(fd)
    throw thrown
  }
  return () => closeFd(fd)
}
