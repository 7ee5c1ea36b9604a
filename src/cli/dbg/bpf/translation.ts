import type {Flow, FlowKey} from '../../../datapath/gen/types.ts'
import {endText, type FlowEntry, hasFlag, protocolName} from './flow.ts'

/** One direction of a flow whose source or destination is changed on the way. */
export interface Translation {
  readonly Key: {
    readonly Protocol: string
    readonly Direction: 'IN' | 'OUT'
    readonly SourceAddr: string
    readonly DestAddr: string
  }
  readonly Value: {
    readonly Kind: 'XLATE_SRC' | 'XLATE_DST'
    readonly To: string
    /** s on the boot clock */
    readonly Created: number
  }
}

/** The translated entries of flows: going out the source changes, coming back the destination. */
export function translations(entries: readonly FlowEntry[]): readonly Translation[] {
  return entries.flatMap(([key, flow]) => translationsOf(key, flow)).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
}

function translationsOf(key: FlowKey, flow: Flow): Translation[] {
  const source = endText(key.src, key.sport)
  const destination = endText(key.dst, key.dport)
  const toSource = endText(flow.toSrc, flow.toSport)
  const toDestination = endText(flow.toDst, flow.toDport)
  const of = (Kind: Translation['Value']['Kind'], To: string): Translation => ({
    Key: {
      Protocol: protocolName(key.proto),
      Direction: hasFlag(flow, 'FLOW_REVERSE') ? 'IN' : 'OUT',
      SourceAddr: source,
      DestAddr: destination,
    },
    Value: {Kind, To, Created: Number(flow.created / 1_000_000_000n)},
  })
  return [
    ...(toSource === source ? [] : [of('XLATE_SRC', toSource)]),
    ...(toDestination === destination ? [] : [of('XLATE_DST', toDestination)]),
  ]
}

function sortKey({Key, Value}: Translation): string {
  return `${Key.Protocol} ${Key.Direction} ${Key.SourceAddr} ${Key.DestAddr} ${Value.Kind}`
}

/** One line a translation. @param nowS seconds on the boot clock */
export function translationText(list: readonly Translation[], nowS: number): string {
  return list
    .map(
      ({Key, Value}) =>
        `${Key.Protocol} ${Key.Direction} ${Key.SourceAddr} -> ${Key.DestAddr} ${Value.Kind} ${Value.To} ` +
        `Created=${Math.max(0, nowS - Value.Created)}sec ago NeedsCT=0\n`,
    )
    .join('')
}
