/** Packets that speak about other packets or about neighbours: ICMP errors, ARP, neighbour discovery. */
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {type EthernetSpec, etherTypes, icmp, type Packet, writeEthernet} from './packet.ts'

/** ICMP (RFC 792) and ICMPv6 (RFC 4443) errors by what they say. */
const errors = {
  'host-unreachable': {4: [3, 1], 6: [1, 3]},
  'port-unreachable': {4: [3, 3], 6: [1, 4]},
  prohibited: {4: [3, 13], 6: [1, 1]},
  'too-big': {4: [3, 4], 6: [2, 0]},
  'time-exceeded': {4: [11, 0], 6: [3, 0]},
  'reassembly-exceeded': {4: [11, 1], 6: [3, 1]},
  'parameter-problem': {4: [12, 0], 6: [4, 0]},
} as const

export type IcmpErrorKind = keyof typeof errors

/**
 * An error about a packet that its sender gets.
 *
 * @param from who complains: a router, or the destination
 * @param about the packet as the complainer saw it
 * @param options mtu: of too-big; quoted: bytes of the packet that are repeated (IPv4 routers may quote 28 only)
 */
export function icmpError(
  kind: IcmpErrorKind,
  from: string,
  about: Packet,
  options: {readonly mtu?: number; readonly quoted?: number} = {},
): Packet {
  const {src} = about.spec.ip
  const [type, code] = errors[kind][src.family]
  const rest = new Uint8Array(4)
  if (options.mtu !== undefined) {
    const view = new DataView(rest.buffer)
    if (src.family === 4) view.setUint16(2, options.mtu)
    else view.setUint32(0, options.mtu)
  }
  const quoted = options.quoted ?? (src.family === 4 ? 548 : 1232)
  return icmp(from, src.toString()).message(type, code, rest).data(about.ipBytes.slice(0, quoted))
}

/** An ARP request or reply (RFC 826), as bytes. */
export function arp(
  operation: 'request' | 'reply',
  sender: {readonly ip: string; readonly mac: string},
  target: {readonly ip: string; readonly mac?: string},
): Uint8Array {
  const dst = operation === 'request' ? 'ff:ff:ff:ff:ff:ff' : (target.mac ?? '00:00:00:00:00:00')
  const bytes = new Uint8Array(14 + 28)
  bytes.set(writeEthernet({src: sender.mac, dst}, etherTypes.arp))
  bytes.set([0, 1, 8, 0, 6, 4, 0, operation === 'request' ? 1 : 2], 14)
  bytes.set(Mac.of(sender.mac).toBytes(), 22)
  bytes.set(Ip.of(sender.ip).toBytes(), 28)
  if (target.mac) bytes.set(Mac.of(target.mac).toBytes(), 32)
  bytes.set(Ip.of(target.ip).toBytes(), 38)
  return bytes
}

/** The solicited-node multicast address (RFC 4291) and its Ethernet address. */
function solicitedNode(target: Ip): {ip: string; mac: string} {
  const last = [...target.toBytes().subarray(13)].map((byte) => byte.toString(16).padStart(2, '0'))
  return {ip: `ff02::1:ff${last[0]}:${last[1]}${last[2]}`, mac: `33:33:ff:${last.join(':')}`}
}

/** "Who has this address?" (RFC 4861) */
export function neighbourSolicitation(sender: {readonly ip: string; readonly mac: string}, target: string): Packet {
  const to = solicitedNode(Ip.of(target))
  return icmp(sender.ip, to.ip)
    .message(135, 0)
    .data(Uint8Array.from([...Ip.of(target).toBytes(), 1, 1, ...Mac.of(sender.mac).toBytes()]))
    .ttl(255)
    .mac(sender.mac, to.mac)
}

/** "I have it." Solicited, override. */
export function neighbourAdvertisement(
  owner: {readonly ip: string; readonly mac: string},
  to: {readonly ip: string; readonly mac: string},
): Packet {
  return icmp(owner.ip, to.ip)
    .message(136, 0, [0x60, 0, 0, 0])
    .data(Uint8Array.from([...Ip.of(owner.ip).toBytes(), 2, 1, ...Mac.of(owner.mac).toBytes()]))
    .ttl(255)
    .mac(owner.mac, to.mac)
}

/** A frame with any EtherType. */
export function frame(type: number, payload: Uint8Array, ethernet?: EthernetSpec): Uint8Array {
  const link = writeEthernet(ethernet ?? {src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02'}, type)
  return Uint8Array.from([...link, ...payload])
}
