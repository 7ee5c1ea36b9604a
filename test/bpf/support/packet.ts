/**
 * Packets for tests, written as one says them: tcp('10.0.1.9:4000', '10.96.0.10:80').syn(). Immutable; lengths and
 * checksums are right unless a test asks for a fault.
 */
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {addWords, foldChecksum, pseudoHeader} from './checksum.ts'

export const protocols = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  authentication: 51,
  icmpv6: 58,
  noNext: 59,
  destination: 60,
  sctp: 132,
} as const

export const etherTypes = {ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd} as const

const tcpFlagBits = {F: 1, S: 2, R: 4, P: 8, A: 16, U: 32, E: 64, C: 128} as const

export interface EthernetSpec {
  readonly src: string
  readonly dst: string
}

export interface ExtensionSpec {
  /** number of the header: protocols.hopByHop, routing, destination, authentication */
  readonly header: number
  /** after the two bytes "next header" and "length"; padded to what the length can say */
  readonly body: Uint8Array
}

export interface IpSpec {
  readonly src: Ip
  readonly dst: Ip
  readonly ttl: number
  readonly tos: number
  /** IPv4 identification; of fragments the datagram's, in both families */
  readonly id: number
  readonly dontFragment: boolean
  /** IPv4 options, padded with zeros to 4 bytes */
  readonly options: Uint8Array
  /** IPv6 extension headers, in order; a fragment header comes last */
  readonly extensions: readonly ExtensionSpec[]
  readonly fragment?: {readonly offset: number; readonly more: boolean}
}

export type TransportSpec =
  | {
      readonly kind: 'tcp'
      readonly sport: number
      readonly dport: number
      /** letters of F S R P A U E C */
      readonly flags: string
      readonly seq: number
      readonly ack: number
      readonly window: number
      readonly options: Uint8Array
    }
  | {readonly kind: 'udp'; readonly sport: number; readonly dport: number; readonly checksum: boolean}
  /** ICMP or ICMPv6, by the address family. `rest`: bytes 4..7 */
  | {readonly kind: 'icmp'; readonly type: number; readonly code: number; readonly rest: Uint8Array}
  /** the payload follows the IP header at once */
  | {readonly kind: 'raw'; readonly protocol: number}

export interface PacketSpec {
  /** null: the packet begins with its IP header */
  readonly ethernet: EthernetSpec | null
  readonly ip: IpSpec
  readonly transport: TransportSpec
  readonly payload: Uint8Array
  /** checksums that are to be wrong */
  readonly broken: {readonly ip?: boolean; readonly transport?: boolean}
}

