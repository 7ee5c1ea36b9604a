/**
 * ICMP echo by a socket that needs no capability: the kernel fills in identifier and checksum, and hands over nothing but
 * the answer (Linux net/ipv4/ping.c). No process is started for it: a copy of a large one's page tables holds up
 * everything else for tens of milliseconds.
 */
import type {Ip} from '../model/ip.ts'
import {KernelError} from './errors.ts'
import {
  closeFd,
  connectSocket,
  ioctl,
  openSocket,
  readClock,
  receiveBytes,
  sendBytes,
  setSocketOption,
  watchReadable,
} from './libc.ts'

const SOCK_DGRAM_NONBLOCK = 2 | 0x800
const SIOCGSTAMPNS = 0x8907
const EAGAIN = 11
const ETIMEDOUT = 110
const headerBytes = 8
const families = {
  4: {domain: 2, protocol: 1, echoRequest: 8, addressBytes: 16, addressAt: 4, level: 0, recvErr: 11},
  6: {domain: 10, protocol: 58, echoRequest: 128, addressBytes: 28, addressAt: 8, level: 41, recvErr: 25},
} as const

/**
 * Asks an address for one echo, from the namespace of the calling thread.
 *
 * @returns the time there and back, ns, as the kernel has stamped the answer
 * @throws KernelError: EACCES when net.ipv4.ping_group_range leaves out the process's groups, ETIMEDOUT, ENETUNREACH,
 *   EHOSTUNREACH, ...
 */
export async function echo(ip: Ip, timeoutMs: number): Promise<number> {
  const operation = `ping ${ip}`
  const {domain, protocol, echoRequest, level, recvErr} = families[ip.family]
  const fd = openSocket(domain, SOCK_DGRAM_NONBLOCK, protocol, operation)
  try {
    // else what routers on the way say is kept from us (ip(7), IP_RECVERR)
    setSocketOption(fd, level, recvErr, 1, operation)
    connectSocket(fd, socketAddress(ip), operation)
    receivedAt(fd) // asked once, the kernel stamps what comes from then on
    const request = new Uint8Array(headerBytes)
    request[0] = echoRequest
    const sentAt = readClock('realtime')
    sendBytes(fd, request, headerBytes, operation)
    await answered(fd, timeoutMs, operation)
    return Number((receivedAt(fd) ?? readClock('realtime')) - sentAt)
  } finally {
    closeFd(fd)
  }
}

/** Resolves when the answer is here. */
function answered(fd: number, timeoutMs: number, operation: string): Promise<void> {
  const answer = new Uint8Array(headerBytes)
  return new Promise((resolve, reject) => {
    const end = (errno: number) => {
      clearTimeout(timer)
      stopWatching()
      if (errno === 0) resolve()
      else reject(new KernelError(errno, operation))
    }
    const timer = setTimeout(end, timeoutMs, ETIMEDOUT)
    const stopWatching = watchReadable(fd, () => {
      const got = receiveBytes(fd, answer, 0)
      if (got !== -EAGAIN) end(got < 0 ? -got : 0)
    })
  })
}

/** When the kernel took in what was received last, ns since 1970; undefined before there was anything. */
function receivedAt(fd: number): bigint | undefined {
  const stamp = new BigInt64Array(2)
  try {
    ioctl(fd, SIOCGSTAMPNS, new Uint8Array(stamp.buffer), 'read the time of a packet')
  } catch {
    return undefined // ENOENT: nothing has come that was stamped
  }
  return stamp[0]! * 1_000_000_000n + stamp[1]!
}

/** struct sockaddr_in or sockaddr_in6, without a port. */
function socketAddress(ip: Ip): Uint8Array {
  const {domain, addressBytes, addressAt} = families[ip.family]
  const bytes = new Uint8Array(addressBytes)
  new DataView(bytes.buffer).setUint16(0, domain, true)
  bytes.set(ip.toBytes(), addressAt)
  return bytes
}
