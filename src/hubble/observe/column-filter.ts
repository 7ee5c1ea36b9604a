/**
 * Filters over columns. What the columns hold is decided there; the rest of a filter (names, labels) needs the flow,
 * which is made only for events that the columns have let through, and once for all filters.
 */
import type {Flow, FlowFilter} from '../../api/gen/flow.ts'
import {eventFlags, eventType} from '../../datapath/gen/enums.ts'
import {eventOffsets as at} from '../../datapath/gen/types.ts'
import type {Cidr} from '../../model/cidr.ts'
import {checkFilterSize, compileField, type FlowTest, givenFields, matchesEventType} from '../filter/flow-filter.ts'
import {portOf, prefixOf} from '../filter/patterns.ts'
import {accessEventType} from './access-record.ts'
import type {EventColumns, Read} from './event-columns.ts'
import {addressUnder, among, both, type Narrow, where} from './narrow.ts'

/** Of one filter: its columns, and what is left for the flow. */
interface Compiled {
  readonly columns: Narrow
  readonly rest: FlowTest | undefined
}

export interface EventFilter {
  /** a column does not suffice: flows are made to find out */
  readonly needsFlows: boolean
  /**
   * Leaves the slots that are wanted, in their order, at the front of the list.
   *
   * @param flow makes the flow of a slot, when columns do not suffice
   * @returns how many are left
   */
  select(slots: Uint32Array, count: number, flow: (slot: number) => Flow): number
}

/** @throws FLOW_FILTER_INVALID */
export function compileEventFilter(
  columns: EventColumns,
  whitelist: readonly FlowFilter[],
  blacklist: readonly FlowFilter[],
): EventFilter {
  checkFilterSize([...whitelist, ...blacklist])
  const wanted = whitelist.map((filter) => compile(columns, filter))
  const unwanted = blacklist.map((filter) => compile(columns, filter))
  return {
    needsFlows: [...wanted, ...unwanted].some(({rest}) => rest !== undefined),
    select(slots, count, flow) {
      const left = wanted.length === 0 ? count : keepAny(wanted, slots, count, flow)
      return unwanted.length === 0 || left === 0 ? left : dropAny(unwanted, slots, left, flow)
    },
  }
}

type MakeFlow = (slot: number) => Flow

function one({columns, rest}: Compiled, slots: Uint32Array, count: number, flow: MakeFlow): number {
  const left = columns(slots, count)
  if (rest === undefined) return left
  let kept = 0
  for (let i = 0; i < left; i++) if (rest(flow(slots[i]!))) slots[kept++] = slots[i]!
  return kept
}

/** Slots that at least one filter wants. */
function keepAny(filters: readonly Compiled[], slots: Uint32Array, count: number, flow: MakeFlow): number {
  const [only] = filters
  if (filters.length === 1) return one(only!, slots, count, flow)
  const marked = marks(filters, slots, count, flow)
  return marked === undefined ? 0 : keepMarked(slots, count, marked, 1)
}

/** Slots that no filter wants. */
function dropAny(filters: readonly Compiled[], slots: Uint32Array, count: number, flow: MakeFlow): number {
  const marked = marks(filters, slots, count, flow)
  return marked === undefined ? count : keepMarked(slots, count, marked, 0)
}

/** By place in the list: 1 for what a filter has chosen; undefined: nothing is chosen, as most often. */
function marks(
  filters: readonly Compiled[],
  slots: Uint32Array,
  count: number,
  flow: MakeFlow,
): Uint8Array | undefined {
  let marked: Uint8Array | undefined
  const open = new Uint32Array(count)
  for (const filter of filters) {
    open.set(slots.subarray(0, count))
    const chosen = one(filter, open, count, flow)
    if (chosen === 0) continue
    marked ??= new Uint8Array(count)
    // both lists are in the same order
    for (let i = 0, next = 0; next < chosen; i++) {
      if (slots[i] !== open[next]) continue
      marked[i] = 1
      next++
    }
  }
  return marked
}