/** Addresses of the two ends of a link when a test does not care. */
export const defaultEthernet: EthernetSpec = {src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02'}

export class Packet {
  readonly spec: PacketSpec
  #bytes: Uint8Array | undefined

  constructor(spec: PacketSpec) {
    this.spec = spec
  }

  /** The bytes on the wire. Do not change them: they are kept. */
  get bytes(): Uint8Array {
    this.#bytes ??= writePacket(this.spec)
    return this.#bytes
  }

  /** The packet without its Ethernet header. */
  get ipBytes(): Uint8Array {
    return this.bytes.subarray(this.spec.ethernet ? 14 : 0)
  }

  mac(src: string, dst: string): Packet {
    return new Packet({...this.spec, ethernet: {src, dst}})
  }

  withoutEthernet(): Packet {
    return new Packet({...this.spec, ethernet: null})
  }

  ttl(ttl: number): Packet {
    return this.#ip({ttl})
  }

  tos(tos: number): Packet {
    return this.#ip({tos})
  }

  id(id: number): Packet {
    return this.#ip({id})
  }

  dontFragment(): Packet {
    return this.#ip({dontFragment: true})
  }

  /** IPv4 options. */
  options(...bytes: number[]): Packet {
    return this.#ip({options: Uint8Array.from(bytes)})
  }

  /** Appends an IPv6 extension header. */
  extension(header: number, body: Uint8Array | number[] = [1, 4, 0, 0, 0, 0]): Packet {
    const extensions = [...this.spec.ip.extensions, {header, body: Uint8Array.from(body)}]
    return this.#ip({extensions})
  }

  /** Says that this is a piece of a datagram. @param offset bytes, a multiple of 8 */
  fragment(offset: number, more: boolean, id = this.spec.ip.id): Packet {
    return this.#ip({fragment: {offset, more}, id})
  }

  /** Text, bytes, or a number of counted bytes. */
  data(payload: string | Uint8Array | number): Packet {
    const bytes =
      typeof payload === 'string'
        ? Uint8Array.from(Buffer.from(payload))
        : typeof payload === 'number'
          ? Uint8Array.from({length: payload}, (_, i) => i)
          : payload
    return new Packet({...this.spec, payload: bytes})
  }

  /** Makes a checksum wrong. */
  broken(which: 'ip' | 'transport'): Packet {
    return new Packet({...this.spec, broken: {...this.spec.broken, [which]: true}})
  }

  // TCP

  syn(): Packet {
    return this.flags('S')
  }

  synAck(): Packet {
    return this.flags('SA')
  }

  ack(): Packet {
    return this.flags('A')
  }

  push(payload: string | Uint8Array | number = 'data'): Packet {
    return this.flags('PA').data(payload)
  }

  fin(): Packet {
    return this.flags('FA')
  }

  rst(): Packet {
    return this.flags('R')
  }

  flags(flags: string): Packet {
    return this.#tcp({flags})
  }

  seq(seq: number, ack = 0): Packet {
    return this.#tcp({seq, ack})
  }

  tcpOptions(...bytes: number[]): Packet {
    return this.#tcp({options: Uint8Array.from(bytes)})
  }

  // UDP

  /** Checksum zero: none (allowed in IPv4, and in IPv6 for tunnels). */
  withoutChecksum(): Packet {
    const {transport} = this.spec
    if (transport.kind !== 'udp') throw new TypeError('only UDP may go without checksum')
    return new Packet({...this.spec, transport: {...transport, checksum: false}})
  }

  // ICMP

  /** Echo request of either family. */
  echo(id = 1, sequence = 1): Packet {
    return this.#icmp(this.spec.ip.src.family === 4 ? 8 : 128, 0, restOf(id, sequence))
  }

  echoReply(id = 1, sequence = 1): Packet {
    return this.#icmp(this.spec.ip.src.family === 4 ? 0 : 129, 0, restOf(id, sequence))
  }

  /** Any message. @param rest bytes 4..7 */
  message(type: number, code: number, rest: Uint8Array | number[] = [0, 0, 0, 0]): Packet {
    return this.#icmp(type, code, Uint8Array.from(rest))
  }

  #ip(change: Partial<IpSpec>): Packet {
    return new Packet({...this.spec, ip: {...this.spec.ip, ...change}})
  }

  #tcp(change: {flags?: string; seq?: number; ack?: number; options?: Uint8Array}): Packet {
    const {transport} = this.spec
    if (transport.kind !== 'tcp') throw new TypeError(`${transport.kind} has no such field`)
    return new Packet({...this.spec, transport: {...transport, ...change}})
  }

  #icmp(type: number, code: number, rest: Uint8Array): Packet {
    return new Packet({...this.spec, transport: {kind: 'icmp', type, code, rest}})
  }
}

function restOf(id: number, sequence: number): Uint8Array {
  return Uint8Array.of(id >> 8, id, sequence >> 8, sequence)
}

/** '10.0.1.9:4000', '[fd00::1]:80', or an address alone (port 0). */
export function parseEnd(text: string): {ip: Ip; port: number} {
  const bracketed = /^\[(.+)\]:(\d+)$/.exec(text)
  if (bracketed) return {ip: Ip.of(bracketed[1]!), port: Number(bracketed[2])}
  const plain = /^([\d.]+):(\d+)$/.exec(text)
  return plain ? {ip: Ip.of(plain[1]!), port: Number(plain[2])} : {ip: Ip.of(text), port: 0}
}

function packet(src: Ip, dst: Ip, transport: TransportSpec): Packet {
  if (src.family !== dst.family) throw new TypeError(`${src} and ${dst} are of different families`)
  const empty = new Uint8Array()
  return new Packet({
    ethernet: defaultEthernet,
    ip: {src, dst, ttl: 64, tos: 0, id: 0, dontFragment: false, options: empty, extensions: []},
    transport,
    payload: empty,
    broken: {},
  })
}

/** A TCP segment without flags. */
export function tcp(from: string, to: string): Packet {
  const [src, dst] = [parseEnd(from), parseEnd(to)]
  const numbers = {seq: 1000, ack: 0, window: 65535, options: new Uint8Array()}
  return packet(src.ip, dst.ip, {kind: 'tcp', sport: src.port, dport: dst.port, flags: '', ...numbers})
}

