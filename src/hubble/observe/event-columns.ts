/** The fields of stored events by slot, and what follows from them: verdict, direction, reply. */
import {eventFlags, eventType} from '../../datapath/gen/enums.ts'
import {eventOffsets as at} from '../../datapath/gen/types.ts'
import {traceEncrypted} from '../../model/trace.ts'
import {accessEventType} from './access-record.ts'
import type {FlowStore} from './flow-store.ts'

/** Reads one field of the event in a slot. */
export type Read = (slot: number) => number

export class EventColumns {
  /** flow.Verdict */
  readonly verdict: Read
  /** 0 unknown, 1 no, 2 yes */
  readonly reply: Read
  /** flow.TrafficDirection */
  readonly direction: Read
  readonly type: Read
  readonly subType: Read
  readonly point: Read
  readonly reason: Read
  readonly policyVerdict: Read
  readonly sourcePort: Read
  readonly destinationPort: Read
  readonly originalPort: Read
  readonly proxyPort: Read
  readonly sourceIdentity: Read
  readonly destinationIdentity: Read
  readonly interface: Read
  readonly cookie: Read
  readonly service: Read
  readonly sourceEndpoint: Read
  readonly destinationEndpoint: Read
  readonly flags: Read
  readonly line: Read
  readonly file: Read
  readonly extendedError: Read
  readonly protocol: Read
  /** of TCP; the type of ICMP */
  readonly tcpFlags: Read
  readonly icmpCode: Read
  readonly encrypted: Read
  /** 4 or 6 */
  readonly family: Read
  readonly socketLow: Read
  readonly socketHigh: Read
  readonly #addresses: Readonly<Record<'src' | 'dst' | 'orig', readonly Uint32Array[]>>

  /** The column with this byte of `struct event`. */
  readonly word: (byteOffset: number) => Uint32Array

  constructor(store: FlowStore) {
    this.word = (byteOffset) => store.column(byteOffset)
    const u32 = (offset: number): Read => {
      const column = store.column(offset)
      return (slot) => column[slot]!
    }
    const u16 = (offset: number): Read => {
      const column = store.column(offset)
      const shift = (offset & 3) * 8
      return (slot) => (column[slot]! >>> shift) & 0xffff
    }
    const u8 = (offset: number): Read => {
      const column = store.column(offset)
      const shift = (offset & 3) * 8
      return (slot) => (column[slot]! >>> shift) & 0xff
    }
    // in network order in memory
    const port = (offset: number): Read => {
      const read = u16(offset)
      return (slot) => {
        const value = read(slot)
        return ((value & 0xff) << 8) | (value >>> 8)
      }
    }
    const verdictColumn = store.column(at.verdict)
    const point = u8(at.point)
    const reason = u8(at.reason)
    const type = u8(at.type)
    const flags = u16(at.flags)
    const policyVerdict: Read = (slot) => verdictColumn[slot]! | 0
    const sourceEndpoint = u16(at.srcEndpoint)
    const recorded = u8(at.direction)
    const reply: Read = (slot) => {
      switch (type(slot)) {
        case eventType.EVENT_TRACE: {
          const why = reason(slot) & ~traceEncrypted
          if (why === 5) return 0
          return why === 2 || (flags(slot) & eventFlags.EVENT_REPLY) !== 0 ? 2 : 1
        }
        case eventType.EVENT_VERDICT:
          return policyVerdict(slot) < 0 ? 0 : 1
        case accessEventType:
          return (flags(slot) & eventFlags.EVENT_REPLY) !== 0 ? 2 : 1
        default:
          return 0
      }
    }
    this.type = type
    this.point = point
    this.reason = reason
    this.flags = flags
    this.policyVerdict = policyVerdict
    this.sourceEndpoint = sourceEndpoint
    this.reply = reply
    this.subType = (slot) => {
      const kind = type(slot)
      return kind === eventType.EVENT_VERDICT || kind === accessEventType ? 0 : point(slot)
    }
    this.verdict = (slot) => {
      switch (type(slot)) {
        case eventType.EVENT_DROP:
          return 2
        case eventType.EVENT_TRACE:
          return 1
        case eventType.EVENT_VERDICT: {
          const value = policyVerdict(slot)
          if (value < 0) return 2
          if (value > 0) return 5
          return (flags(slot) & eventFlags.EVENT_AUDITED) === 0 ? 1 : 4
        }
        case accessEventType:
          return point(slot)
        default:
          // before and after the translation take turns
          return (point(slot) & 1) === 1 ? 6 : 7
      }
    }
    this.direction = (slot) => {
      const kind = type(slot)
      const known = recorded(slot)
      if (kind === eventType.EVENT_VERDICT || kind === accessEventType) return known === 1 || known === 2 ? known : 0
      if (kind === eventType.EVENT_DROP) {
        if (known === 1 || known === 2) return known
        return sourceEndpoint(slot) === 0 ? 1 : 2
      }
      if (kind !== eventType.EVENT_TRACE) return 0
      const isReply = reply(slot)
      if (isReply === 0) return 0
      return (sourceEndpoint(slot) !== 0) !== (isReply === 2) ? 2 : 1
    }
    this.sourcePort = port(at.sport)
    this.destinationPort = port(at.dport)
    this.originalPort = port(at.origPort)
    this.proxyPort = port(at.proxyPort)
    this.sourceIdentity = u32(at.srcIdentity)
    this.destinationIdentity = u32(at.dstIdentity)
    this.interface = u32(at.ifindex)
    this.cookie = u32(at.cookie)
    this.service = u32(at.service)
    this.destinationEndpoint = u16(at.dstEndpoint)
    this.line = u16(at.line)
    this.file = u8(at.file)
    const extendedError = u8(at.extError)
    this.extendedError = (slot) => (extendedError(slot) << 24) >> 24
    this.protocol = u8(at.proto)
    this.tcpFlags = u8(at.tcpFlags)
    this.icmpCode = u8(at.icmpCode)
    this.encrypted = (slot) => (type(slot) === eventType.EVENT_TRACE && (reason(slot) & traceEncrypted) !== 0 ? 1 : 0)
    this.family = (slot) => ((flags(slot) & eventFlags.EVENT_IPV6) === 0 ? 4 : 6)
    this.socketLow = u32(at.socket)
    this.socketHigh = u32(at.socket + 4)
    const words = (offset: number) => [0, 4, 8, 12].map((more) => store.column(offset + more))
    this.#addresses = {src: words(at.src), dst: words(at.dst), orig: words(at.orig)}
  }

  /** The four columns of an address, in network order in memory. */
  address(end: 'src' | 'dst' | 'orig'): readonly Uint32Array[] {
    return this.#addresses[end]
  }

  /** Copies an address: 16 bytes in network order, IPv4 in its mapped form. */
  addressBytes(end: 'src' | 'dst' | 'orig', slot: number): Uint8Array {
    const columns = this.#addresses[end]
    return new Uint8Array(
      Uint32Array.of(columns[0]![slot]!, columns[1]![slot]!, columns[2]![slot]!, columns[3]![slot]!).buffer,
    )
  }
}