function keepMarked(slots: Uint32Array, count: number, marked: Uint8Array, mark: 0 | 1): number {
  let kept = 0
  for (let i = 0; i < count; i++) if (marked[i] === mark) slots[kept++] = slots[i]!
  return kept
}

function compile(columns: EventColumns, filter: FlowFilter): Compiled {
  const narrows: {readonly field: keyof FlowFilter; readonly narrow: Narrow}[] = []
  const rest: FlowTest[] = []
  for (const field of givenFields(filter)) {
    // also refuses what is wrong
    const flowTest = compileField(field, filter[field]! as never)
    const narrow = columnTest(columns, filter, field)
    if (narrow === undefined) rest.push(flowTest)
    else narrows.push({field, narrow})
  }
  narrows.sort((a, b) => rank(a.field) - rank(b.field))
  return {
    columns: both(narrows.map(({narrow}) => narrow)),
    rest: rest.length === 0 ? undefined : (flow) => rest.every((test) => test(flow)),
  }
}

/** What leaves the fewest comes first; what costs more comes last. */
const ranks: readonly (keyof FlowFilter)[] = [
  'source_identity',
  'destination_identity',
  'destination_port',
  'source_port',
  'source_ip',
  'destination_ip',
]

function rank(field: keyof FlowFilter): number {
  const found = ranks.indexOf(field)
  return found < 0 ? ranks.length : found
}

/** The test of a field over columns; undefined when they do not say enough. */
function columnTest(c: EventColumns, filter: FlowFilter, field: keyof FlowFilter): Narrow | undefined {
  switch (field) {
    case 'source_ip':
      return inPrefixes(
        c.address('src'),
        filter.source_ip!.map((text) => prefixOf(text, field)),
      )
    case 'destination_ip':
      return inPrefixes(
        c.address('dst'),
        filter.destination_ip!.map((text) => prefixOf(text, field)),
      )
    case 'source_port':
      return withPort(c, at.sport, filter.source_port!, field)
    case 'destination_port':
      return withPort(c, at.dport, filter.destination_port!, field)
    case 'source_identity':
      return among(c.word(at.srcIdentity), 0, 32, filter.source_identity!)
    case 'destination_identity':
      return among(c.word(at.dstIdentity), 0, 32, filter.destination_identity!)
    case 'verdict':
      return withVerdict(c, filter.verdict!)
    case 'traffic_direction':
      return readAmong(c.direction, filter.traffic_direction!)
    case 'drop_reason_desc':
      return readAmong(dropReasonOf(c), filter.drop_reason_desc!)
    case 'encrypted':
      return readAmong(c.encrypted, filter.encrypted!.map(Number))
    case 'ip_version':
      return readAmong(
        c.family,
        filter.ip_version!.map((version) => (version === 1 ? 4 : version === 2 ? 6 : 0)),
      )
    case 'event_type': {
      const wanted = filter.event_type!
      return where((slot) => wanted.some((one) => matchesEventType(one, c.type(slot), c.subType(slot))))
    }
    case 'protocol':
      // records of layer 7 are beside the columns
      return filter.protocol!.every((name) => protocolNumbers[name.toLowerCase()] !== undefined)
        ? protocols(c, filter.protocol!)
        : undefined
    case 'reply': {
      const wanted = filter.reply!
      return where((slot) => {
        const reply = c.reply(slot)
        if (reply === 0) return c.verdict(slot) === 2 && wanted.includes(false)
        return wanted.includes(reply === 2)
      })
    }
    default:
      return undefined
  }
}

function readAmong(read: Read, values: readonly number[]): Narrow {
  const wanted = new Set(values)
  return where((slot) => wanted.has(read(slot)))
}

