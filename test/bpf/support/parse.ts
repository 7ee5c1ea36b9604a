/**
 * Reads a packet without trust, and says everything that is wrong with it. Written apart from the datapath's parser and
 * from the builders: what the three agree on is likely so. Never throws, whatever the bytes.
 */
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {addWords, foldChecksum, pseudoHeader} from './checksum.ts'
import {etherTypes, protocols} from './packet.ts'

export type Problem =
  | 'ethernet-short'
  | 'ethertype-unknown'
  | 'arp-short'
  | 'ip-short'
  | 'ip-version'
  | 'ip-header-length'
  | 'ip-total-length'
  | 'ip-checksum'
  | 'extension-short'
  | 'extension-chain'
  | 'fragment-length'
  | 'transport-short'
  | 'tcp-header-length'
  | 'udp-length'
  | 'transport-checksum'

export interface ParsedIp {
  readonly version: 4 | 6
  readonly sourceBytes: Uint8Array
  readonly destinationBytes: Uint8Array
  readonly ttl: number
  readonly tos: number
  readonly id: number
  readonly dontFragment: boolean
  readonly fragment: {readonly offset: number; readonly more: boolean} | undefined
  readonly options: Uint8Array
  /** numbers of the IPv6 extension headers, in order */
  readonly extensions: readonly number[]
  /** the last "next header" */
  readonly protocol: number
  /** from the packet's start */
  readonly offset: number
  /** where the transport header begins */
  readonly transportOffset: number
  /** where the IP packet ends: Ethernet may pad after it */
  readonly end: number
}

export interface ParsedTransport {
  readonly sport: number
  readonly dport: number
  readonly offset: number
  readonly payloadOffset: number
  readonly tcp?: {readonly flags: string; readonly seq: number; readonly ack: number; readonly window: number}
  readonly icmp?: {readonly type: number; readonly code: number; readonly rest: Uint8Array}
}

const flagLetters = 'FSRPAUEC'
const maxExtensions = 10
const vxlanPorts = new Set([8472, 4789])

export class ParsedPacket {
  readonly bytes: Uint8Array
  readonly problems: Problem[] = []
  readonly etherType: number | undefined
  readonly ip: ParsedIp | undefined
  readonly transport: ParsedTransport | undefined
  readonly #view: DataView
  readonly #ethernet: boolean

