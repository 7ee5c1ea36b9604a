import type {Event} from '../../../datapath/gen/types.ts'
import {monitorTypes} from '../../../model/trace.ts'
import {fail} from '../../../runtime/errors.ts'
import {declareUsageErrors} from '../../errors.ts'
import {nearest} from '../../suggestion.ts'
import type {MonitorItem} from './listen.ts'

const {MONITOR_TYPE_UNKNOWN} = declareUsageErrors({
  MONITOR_TYPE_UNKNOWN: {what: '"{type}" is no type of event', advice: '{hint}'},
})

/** Which events are asked for; empty lists ask for all. */
export interface MonitorFilter {
  /** numbers of monitor types */
  readonly types: readonly number[]
  /** endpoint ids */
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly relatedTo: readonly number[]
}

/** Reads names or numbers of event types. @throws MONITOR_TYPE_UNKNOWN */
export function parseTypes(words: readonly string[]): readonly number[] {
  return words.map((word) => {
    const number = /^\d+$/.test(word) ? Number(word) : monitorTypes[word as keyof typeof monitorTypes]
    if (Object.values(monitorTypes).some((known) => known === number && known !== 0)) return number
    const names = Object.keys(monitorTypes).filter((name) => name !== 'unspecified')
    const meant = nearest(word, names)
    const hint = meant === undefined ? `choose among ${names.join(', ')}` : `did you mean ${meant}?`
    return fail(MONITOR_TYPE_UNKNOWN, {type: word, hint})
  })
}

export function isWanted(item: MonitorItem, filter: MonitorFilter): boolean {
  if (item.kind === 'hello' || item.kind === 'lost') return true
  if (item.kind === 'notice') {
    const onlyEndpoints = filter.from.length + filter.to.length + filter.relatedTo.length > 0
    return !onlyEndpoints && (filter.types.length === 0 || filter.types.includes(monitorTypes.agent))
  }
  return isEventWanted(item.event, filter)
}

function isEventWanted({type, srcEndpoint, dstEndpoint}: Event, {types, from, to, relatedTo}: MonitorFilter): boolean {
  return (
    (types.length === 0 || types.includes(type)) &&
    (from.length === 0 || from.includes(srcEndpoint)) &&
    (to.length === 0 || to.includes(dstEndpoint)) &&
    (relatedTo.length === 0 || relatedTo.includes(srcEndpoint) || relatedTo.includes(dstEndpoint))
  )
}
