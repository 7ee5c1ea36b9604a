/** IP inside IP (RFC 2003, RFC 2473), both of one family. */
import {Packet, rawIp} from './packet.ts'
import {type ParsedPacket, parsePacket} from './parse.ts'

const numbers = {4: 4, 6: 41} as const

/** A packet inside another one. */
export function wrap(from: string, to: string, inner: Packet | Uint8Array): Packet {
  const bytes = inner instanceof Packet ? inner.ipBytes : inner.subarray(14)
  const outer = rawIp(from, to, 4)
  return rawIp(from, to, numbers[outer.spec.ip.src.family]).data(bytes)
}

/**
 * The two packets of one.
 *
 * @param frame with its Ethernet header, which the inner one gets, too
 * @throws TypeError when it bears no packet of its own family
 */
export function unwrap(frame: Uint8Array): {outer: ParsedPacket; inner: Uint8Array} {
  const outer = parsePacket(frame)
  const {ip} = outer
  if (ip === undefined || ip.protocol !== numbers[ip.version]) throw new TypeError('no packet inside another one')
  return {outer, inner: Buffer.concat([frame.subarray(0, 14), frame.subarray(ip.transportOffset, ip.end)])}
}
