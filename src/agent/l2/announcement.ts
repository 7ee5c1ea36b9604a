/** Frames that tell a link who has an address now: gratuitous ARP (RFC 5227), unsolicited advertisement (RFC 4861). Pure. */
import {Ip} from '../../model/ip.ts'
import type {Mac} from '../../model/mac.ts'

const allNodes = Ip.of('ff02::1').toBytes()

/** @param mac the device's, which answers for the address from now on */
export function announcement(ip: Ip, mac: Mac): Uint8Array {
  return ip.family === 4 ? gratuitousArp(ip.toBytes(), mac.toBytes()) : advertisement(ip.toBytes(), mac.toBytes())
}

function gratuitousArp(ip: Uint8Array, mac: Uint8Array): Uint8Array {
  const broadcast = new Uint8Array(6).fill(0xff)
  return concat(
    ...[broadcast, mac, [0x08, 0x06]],
    [0, 1, 0x08, 0x00, 6, 4, 0, 1], // a request: what every stack takes, also those that mind unasked replies
    ...[mac, ip, new Uint8Array(6), ip],
  )
}

function advertisement(ip: Uint8Array, mac: Uint8Array): Uint8Array {
  const override = [0x20, 0, 0, 0]
  const message = concat([136, 0, 0, 0], override, ip, [2, 1], mac)
  const pseudo = concat(ip, allNodes, [0, 0, 0, message.length], [0, 0, 0, 58])
  const sum = checksum(concat(pseudo, message))
  message[2] = sum >> 8
  message[3] = sum & 0xff
  const header = concat([0x60, 0, 0, 0, 0, message.length, 58, 255], ip, allNodes)
  return concat([0x33, 0x33, 0, 0, 0, 1], mac, [0x86, 0xdd], header, message)
}

/** The group in which an IPv6 address is asked for. */
export function solicitedNodeGroup(ip: Ip): Uint8Array {
  const group = Ip.of('ff02::1:ff00:0').toBytes()
  group.set(ip.toBytes().subarray(13), 13)
  return group
}

function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function concat(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