/** A UDP datagram. */
export function udp(from: string, to: string): Packet {
  const [src, dst] = [parseEnd(from), parseEnd(to)]
  return packet(src.ip, dst.ip, {kind: 'udp', sport: src.port, dport: dst.port, checksum: true})
}

/** An ICMP or ICMPv6 message: echo request unless said otherwise. */
export function icmp(from: string, to: string): Packet {
  return packet(parseEnd(from).ip, parseEnd(to).ip, {kind: 'icmp', type: 0, code: 0, rest: new Uint8Array(4)}).echo()
}

/** Any other protocol. */
export function rawIp(from: string, to: string, protocol: number): Packet {
  return packet(parseEnd(from).ip, parseEnd(to).ip, {kind: 'raw', protocol})
}

/** A frame inside VXLAN (RFC 7348). */
export function vxlan(from: string, to: string, vni: number, inner: Packet | Uint8Array, port = 8472): Packet {
  const frame = inner instanceof Packet ? inner.bytes : inner
  const payload = new Uint8Array(8 + frame.length)
  payload[0] = 0x08
  new DataView(payload.buffer).setUint32(4, vni << 8)
  payload.set(frame, 8)
  const [src, dst] = [parseEnd(from).ip, parseEnd(to).ip]
  const sport = 49152 + (vni & 0x3fff)
  return packet(src, dst, {kind: 'udp', sport, dport: port, checksum: false}).data(payload)
}

/** All bytes of a packet, checksums included. */
function writePacket(spec: PacketSpec): Uint8Array {
  const {ip, payload} = spec
  const protocol = protocolOf(spec)
  const segment = writeTransport(spec, protocol, payload)
  const header =
    ip.src.family === 4 ? writeIpv4(spec, protocol, segment.length) : writeIpv6(spec, protocol, segment.length)
  const link = spec.ethernet
    ? writeEthernet(spec.ethernet, ip.src.family === 4 ? etherTypes.ipv4 : etherTypes.ipv6)
    : new Uint8Array()
  const bytes = new Uint8Array(link.length + header.length + segment.length)
  bytes.set(link)
  bytes.set(header, link.length)
  bytes.set(segment, link.length + header.length)
  return bytes
}

export function writeEthernet({src, dst}: EthernetSpec, type: number): Uint8Array {
  const bytes = new Uint8Array(14)
  bytes.set(Mac.of(dst).toBytes())
  bytes.set(Mac.of(src).toBytes(), 6)
  new DataView(bytes.buffer).setUint16(12, type)
  return bytes
}

function protocolOf({ip, transport}: PacketSpec): number {
  if (transport.kind === 'raw') return transport.protocol
  if (transport.kind === 'icmp') return ip.src.family === 4 ? protocols.icmp : protocols.icmpv6
  return protocols[transport.kind]
}

function writeTransport(spec: PacketSpec, protocol: number, payload: Uint8Array): Uint8Array {
  const {transport, ip} = spec
  if (transport.kind === 'raw') return payload
  const header = transportHeader(transport, payload.length)
  const bytes = new Uint8Array(header.length + payload.length)
  bytes.set(header)
  bytes.set(payload, header.length)
  const place = {tcp: 16, udp: 6, icmp: 2}[transport.kind]
  const hasPseudoHeader = transport.kind !== 'icmp' || ip.src.family === 6
  const pseudo = hasPseudoHeader ? pseudoHeader(ip.src.toBytes(), ip.dst.toBytes(), protocol, bytes.length) : 0
  let checksum = foldChecksum(addWords(pseudo, bytes))
  if (transport.kind === 'udp') checksum = transport.checksum ? checksum || 0xffff : 0
  if (spec.broken.transport) checksum ^= 0x5555
  new DataView(bytes.buffer).setUint16(place, checksum)
  return bytes
}

function transportHeader(transport: Exclude<TransportSpec, {kind: 'raw'}>, payloadLength: number): Uint8Array {
  switch (transport.kind) {
    case 'tcp': {
      const optionBytes = (transport.options.length + 3) & ~3
      const bytes = new Uint8Array(20 + optionBytes)
      const view = new DataView(bytes.buffer)
      view.setUint16(0, transport.sport)
      view.setUint16(2, transport.dport)
      view.setUint32(4, transport.seq)
      view.setUint32(8, transport.ack)
      view.setUint8(12, (bytes.length / 4) << 4)
      view.setUint8(13, flagBits(transport.flags))
      view.setUint16(14, transport.window)
      bytes.set(transport.options, 20)
      return bytes
    }
    case 'udp': {
      const bytes = new Uint8Array(8)
      const view = new DataView(bytes.buffer)
      view.setUint16(0, transport.sport)
      view.setUint16(2, transport.dport)
      view.setUint16(4, 8 + payloadLength)
      return bytes
    }
    case 'icmp':
      return Uint8Array.of(transport.type, transport.code, 0, 0, ...transport.rest)
  }
}

