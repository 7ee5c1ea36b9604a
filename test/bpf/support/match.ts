/**
 * expect(run.packet).toMatchPacket({src: '10.0.1.5:80', ttl: 63}): says what matters, and besides that every packet must
 * be sound: lengths and checksums, those of what it carries included.
 */
import {expect} from 'vitest'
import {Packet} from './packet.ts'
import {ParsedPacket, type Problem} from './parse.ts'

export interface PacketExpectation {
  readonly src?: string
  readonly dst?: string
  /** tcp, udp, icmp, icmpv6, arp, or a number as text */
  readonly protocol?: string
  readonly ttl?: number
  readonly tos?: number
  readonly id?: number
  readonly macSource?: string
  readonly macDestination?: string
  readonly flags?: string
  readonly seq?: number
  readonly ack?: number
  readonly payload?: string
  readonly length?: number
  readonly icmp?: {readonly type?: number; readonly code?: number; readonly mtu?: number; readonly id?: number}
  readonly fragment?: {readonly offset: number; readonly more: boolean} | null
  readonly extensions?: readonly number[]
  readonly vni?: number
  readonly arp?: Partial<NonNullable<ParsedPacket['arp']>>
  /** the packet that an ICMP error is about, or that VXLAN carries */
  readonly inner?: PacketExpectation
  /** what is wrong with the packet on purpose; else nothing may be */
  readonly problems?: readonly Problem[]
}

/** Everything that an expectation can name, as plain values. */
export function summarize(packet: ParsedPacket): Record<string, unknown> {
  const {transport, ip, arp, vni, inner} = packet
  return {
    src: packet.src,
    dst: packet.dst,
    protocol: packet.protocol,
    length: packet.bytes.length,
    macSource: packet.macSource,
    macDestination: packet.macDestination,
    payload: Buffer.from(packet.payload).toString('latin1'),
    problems: packet.problems,
    ...(ip ? {ttl: ip.ttl, tos: ip.tos, id: ip.id, fragment: ip.fragment ?? null, extensions: ip.extensions} : {}),
    ...(transport?.tcp ? {flags: transport.tcp.flags, seq: transport.tcp.seq, ack: transport.tcp.ack} : {}),
    ...(transport?.icmp ? {icmp: summarizeIcmp(ip!.version, transport.icmp)} : {}),
    ...(arp ? {arp} : {}),
    ...(vni === undefined ? {} : {vni}),
    ...(inner ? {inner: summarize(inner)} : {}),
  }
}

function summarizeIcmp(version: 4 | 6, {type, code, rest}: {type: number; code: number; rest: Uint8Array}) {
  const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength)
  const mtu = version === 6 ? (type === 2 ? view.getUint32(0) : undefined) : type === 3 ? view.getUint16(2) : undefined
  return {type, code, id: view.getUint16(0), sequence: view.getUint16(2), ...(mtu === undefined ? {} : {mtu})}
}

/** The part of `actual` that `expected` speaks of, at every depth. */
function selected(actual: unknown, expected: unknown): unknown {
  if (!isRecord(expected) || !isRecord(actual)) return actual
  return Object.fromEntries(Object.keys(expected).map((key) => [key, selected(actual[key], expected[key])]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Nothing may be wrong unless the expectation says so, inside as well. */
function withoutProblems(expectation: PacketExpectation, packet: ParsedPacket): PacketExpectation {
  const {inner} = packet
  return {
    problems: [],
    ...expectation,
    ...(inner ? {inner: withoutProblems(expectation.inner ?? {}, inner)} : {}),
  }
}

type Matchable = Uint8Array | Packet | {readonly packet: Uint8Array}

function parse(received: Matchable): ParsedPacket {
  if (received instanceof Uint8Array) return new ParsedPacket(received)
  return new ParsedPacket(received instanceof Packet ? received.bytes : received.packet)
}

expect.extend({
  toMatchPacket(received: Matchable, expectation: PacketExpectation) {
    const packet = parse(received)
    const expected = withoutProblems(expectation, packet)
    const actual = selected(summarize(packet), expected)
    const pass = this.equals(actual, expected)
    return {
      pass,
      actual,
      expected,
      message: () => `packet ${pass ? 'matches' : 'differs'}: ${JSON.stringify(summarize(packet))}`,
    }
  },
})

declare module 'vitest' {
  // the parameters are those of vitest's own declaration
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** The packet has these properties and is sound. */
    toMatchPacket(expectation: PacketExpectation): T extends never ? never : R
  }
}