/** The same as `EventColumns.verdict`, without a call for each slot. */
function withVerdict(c: EventColumns, values: readonly number[]): Narrow {
  const typeWord = c.word(at.type)
  const verdictWord = c.word(at.verdict)
  const flagsWord = c.word(at.flags)
  const typeShift = (at.type & 3) * 8
  const pointShift = (at.point & 3) * 8
  const audited = eventFlags.EVENT_AUDITED << ((at.flags & 3) * 8)
  let wanted = 0
  for (const value of values) if (value >= 0 && value < 32) wanted |= 1 << value
  return (slots, count) => {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!
      const word = typeWord[slot]!
      const type = (word >>> typeShift) & 0xff
      let verdict: number
      if (type === eventType.EVENT_TRACE) verdict = 1
      else if (type === eventType.EVENT_DROP) verdict = 2
      else if (type === eventType.EVENT_VERDICT) {
        const decided = verdictWord[slot]! | 0
        verdict = decided < 0 ? 2 : decided > 0 ? 5 : (flagsWord[slot]! & audited) === 0 ? 1 : 4
      } else if (type === accessEventType) verdict = (word >>> pointShift) & 0x1f
      else verdict = ((word >>> pointShift) & 1) === 1 ? 6 : 7
      slots[kept] = slot
      kept += (wanted >>> verdict) & 1
    }
    return kept
  }
}

function dropReasonOf(c: EventColumns): Read {
  return (slot) => {
    const type = c.type(slot)
    if (type === eventType.EVENT_DROP) return c.point(slot)
    if (type !== eventType.EVENT_VERDICT) return 0
    return Math.max(0, -c.policyVerdict(slot))
  }
}

/** Ports of ICMP are none. */
function withPort(c: EventColumns, offset: number, texts: readonly string[], field: string): Narrow {
  // in network order in the column
  const ports = texts.map((text) => portOf(text, field)).map((port) => ((port & 0xff) << 8) | (port >>> 8))
  return both([
    among(c.word(offset), (offset & 3) * 8, 16, ports),
    among(c.word(at.proto), (at.proto & 3) * 8, 8, [6, 17, 132]),
  ])
}

const protocolNumbers: Readonly<Record<string, readonly number[]>> = {
  icmp: [1, 58],
  icmpv4: [1],
  icmpv6: [58],
  tcp: [6],
  udp: [17],
  sctp: [132],
  vrrp: [112],
  igmp: [2],
}

function protocols(c: EventColumns, names: readonly string[]): Narrow {
  const numbers = [...new Set(names.flatMap((name) => protocolNumbers[name.toLowerCase()] ?? []))]
  return among(c.word(at.proto), (at.proto & 3) * 8, 8, numbers)
}

interface MaskedAddress {
  readonly words: Uint32Array
  readonly masks: Uint32Array
}

function inPrefixes(columns: readonly Uint32Array[], prefixes: readonly Cidr[]): Narrow {
  const wanted = prefixes.map(maskedAddress)
  const [only] = wanted
  if (wanted.length === 1) return addressUnder(columns, only!.words, only!.masks)
  const [c0, c1, c2, c3] = columns as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
  return where((slot) => {
    for (const {words, masks} of wanted) {
      // the last word says the most
      if (
        ((c3[slot]! ^ words[3]!) & masks[3]!) === 0 &&
        ((c2[slot]! ^ words[2]!) & masks[2]!) === 0 &&
        ((c1[slot]! ^ words[1]!) & masks[1]!) === 0 &&
        ((c0[slot]! ^ words[0]!) & masks[0]!) === 0
      )
        return true
    }
    return false
  })
}

function maskedAddress(prefix: Cidr): MaskedAddress {
  const mask = new Uint8Array(16)
  const bits = prefix.length + (prefix.family === 4 ? 96 : 0)
  for (let bit = 0; bit < bits; bit++) mask[bit >> 3]! |= 0x80 >> (bit & 7)
  return {
    words: new Uint32Array(Uint8Array.from(prefix.network.toMappedBytes()).buffer),
    masks: new Uint32Array(mask.buffer),
  }
}
