/** Sockets of a network namespace: listing and closing them (sock_diag, include/uapi/linux/inet_diag.h). */
import {Ip} from '../../model/ip.ts'
import {families, type NetlinkRequest} from './codec.ts'
import {type NetlinkSocket, protocols} from './socket.ts'

/** The netlink protocol that a socket for these requests is opened with. */
export const sockDiag = protocols.sockDiag

const SOCK_DIAG_BY_FAMILY = 20
const SOCK_DESTROY = 21
const requestBytes = 56
/** of the identity of a socket in requests and in answers */
const idBytes = 48
const idInRequest = 8
const idInAnswer = 4
const allStates = 0xffff_ffff

export interface InetSocket {
  readonly family: 4 | 6
  /** IPPROTO_TCP, IPPROTO_UDP */
  readonly protocol: number
  readonly destination: Ip
  readonly destinationPort: number
  readonly cookie: bigint
  /** as the kernel names it */
  readonly id: Uint8Array
}

/** All sockets of a family and protocol in the namespace of `netlink`. @throws KernelError */
export function listSockets(netlink: NetlinkSocket, family: 4 | 6, protocol: number): InetSocket[] {
  const request = requestFor(SOCK_DIAG_BY_FAMILY, family, protocol, 'list sockets')
  return netlink.dump(request, (body) => {
    const id = new Uint8Array(body.buffer, body.byteOffset + idInAnswer, idBytes).slice()
    const view = new DataView(id.buffer)
    return {
      family,
      protocol,
      destination: Ip.fromBytes(id.subarray(20, family === 4 ? 24 : 36)),
      destinationPort: view.getUint16(2),
      cookie: view.getBigUint64(40, true),
      id,
    }
  })
}

/** Closes a socket: its process gets ECONNABORTED, the other end of a connection a reset. ENOENT: it is gone. */
export function socketDestroy({family, protocol, id}: InetSocket): NetlinkRequest {
  const request = requestFor(SOCK_DESTROY, family, protocol, 'close socket')
  request.body.set(id, idInRequest)
  return request
}

function requestFor(type: number, family: 4 | 6, protocol: number, operation: string): NetlinkRequest {
  const body = new Uint8Array(requestBytes)
  body[0] = family === 4 ? families.v4 : families.v6
  body[1] = protocol
  new DataView(body.buffer).setUint32(4, allStates, true)
  return {type, flags: 0, body, operation}
}
