/**
 * Filters over columns. What the columns hold is decided there; the rest of a filter (names, labels) needs the flow,
 * which is made only for events that the columns have let through, and once for all filters.
 */
import type {Flow, FlowFilter} from '../../api/gen/flow.ts'
import {eventType} from '../../datapath/gen/enums.ts'
import type {Cidr} from '../../model/cidr.ts'
import {compileField, type FlowTest, givenFields, matchesEventType} from '../filter/flow-filter.ts'
import {portOf, prefixOf} from '../filter/patterns.ts'
import type {EventColumns, Read} from './event-columns.ts'

type SlotTest = (slot: number) => boolean

/** Of one filter: its columns, and what is left for the flow. */
interface Compiled {
  readonly columns: SlotTest
  readonly rest: FlowTest | undefined
}

export interface EventFilter {
  /** Whether an event is wanted. @param flow makes it, when columns do not suffice */
  matches(slot: number, flow: () => Flow): boolean
}

/** @throws FLOW_FILTER_INVALID */
export function compileEventFilter(
  columns: EventColumns,
  whitelist: readonly FlowFilter[],
  blacklist: readonly FlowFilter[],
): EventFilter {
  const wanted = whitelist.map((filter) => compile(columns, filter))
  const unwanted = blacklist.map((filter) => compile(columns, filter))
  return {
    matches(slot, flow) {
      if (wanted.length > 0 && !anyMatches(wanted, slot, flow)) return false
      return !anyMatches(unwanted, slot, flow)
    },
  }
}

function anyMatches(filters: readonly Compiled[], slot: number, flow: () => Flow): boolean {
  for (const {columns, rest} of filters) {
    if (columns(slot) && (rest === undefined || rest(flow()))) return true
  }
  return false
}

function compile(columns: EventColumns, filter: FlowFilter): Compiled {
  const tests: SlotTest[] = []
  const rest: FlowTest[] = []
  for (const field of givenFields(filter)) {
    // also refuses what is wrong
    const flowTest = compileField(field, filter[field]! as never)
    const slotTest = columnTest(columns, filter, field)
    if (slotTest === undefined) rest.push(flowTest)
    else tests.push(slotTest)
  }
  return {columns: all(tests), rest: rest.length === 0 ? undefined : (flow) => rest.every((test) => test(flow))}
}

function all(tests: readonly SlotTest[]): SlotTest {
  const [first, second, third] = tests
  if (first === undefined) return () => true
  if (second === undefined) return first
  if (third === undefined) return (slot) => first(slot) && second(slot)
  return (slot) => tests.every((test) => test(slot))
}

/** The test of a field over columns; undefined when they do not say enough. */
function columnTest(c: EventColumns, filter: FlowFilter, field: keyof FlowFilter): SlotTest | undefined {
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
      return withPorts(
        c,
        oneOf(
          c.sourcePort,
          filter.source_port!.map((text) => portOf(text, field)),
        ),
      )
    case 'destination_port':
      return withPorts(
        c,
        oneOf(
          c.destinationPort,
          filter.destination_port!.map((text) => portOf(text, field)),
        ),
      )
    case 'source_identity':
      return oneOf(c.sourceIdentity, filter.source_identity!)
    case 'destination_identity':
      return oneOf(c.destinationIdentity, filter.destination_identity!)
    case 'verdict':
      return oneOf(c.verdict, filter.verdict!)
    case 'traffic_direction':
      return oneOf(c.direction, filter.traffic_direction!)
    case 'drop_reason_desc':
      return oneOf(dropReasonOf(c), filter.drop_reason_desc!)
    case 'encrypted':
      return oneOf(c.encrypted, filter.encrypted!.map(Number))
    case 'ip_version':
      return oneOf(
        c.family,
        filter.ip_version!.map((version) => (version === 1 ? 4 : version === 2 ? 6 : 0)),
      )
    case 'event_type': {
      const wanted = filter.event_type!
      return (slot) => wanted.some((one) => matchesEventType(one, c.type(slot), c.subType(slot)))
    }
    case 'protocol':
      return protocols(c, filter.protocol!)
    case 'reply': {
      const wanted = filter.reply!
      return (slot) => {
        const reply = c.reply(slot)
        if (reply === 0) return c.verdict(slot) === 2 && wanted.includes(false)
        return wanted.includes(reply === 2)
      }
    }
    default:
      return undefined
  }
}

function oneOf(read: Read, values: readonly number[]): SlotTest {
  const [only] = values
  if (values.length === 1) return (slot) => read(slot) === only
  const wanted = new Set(values)
  return (slot) => wanted.has(read(slot))
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
function withPorts(c: EventColumns, test: SlotTest): SlotTest {
  return (slot) => {
    if (!test(slot)) return false
    const protocol = c.protocol(slot)
    return protocol === 6 || protocol === 17 || protocol === 132
  }
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
  // no event of the programs is a record of layer 7
  dns: [],
  http: [],
  kafka: [],
}

function protocols(c: EventColumns, names: readonly string[]): SlotTest {
  return oneOf(c.protocol, [...new Set(names.flatMap((name) => protocolNumbers[name.toLowerCase()] ?? []))])
}

interface MaskedAddress {
  readonly words: Uint32Array
  readonly masks: Uint32Array
}

function inPrefixes(columns: readonly Uint32Array[], prefixes: readonly Cidr[]): SlotTest {
  const [c0, c1, c2, c3] = columns as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
  const wanted = prefixes.map(maskedAddress)
  return (slot) => {
    for (const {words, masks} of wanted) {
      // the last word says the most
      if (
        (c3[slot]! & masks[3]!) >>> 0 === words[3] &&
        (c2[slot]! & masks[2]!) >>> 0 === words[2] &&
        (c1[slot]! & masks[1]!) >>> 0 === words[1] &&
        (c0[slot]! & masks[0]!) >>> 0 === words[0]
      )
        return true
    }
    return false
  }
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