function flagBits(flags: string): number {
  let bits = 0
  for (const letter of flags) {
    const bit = tcpFlagBits[letter as keyof typeof tcpFlagBits]
    if (!bit) throw new TypeError(`no TCP flag ${letter}`)
    bits |= bit
  }
  return bits
}

function writeIpv4(spec: PacketSpec, protocol: number, length: number): Uint8Array {
  const {ip, broken} = spec
  const bytes = new Uint8Array(20 + ((ip.options.length + 3) & ~3))
  const view = new DataView(bytes.buffer)
  const fragment = ip.fragment ?? {offset: 0, more: false}
  view.setUint8(0, 0x40 | (bytes.length / 4))
  view.setUint8(1, ip.tos)
  view.setUint16(2, bytes.length + length)
  view.setUint16(4, ip.id)
  view.setUint16(6, (ip.dontFragment ? 0x4000 : 0) | (fragment.more ? 0x2000 : 0) | (fragment.offset >>> 3))
  view.setUint8(8, ip.ttl)
  view.setUint8(9, protocol)
  bytes.set(ip.src.toBytes(), 12)
  bytes.set(ip.dst.toBytes(), 16)
  bytes.set(ip.options, 20)
  view.setUint16(10, foldChecksum(addWords(0, bytes)) ^ (broken.ip ? 0x5555 : 0))
  return bytes
}

function writeIpv6({ip}: PacketSpec, protocol: number, length: number): Uint8Array {
  const headers = ip.extensions.map((extension) => ({header: extension.header, bytes: writeExtension(extension)}))
  if (ip.fragment) headers.push({header: protocols.fragment, bytes: writeFragmentHeader(ip.fragment, ip.id)})
  for (const [i, {bytes}] of headers.entries()) bytes[0] = headers[i + 1]?.header ?? protocol
  const extensionBytes = headers.reduce((sum, {bytes}) => sum + bytes.length, 0)

  const all = new Uint8Array(40 + extensionBytes)
  const view = new DataView(all.buffer)
  view.setUint32(0, ((6 << 28) | (ip.tos << 20)) >>> 0)
  view.setUint16(4, extensionBytes + length)
  view.setUint8(6, headers[0]?.header ?? protocol)
  view.setUint8(7, ip.ttl)
  all.set(ip.src.toBytes(), 8)
  all.set(ip.dst.toBytes(), 24)
  let at = 40
  for (const {bytes} of headers) {
    all.set(bytes, at)
    at += bytes.length
  }
  return all
}

/** The authentication header counts its length in four bytes less two, all others in eight less one. */
function writeExtension({header, body}: ExtensionSpec): Uint8Array {
  const unit = header === protocols.authentication ? 4 : 8
  const bytes = new Uint8Array(Math.max(8, Math.ceil((2 + body.length) / unit) * unit))
  bytes.set(body, 2)
  bytes[1] = header === protocols.authentication ? bytes.length / 4 - 2 : bytes.length / 8 - 1
  return bytes
}

function writeFragmentHeader(fragment: {offset: number; more: boolean}, id: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint16(2, (fragment.offset & 0xfff8) | (fragment.more ? 1 : 0))
  view.setUint32(4, id)
  return bytes
}

/**
 * Splits a datagram as a sender would.
 *
 * @param payloadBytes what follows the IP header in each piece but the last, a multiple of 8
 */
export function fragments(whole: Packet, payloadBytes: number, id = 0x1234): Packet[] {
  if (payloadBytes % 8 !== 0) throw new TypeError('pieces are multiples of 8 bytes')
  const {spec} = whole
  const segment = writeTransport(spec, protocolOf(spec), spec.payload)
  const pieces: Packet[] = []
  for (let offset = 0; offset < segment.length; offset += payloadBytes) {
    const piece = segment.slice(offset, offset + payloadBytes)
    pieces.push(
      new Packet({...spec, transport: {kind: 'raw', protocol: protocolOf(spec)}, payload: piece}).fragment(
        offset,
        offset + payloadBytes < segment.length,
        id,
      ),
    )
  }
  return pieces
}
