/**
 * The oracle's own reading of a packet that a pod sends: from the RFCs and docs/datapath.md, sharing nothing with the
 * programs or with the packet builders. Gives what the packet is, or the reason for which it must be dropped.
 */

/** RFC 791, 8200, 4443, 9293, 768, 9260 in numbers. */
const ETHER = {ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, serviceVlan: 0x88a8}
const PROTO = {icmp: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132}
const EXTENSIONS = new Set([0, 43, 44, 51, 60, 135, 139, 140])
const MOST_EXTENSIONS = 8
/** headers beyond the first kilobyte are not looked at */
const FARTHEST = 0x3ff

export interface Reading {
  readonly version: 4 | 6
  readonly src: bigint
  readonly dst: bigint
  readonly proto: number
  readonly ttl: number
  /** bytes from the IP header on */
  readonly length: number
  readonly dontFragment: boolean
  /** offset of what follows the IP headers */
  readonly at: number
  readonly sport: number
  readonly dport: number
  /** ICMP echo: its identifier is a port */
  readonly echo: 'request' | 'reply' | undefined
  readonly icmp: {readonly type: number; readonly code: number} | undefined
  readonly isError: boolean
  readonly fragment: {readonly id: number; readonly first: boolean} | undefined
}

export type Read = {readonly drop: string} | Reading

export function isDrop(read: Read): read is {readonly drop: string} {
  return 'drop' in read
}

const drop = (reason: string) => ({drop: reason})

/** @param bytes an Ethernet frame whose kind is `etherType` */
export function readIp(bytes: Uint8Array, etherType: number): Read {
  if (etherType === ETHER.ipv4) return readIpv4(bytes)
  if (etherType === ETHER.ipv6) return readIpv6(bytes)
  return drop('UNSUPPORTED_L3_PROTOCOL')
}

export function etherKind(bytes: Uint8Array): 'ip' | 'arp' | 'vlan' | 'other' {
  const type = u16(bytes, 12)
  if (type === ETHER.arp) return 'arp'
  if (type === ETHER.vlan || type === ETHER.serviceVlan) return 'vlan'
  return type === ETHER.ipv4 || type === ETHER.ipv6 ? 'ip' : 'other'
}

export const u16 = (bytes: Uint8Array, at: number) => bytes[at]! * 256 + bytes[at + 1]!

export function number(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n
  for (let i = 0; i < size; i++) value = value * 256n + BigInt(bytes[at + i]!)
  return value
}

function readIpv4(bytes: Uint8Array): Read {
  const room = bytes.length - 14
  if (room < 20) return drop('INVALID_PACKET')
  const version = bytes[14]! >> 4
  const header = (bytes[14]! & 15) * 4
  const length = u16(bytes, 16)
  if (version !== 4 || header < 20 || length < header || length > room) return drop('INVALID_PACKET')
  const word = u16(bytes, 20)
  const [offset, more] = [(word & 0x1fff) * 8, (word & 0x2000) !== 0]
  const proto = bytes[23]!
  const base = {
    version: 4 as const,
    src: number(bytes, 26, 4),
    dst: number(bytes, 30, 4),
    proto,
    ttl: bytes[22]!,
    length,
    dontFragment: (word & 0x4000) !== 0,
    at: 14 + header,
  }
  if (offset === 0 && !more) return readTransport(bytes, base, undefined)
  if (offset + length - header > 65535) return drop('INVALID_PACKET')
  if (offset === 8 && proto === PROTO.tcp) return drop('INVALID_PACKET')
  const fragment = {id: u16(bytes, 18), first: offset === 0}
  return offset === 0 ? readTransport(bytes, base, fragment) : laterFragment(base, fragment)
}