  /** @param start 'ethernet' or 'ip' @param quoted a packet repeated in an ICMP error: it may be cut off */
  constructor(bytes: Uint8Array, start: 'ethernet' | 'ip' = 'ethernet', quoted = false) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#ethernet = start === 'ethernet'
    let type: number | undefined
    if (this.#ethernet) {
      if (bytes.length < 14) this.problems.push('ethernet-short')
      else type = this.#view.getUint16(12)
    } else type = bytes.length > 0 && bytes[0]! >>> 4 === 6 ? etherTypes.ipv6 : etherTypes.ipv4
    this.etherType = type
    const at = this.#ethernet ? 14 : 0
    if (type === etherTypes.ipv4) this.ip = this.#readIpv4(at, quoted)
    else if (type === etherTypes.ipv6) this.ip = this.#readIpv6(at, quoted)
    else if (type === etherTypes.arp) {
      if (bytes.length < at + 28) this.problems.push('arp-short')
    } else if (type !== undefined) this.problems.push('ethertype-unknown')
    this.transport = this.ip && this.#readTransport(this.ip, quoted)
  }

  get macSource(): string {
    return this.#ethernet && this.bytes.length >= 12 ? Mac.fromBytes(this.bytes.subarray(6, 12)).toString() : ''
  }

  get macDestination(): string {
    return this.#ethernet && this.bytes.length >= 12 ? Mac.fromBytes(this.bytes.subarray(0, 6)).toString() : ''
  }

  /** '10.0.0.1:80', '[fd00::1]:80', an address alone without ports, '' without IP */
  get src(): string {
    return this.ip ? end(this.ip.sourceBytes, this.#hasPorts(), this.transport?.sport ?? 0) : ''
  }

  get dst(): string {
    return this.ip ? end(this.ip.destinationBytes, this.#hasPorts(), this.transport?.dport ?? 0) : ''
  }

  /** tcp, udp, icmp, icmpv6, arp, or a number */
  get protocol(): string {
    if (this.etherType === etherTypes.arp) return 'arp'
    const number = this.ip?.protocol
    if (number === protocols.tcp) return 'tcp'
    if (number === protocols.udp) return 'udp'
    if (number === protocols.icmp) return 'icmp'
    if (number === protocols.icmpv6) return 'icmpv6'
    return number === undefined ? '' : String(number)
  }

  get payload(): Uint8Array {
    if (!this.ip) return this.bytes.subarray(this.#ethernet ? Math.min(14, this.bytes.length) : 0)
    return this.bytes.subarray(this.transport?.payloadOffset ?? this.ip.transportOffset, this.ip.end)
  }

  get arp(): {operation: number; senderMac: string; senderIp: string; targetMac: string; targetIp: string} | undefined {
    if (this.etherType !== etherTypes.arp || this.problems.length > 0) return undefined
    const at = this.#ethernet ? 14 : 0
    const mac = (offset: number) => Mac.fromBytes(this.bytes.subarray(at + offset, at + offset + 6)).toString()
    const ip = (offset: number) => Ip.fromBytes(this.bytes.subarray(at + offset, at + offset + 4)).toString()
    return {
      operation: this.#view.getUint16(at + 6),
      senderMac: mac(8),
      senderIp: ip(14),
      targetMac: mac(18),
      targetIp: ip(24),
    }
  }

  /** True for the first piece of a datagram and for whole ones. */
  get hasTransportHeader(): boolean {
    return this.ip !== undefined && (this.ip.fragment?.offset ?? 0) === 0
  }

  /** The packet that an ICMP error is about, or the frame inside VXLAN. */
  get inner(): ParsedPacket | undefined {
    const {transport} = this
    if (!transport) return undefined
    if (transport.icmp && isIcmpError(this.ip!.version, transport.icmp.type))
      return new ParsedPacket(this.payload, 'ip', true)
    if (this.vni !== undefined) return new ParsedPacket(this.payload.subarray(8), 'ethernet')
    return undefined
  }

  /** Of a VXLAN packet. */
  get vni(): number | undefined {
    const {transport} = this
    if (this.ip?.protocol !== protocols.udp || !transport || !vxlanPorts.has(transport.dport)) return undefined
    const {payload} = this
    return payload.length < 8 ? undefined : (payload[4]! << 16) | (payload[5]! << 8) | payload[6]!
  }

  #hasPorts(): boolean {
    const protocol = this.ip?.protocol
    return this.transport !== undefined && (protocol === protocols.tcp || protocol === protocols.udp)
  }

  #readIpv4(at: number, quoted: boolean): ParsedIp | undefined {
    const view = this.#view
    const available = this.bytes.length - at
    if (available < 20) return this.#refuse('ip-short')
    const first = view.getUint8(at)
    if (first >>> 4 !== 4) return this.#refuse('ip-version')
    const headerBytes = (first & 0xf) * 4
    if (headerBytes < 20 || headerBytes > available) return this.#refuse('ip-header-length')
    const total = view.getUint16(at + 2)
    if (total < headerBytes || (total > available && !quoted)) return this.#refuse('ip-total-length')
    if (foldChecksum(addWords(0, this.bytes, at, at + headerBytes)) !== 0) this.problems.push('ip-checksum')
    const word = view.getUint16(at + 6)
    const offset = (word & 0x1fff) * 8
    const more = (word & 0x2000) !== 0
    const length = total - headerBytes
    if ((more && length % 8 !== 0) || offset + length > 65535) this.problems.push('fragment-length')
    return {
      version: 4,
      sourceBytes: this.bytes.subarray(at + 12, at + 16),
      destinationBytes: this.bytes.subarray(at + 16, at + 20),
      ttl: view.getUint8(at + 8),
      tos: view.getUint8(at + 1),
      id: view.getUint16(at + 4),
      dontFragment: (word & 0x4000) !== 0,
      fragment: offset > 0 || more ? {offset, more} : undefined,
      options: this.bytes.subarray(at + 20, at + headerBytes),
      extensions: [],
      protocol: view.getUint8(at + 9),
      offset: at,
      transportOffset: at + headerBytes,
      end: Math.min(at + total, this.bytes.length),
    }
  }

  #readIpv6(at: number, quoted: boolean): ParsedIp | undefined {
    const view = this.#view
    const available = this.bytes.length - at
    if (available < 40) return this.#refuse('ip-short')
    if (view.getUint8(at) >>> 4 !== 6) return this.#refuse('ip-version')
    const total = 40 + view.getUint16(at + 4)
    if (total > available && !quoted) return this.#refuse('ip-total-length')
    const ipEnd = Math.min(at + total, this.bytes.length)
    let next = view.getUint8(at + 6)
    let offset = at + 40
    let fragment: ParsedIp['fragment']
    let id = 0
    const extensions: number[] = []
    while (isExtension(next) && (fragment?.offset ?? 0) === 0) {
      if (extensions.length === maxExtensions) return this.#refuse('extension-chain')
      if (offset + 8 > ipEnd) return this.#refuse('extension-short')
      extensions.push(next)
      const following = view.getUint8(offset)
      if (next === protocols.fragment) {
        const word = view.getUint16(offset + 2)
        const piece = {offset: word & 0xfff8, more: (word & 1) !== 0}
        id = view.getUint32(offset + 4)
        const length = ipEnd - offset - 8
        if ((piece.more && length % 8 !== 0) || piece.offset + length > 65535) this.problems.push('fragment-length')
        // an "atomic" fragment is a whole packet (RFC 6946), yet a fragment to all who look
        fragment = piece
        offset += 8
      } else {
        const length = view.getUint8(offset + 1)
        offset += next === protocols.authentication ? (length + 2) * 4 : (length + 1) * 8
        if (offset > ipEnd) return this.#refuse('extension-short')
      }
      next = following
    }
    return {
      version: 6,
      sourceBytes: this.bytes.subarray(at + 8, at + 24),
      destinationBytes: this.bytes.subarray(at + 24, at + 40),
      ttl: view.getUint8(at + 7),
      tos: (view.getUint16(at) >>> 4) & 0xff,
      id,
      dontFragment: false,
      fragment,
      options: new Uint8Array(),
      extensions,
      protocol: next,
      offset: at,
      transportOffset: offset,
      end: ipEnd,
    }
  }

  #readTransport(ip: ParsedIp, quoted: boolean): ParsedTransport | undefined {
    if ((ip.fragment?.offset ?? 0) > 0) return undefined
    const at = ip.transportOffset
    const available = ip.end - at
    const whole = !ip.fragment?.more && (!quoted || isWhole(ip, this.#view))
    switch (ip.protocol) {
      case protocols.tcp:
        return this.#readTcp(ip, at, available, whole, quoted)
      case protocols.udp:
        return this.#readUdp(ip, at, available, whole, quoted)
      case protocols.icmp:
      case protocols.icmpv6: {
        // each belongs to its own family; in the other it is a protocol like any
        if ((ip.protocol === protocols.icmp) !== (ip.version === 4)) return undefined
        if (available < 8) return this.#refuse('transport-short')
        if (whole) this.#checkSum(ip, at, ip.end, ip.version === 6)
        const [type, code] = [this.#view.getUint8(at), this.#view.getUint8(at + 1)]
        const rest = this.bytes.subarray(at + 4, at + 8)
        return {sport: 0, dport: 0, offset: at, payloadOffset: at + 8, icmp: {type, code, rest}}
      }
      default:
        return undefined
    }
  }

  #readTcp(ip: ParsedIp, at: number, available: number, whole: boolean, quoted: boolean): ParsedTransport | undefined {
    const view = this.#view
    // routers quote eight bytes of the transport header at least (RFC 792)
    if (available < (quoted ? 8 : 20)) return this.#refuse('transport-short')
    const ports = {sport: view.getUint16(at), dport: view.getUint16(at + 2), offset: at}
    if (available < 20) return {...ports, payloadOffset: ip.end}
    const headerBytes = (view.getUint8(at + 12) >>> 4) * 4
    if (headerBytes < 20 || (headerBytes > available && whole)) return this.#refuse('tcp-header-length')
    if (whole) this.#checkSum(ip, at, ip.end, true)
    const bits = view.getUint8(at + 13)
    const flags = [...flagLetters].filter((_, i) => (bits & (1 << i)) !== 0).join('')
    return {
      ...ports,
      payloadOffset: Math.min(at + headerBytes, ip.end),
      tcp: {flags, seq: view.getUint32(at + 4), ack: view.getUint32(at + 8), window: view.getUint16(at + 14)},
    }
  }

  #readUdp(ip: ParsedIp, at: number, available: number, whole: boolean, quoted: boolean): ParsedTransport | undefined {
    const view = this.#view
    if (available < 8) return this.#refuse('transport-short')
    const length = view.getUint16(at + 4)
    if (length < 8 || (length > available && whole && !quoted)) return this.#refuse('udp-length')
    const checksum = view.getUint16(at + 6)
    if (whole && checksum !== 0) this.#checkSum(ip, at, Math.min(at + length, ip.end), true)
    return {sport: view.getUint16(at), dport: view.getUint16(at + 2), offset: at, payloadOffset: at + 8}
  }

  #checkSum(ip: ParsedIp, from: number, to: number, pseudo: boolean): void {
    const start = pseudo ? pseudoHeader(ip.sourceBytes, ip.destinationBytes, ip.protocol, to - from) : 0
    if (foldChecksum(addWords(start, this.bytes, from, to)) !== 0) this.problems.push('transport-checksum')
  }

  #refuse(problem: Problem): undefined {
    this.problems.push(problem)
    return undefined
  }
}

