import type {Flow, FlowKey} from '../../../datapath/gen/types.ts'
import {endText, type FlowEntry, flagNames, hasFlag, keyText, protocolName} from './flow.ts'

/** A tracked connection: both entries of a flow. Rx is what came back. Names are those of existing readers. */
export interface Connection {
  readonly Key: {
    readonly Protocol: string
    readonly Direction: 'IN' | 'OUT'
    readonly SourceAddr: string
    readonly DestAddr: string
  }
  readonly Value: {
    /** s on the boot clock */
    readonly Lifetime: number
    readonly Related: boolean
    readonly Service: boolean
    readonly RxPackets: number
    readonly RxBytes: number
    readonly RxFlagsSeen: number
    readonly TxPackets: number
    readonly TxBytes: number
    readonly TxFlagsSeen: number
    readonly Flags: number
    readonly FlagNames: readonly string[]
    readonly RevNAT: number
    readonly SourceSecurityID: number
    readonly IfIndex: number
  }
}

/** Pairs the entries of flows. An entry whose partner is missing still shows. */
export function connections(entries: readonly FlowEntry[]): readonly Connection[] {
  const reverse = new Map(
    entries
      .filter(([, flow]) => hasFlag(flow, 'FLOW_REVERSE'))
      .map(([{src, sport, dst, dport, proto}, flow]) => [keyText(src, sport, dst, dport, proto), flow]),
  )
  return entries
    .filter(([, flow]) => !hasFlag(flow, 'FLOW_REVERSE'))
    .map(([key, flow]) => connection(key, flow, reverse.get(answerKey(key, flow))))
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
}

/** The key that an answer arrives with: what leaves, turned round. An echo's identifier stays where it is. */
function answerKey({proto}: FlowKey, {toSrc, toSport, toDst, toDport}: Flow): string {
  return isEcho(proto) ? keyText(toDst, toSport, toSrc, toDport, proto) : keyText(toDst, toDport, toSrc, toSport, proto)
}

function isEcho(proto: number): boolean {
  return proto === 1 || proto === 58
}

function connection(key: FlowKey, flow: Flow, answers: Flow | undefined): Connection {
  const inbound = flow.srcEndpoint === 0 && flow.dstEndpoint !== 0
  return {
    Key: {
      Protocol: protocolName(key.proto),
      Direction: inbound ? 'IN' : 'OUT',
      SourceAddr: endText(key.src, key.sport),
      DestAddr: endText(key.dst, key.dport),
    },
    Value: {
      Lifetime: Number(flow.expires / 1_000_000_000n),
      Related: hasFlag(flow, 'FLOW_RELATED'),
      Service: flow.service !== 0,
      RxPackets: answers?.packets ?? 0,
      RxBytes: answers?.bytes ?? 0,
      RxFlagsSeen: answers?.tcpFlags ?? 0,
      TxPackets: flow.packets,
      TxBytes: flow.bytes,
      TxFlagsSeen: flow.tcpFlags,
      Flags: flow.flags,
      FlagNames: flagNames(flow.flags),
      RevNAT: flow.service,
      SourceSecurityID: flow.srcIdentity,
      IfIndex: flow.ifindex,
    },
  }
}

function sortKey({Key}: Connection): string {
  return `${Key.Protocol} ${Key.SourceAddr} ${Key.DestAddr}`
}

/** One line a connection. @param nowS seconds on the boot clock, to show how long each has left; undefined: not shown */
export function connectionText(list: readonly Connection[], nowS?: number): string {
  return list.map((one) => `${connectionLine(one, nowS)}\n`).join('')
}

function connectionLine({Key, Value}: Connection, nowS: number | undefined): string {
  const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`
  const left = nowS === undefined ? '' : ` (remaining: ${Math.max(0, Value.Lifetime - nowS)} sec(s))`
  return [
    `${Key.Protocol} ${Key.Direction} ${Key.SourceAddr} -> ${Key.DestAddr}`,
    ...(Value.Related ? ['related'] : []),
    ...(Value.Service ? ['service'] : []),
    `expires=${Value.Lifetime}${left}`,
    `RxPackets=${Value.RxPackets} RxBytes=${Value.RxBytes} RxFlagsSeen=${hex(Value.RxFlagsSeen, 2)} LastRxReport=0`,
    `TxPackets=${Value.TxPackets} TxBytes=${Value.TxBytes} TxFlagsSeen=${hex(Value.TxFlagsSeen, 2)} LastTxReport=0`,
    `Flags=${hex(Value.Flags, 4)} [ ${Value.FlagNames.map((name) => `${name} `).join('')}]`,
    `RevNAT=${Value.RevNAT} SourceSecurityID=${Value.SourceSecurityID} IfIndex=${Value.IfIndex} `,
  ].join(' ')
}