function readIpv6(bytes: Uint8Array): Read {
  const room = bytes.length - 14
  if (room < 40) return drop('INVALID_PACKET')
  const length = 40 + u16(bytes, 18)
  if (bytes[14]! >> 4 !== 6 || length > room) return drop('INVALID_PACKET')
  const [src, dst] = [number(bytes, 22, 16), number(bytes, 38, 16)]
  // ::ffff:0:0/96 on the wire is nobody's (RFC 4291 2.5.5.2)
  if (src >> 32n === 0xffffn || dst >> 32n === 0xffffn) return drop('INVALID_PACKET')
  const end = 14 + length
  let at = 54
  let proto = bytes[20]!
  let fragment: Reading['fragment']
  const base = () => ({version: 6 as const, src, dst, proto, ttl: bytes[21]!, length, dontFragment: true, at})
  for (let count = 0; EXTENSIONS.has(proto); count++) {
    if (count === MOST_EXTENSIONS || at + 8 > end) return drop('INVALID_IPV6_EXTENSION_HEADER')
    const next = bytes[at]!
    let size = (bytes[at + 1]! + 1) * 8
    if (proto === 51) size = (bytes[at + 1]! + 2) * 4
    if (proto === 43 && bytes[at + 2] === 0 && bytes[at + 3] !== 0) return drop('INVALID_IPV6_EXTENSION_HEADER')
    if (proto === 44) {
      size = 8
      const word = u16(bytes, at + 2)
      const offset = word & 0xfff8
      if (offset !== 0 || (word & 1) === 1) {
        if (fragment) return drop('INVALID_IPV6_EXTENSION_HEADER')
        fragment = {id: Number(number(bytes, at + 4, 4)), first: offset === 0}
      }
      if (offset !== 0) {
        at += 8
        proto = next
        return offset + end - at > 65535 ? drop('INVALID_PACKET') : laterFragment(base(), fragment!)
      }
    }
    if (at + size > end || at + size > FARTHEST) return drop('INVALID_IPV6_EXTENSION_HEADER')
    at += size
    proto = next
  }
  return readTransport(bytes, base(), fragment)
}

type Base = Pick<Reading, 'version' | 'src' | 'dst' | 'proto' | 'ttl' | 'length' | 'dontFragment' | 'at'>

const withoutPorts = {sport: 0, dport: 0, echo: undefined, icmp: undefined, isError: false}

function laterFragment(base: Base, fragment: NonNullable<Reading['fragment']>): Reading {
  return {...base, ...withoutPorts, fragment}
}

function readTransport(bytes: Uint8Array, base: Base, fragment: Reading['fragment']): Read {
  const {at, proto} = base
  const left = 14 + base.length - at
  const short = drop('CT_TRUNCATED_OR_INVALID_HEADER')
  const ports = () => ({...withoutPorts, sport: u16(bytes, at), dport: u16(bytes, at + 2)})
  if (proto === PROTO.tcp) {
    if (left < 20) return short
    const header = (bytes[at + 12]! >> 4) * 4
    return header < 20 || header > left ? short : {...base, ...ports(), fragment}
  }
  if (proto === PROTO.udp) return left < 8 ? short : {...base, ...ports(), fragment}
  if (proto === PROTO.sctp) return left < 12 ? short : {...base, ...ports(), fragment}
  if (proto === PROTO.icmp || proto === PROTO.icmp6) {
    if ((proto === PROTO.icmp) !== (base.version === 4)) return drop('UNKNOWN_L4_PROTOCOL')
    return left < 8 ? short : {...base, ...readIcmp(bytes, base), fragment}
  }
  return {...base, ...withoutPorts, fragment}
}

function readIcmp(bytes: Uint8Array, {at, version}: Base) {
  const icmp = {type: bytes[at]!, code: bytes[at + 1]!}
  const [ask, reply] = version === 4 ? [8, 0] : [128, 129]
  const id = u16(bytes, at + 4)
  const isError = version === 4 ? [3, 11, 12].includes(icmp.type) : icmp.type >= 1 && icmp.type <= 4
  // other messages than echoes have their type, plus one, in place of both ports
  const base = {...withoutPorts, sport: icmp.type + 1, dport: icmp.type + 1, icmp, isError}

  if (icmp.type === ask) return {...base, echo: 'request' as const, sport: id, dport: 0}
  if (icmp.type === reply) return {...base, echo: 'reply' as const, sport: 0, dport: id}
  return base
}
