/** The packet of an event in words: its two ends and what it carries. */
import type {Event} from '../../../datapath/gen/types.ts'
import {type Identity, reservedName} from '../../../model/identity.ts'
import {Ip} from '../../../model/ip.ts'

const protocolsWithPorts: Readonly<Record<number, string>> = {6: 'tcp', 17: 'udp', 132: 'sctp'}

/** In the order that readers expect. */
const tcpFlags = [
  ['SYN', 0x02],
  ['ACK', 0x10],
  ['RST', 0x04],
  ['FIN', 0x01],
] as const

const icmpTypes: Readonly<Record<number, string>> = {
  0: 'EchoReply',
  3: 'DestinationUnreachable',
  5: 'Redirect',
  8: 'EchoRequest',
  11: 'TimeExceeded',
  12: 'ParameterProblem',
}

const icmpv6Types: Readonly<Record<number, string>> = {
  1: 'DestinationUnreachable',
  2: 'PacketTooBig',
  3: 'TimeExceeded',
  4: 'ParameterProblem',
  128: 'EchoRequest',
  129: 'EchoReply',
  133: 'RouterSolicitation',
  134: 'RouterAdvertisement',
  135: 'NeighborSolicitation',
  136: 'NeighborAdvertisement',
}

/** `a:p -> b:q tcp SYN, ACK`, `a -> b EchoRequest`, `a -> b`. */
export function connText(event: Event): string {
  const {src, dst, sport, dport, proto, tcpFlags: flags} = event
  const withPorts = protocolsWithPorts[proto]
  if (withPorts !== undefined) {
    const flagText = proto === 6 ? ` ${flagNames(flags).join(', ')}` : ''
    return `${endText(src, sport)} -> ${endText(dst, dport)} ${withPorts}${flagText}`.trimEnd()
  }
  const ends = `${Ip.fromBytes(src)} -> ${Ip.fromBytes(dst)}`
  if (proto === 1) return `${ends} ${icmpTypes[flags] ?? `ICMP type ${flags}`}`
  if (proto === 58) return `${ends} ${icmpv6Types[flags] ?? `ICMPv6 type ${flags}`}`
  return ends
}

export function flagNames(flags: number): string[] {
  return tcpFlags.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name)
}

export function endText(address: Uint8Array, port: number): string {
  const ip = Ip.fromBytes(address)
  return ip.family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** A number that both directions of a connection share, as existing lines have one (FNV-1a over the sorted ends). */
export function flowHash({src, dst, sport, dport, proto}: Event): number {
  const ends = [
    [...src, sport >> 8, sport & 0xff],
    [...dst, dport >> 8, dport & 0xff],
  ].sort((a, b) => (a.join() < b.join() ? -1 : 1))
  let hash = 0x811c9dc5
  for (const byte of [...ends[0]!, ...ends[1]!, proto]) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** A reserved identity by its name, others by their number; with `numeric` all by number. */
export function identityText(id: number, numeric: boolean): string {
  return numeric ? String(id) : (reservedName(id as Identity) ?? String(id))
}
