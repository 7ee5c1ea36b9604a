/** Packets inside packets, both of one family: IP in IP (RFC 2003, RFC 2473), and Geneve (RFC 8926) with its option for a service. */
import {Ip} from '../../../src/model/ip.ts'
import {etherTypes, Packet, parseEnd, rawIp, udp} from './packet.ts'
import {type ParsedPacket, parsePacket} from './parse.ts'

const numbers = {4: 4, 6: 41} as const
const genevePort = 6081
const etherTypeOf = {4: etherTypes.ipv4, 6: etherTypes.ipv6} as const

const inside = (packet: Packet | Uint8Array) => (packet instanceof Packet ? packet.ipBytes : packet.subarray(14))

/** A packet inside another one. */
export function wrap(from: string, to: string, inner: Packet | Uint8Array): Packet {
  const outer = rawIp(from, to, 4)
  return rawIp(from, to, numbers[outer.spec.ip.src.family]).data(inside(inner))
}

export interface GeneveFields {
  /** first byte: version, and options in 4 bytes */
  readonly first: number
  readonly flags: number
  readonly etherType: number
  readonly class: number
  readonly type: number
  /** of the option's data, in 4 bytes */
  readonly words: number
}

/** A packet inside Geneve. @param service end that the option names @param change what is to be another than nodes write */
export function wrapGeneve(
  from: string,
  to: string,
  inner: Packet | Uint8Array,
  service: string,
  change: Partial<GeneveFields> = {},
): Packet {
  const {ip, port} = parseEnd(service)
  const data = Buffer.concat([ip.toBytes(), Buffer.of(port >> 8, port & 0xff, 0, 0)])
  const words = data.length / 4
  const fields: GeneveFields = {
    first: words + 1,
    flags: 0x40,
    etherType: etherTypeOf[ip.family],
    class: 0x014b,
    type: 0x81,
    words,
    ...change,
  }
  const header = Buffer.alloc(12)
  header.writeUInt8(fields.first, 0)
  header.writeUInt8(fields.flags, 1)
  header.writeUInt16BE(fields.etherType, 2)
  header.writeUInt16BE(fields.class, 8)
  header.writeUInt8(fields.type, 10)
  header.writeUInt8(fields.words, 11)
  const ends = [from, to].map((end) => (end.includes(':') ? `[${end}]` : end))
  return udp(`${ends[0]}:50000`, `${ends[1]}:${genevePort}`)
    .withoutChecksum()
    .data(Buffer.concat([header, data, inside(inner)]))
}

/**
 * The two packets of one.
 *
 * @param frame with its Ethernet header, which the inner one gets, too
 * @returns the service, too, where Geneve's option names one: '10.0.0.1:80'
 * @throws TypeError when it bears no packet of its own family, as nodes write it
 */
export function unwrap(frame: Uint8Array): {outer: ParsedPacket; inner: Uint8Array; service: string | undefined} {
  const outer = parsePacket(frame)
  const {ip, transport} = outer
  if (ip === undefined) throw new TypeError('no packet inside another one')
  const inner = (from: number) => Buffer.concat([frame.subarray(0, 14), frame.subarray(from, ip.end)])
  if (ip.protocol === numbers[ip.version]) return {outer, inner: inner(ip.transportOffset), service: undefined}
  if (transport?.dport !== genevePort) throw new TypeError('no packet inside another one')
  const geneve = Buffer.from(outer.payload)
  const bytes = ip.sourceBytes.length
  const words = 1 + bytes / 4
  const head = Buffer.of(words + 1, 0x40, etherTypeOf[ip.version] >> 8, etherTypeOf[ip.version] & 0xff, 0, 0, 0, 0)
  const wanted = Buffer.concat([head, Buffer.of(0x01, 0x4b, 0x81, words)]).toString('hex')
  const found = geneve.subarray(0, 12).toString('hex')
  if (found !== wanted) throw new TypeError(`Geneve says ${found} where nodes say ${wanted}`)
  const address = Ip.fromBytes(geneve.subarray(12, 12 + bytes)).toString()
  const port = geneve.readUInt16BE(12 + bytes)
  const service = ip.version === 4 ? `${address}:${port}` : `[${address}]:${port}`
  return {outer, inner: inner(transport.payloadOffset + 16 + bytes), service}
}