/** Was a quoted packet quoted to its end? */
function isWhole(ip: ParsedIp, view: DataView): boolean {
  const total = ip.version === 4 ? view.getUint16(ip.offset + 2) : 40 + view.getUint16(ip.offset + 4)
  return ip.offset + total <= view.byteLength
}

function isExtension(header: number): boolean {
  return (
    header === protocols.hopByHop ||
    header === protocols.routing ||
    header === protocols.fragment ||
    header === protocols.authentication ||
    header === protocols.destination
  )
}

/** Messages that quote a packet. */
export function isIcmpError(version: 4 | 6, type: number): boolean {
  return version === 4 ? [3, 4, 5, 11, 12].includes(type) : type >= 1 && type <= 4
}

function end(address: Uint8Array, hasPort: boolean, port: number): string {
  const ip = address.length === 16 ? formatSixteen(address) : Ip.fromBytes(address).toString()
  if (!hasPort) return ip
  return address.length === 4 ? `${ip}:${port}` : `[${ip}]:${port}`
}

/** Ip would call a mapped address IPv4; on the wire it is sixteen bytes and wrong, and must show as such. */
function formatSixteen(address: Uint8Array): string {
  const ip = Ip.fromBytes(address)
  return ip.family === 6 ? ip.toString() : `::ffff:${ip}`
}

/** Reads a packet that begins with its Ethernet header. */
export function parsePacket(bytes: Uint8Array): ParsedPacket {
  return new ParsedPacket(bytes)
}
