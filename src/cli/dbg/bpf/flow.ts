/** Flows of the datapath as connections and translations: what two lists show of the same entries. */
import {readFileSync} from 'node:fs'
import {flowFlags} from '../../../datapath/gen/enums.ts'
import type {Flow, FlowKey} from '../../../datapath/gen/types.ts'
import {Ip} from '../../../model/ip.ts'
import {type MapPlace, openMaps} from './map-place.ts'

export type FlowEntry = readonly [FlowKey, Flow]

/** All entries of all shards. Other processors go on writing: an entry that moves meanwhile may be missed. */
export async function readFlows(place: MapPlace): Promise<readonly FlowEntry[]> {
  const {maps, open} = await openMaps(place)
  return [...maps.readFlows(open)]
}

/** The clock that `expires` and `created` are in: ns since the machine started, time asleep included. */
export function bootTime(): bigint {
  const seconds = readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0]!
  return BigInt(Math.round(Number(seconds) * 1000)) * 1_000_000n
}

const protocols: Readonly<Record<number, string>> = {1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6', 132: 'SCTP'}

export function protocolName(number: number): string {
  return protocols[number] ?? String(number)
}

export function endText(address: Uint8Array, port: number): string {
  const ip = Ip.fromBytes(address)
  return ip.family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** The flags of a flow by their names, without the prefix: Snat, Loopback. */
export function flagNames(flags: number): string[] {
  return Object.entries(flowFlags)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => camel(name.slice('FLOW_'.length)))
}

export function hasFlag(flow: Flow, flag: keyof typeof flowFlags): boolean {
  return (flow.flags & flowFlags[flag]) !== 0
}

function camel(name: string): string {
  return name
    .split('_')
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join('')
}

/** A key as text, to find the other entry of a pair by. */
export function keyText(src: Uint8Array, sport: number, dst: Uint8Array, dport: number, proto: number): string {
  return `${proto} ${endText(src, sport)} ${endText(dst, dport)}`
}
