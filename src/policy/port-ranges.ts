/** The ports of rules as ranges that can be compared: does one hold the other, do they meet, where do they change. */
import {hasPorts, protocolNumbers} from '../model/port.ts'
import {formatAsked} from './explain.ts'
import type {Port, Ports} from './rule.ts'

/** What one protocol's questions are numbered by: ports, or ICMP types. */
interface Range {
  readonly protocol: number
  readonly first: number
  readonly last: number
}

const lastPort = 65535

/** Does `wider` allow everything that `ports` does? Names count as what they are called, whatever their numbers. */
export function coversPorts(wider: Ports, ports: Ports): boolean {
  if (wider.kind === 'any' || ports.kind === 'none') return true
  if (wider.kind === 'none' || ports.kind === 'any') return false
  const ranges = mergeRanges(wider.of.flatMap(rangeOf))
  return ports.of.every((port) => {
    if (port.kind === 'name') return wider.of.some((one) => holdsName(one, port))
    const [wanted] = rangeOf(port)
    return ranges.some(
      (one) => one.protocol === wanted!.protocol && one.first <= wanted!.first && wanted!.last <= one.last,
    )
  })
}

/** Is there anything that both allow? */
export function portsMeet(a: Ports, b: Ports): boolean {
  if (a.kind === 'none' || b.kind === 'none') return false
  if (a.kind === 'any' || b.kind === 'any') return true
  return a.of.some((one) =>
    b.of.some((other) => {
      if (one.kind === 'name' || other.kind === 'name') return holdsName(one, other) || holdsName(other, one)
      const [[x], [y]] = [rangeOf(one), rangeOf(other)]
      return x!.protocol === y!.protocol && x!.first <= y!.last && y!.first <= x!.last
    }),
  )
}

/** A stretch of ports of which all these rules say the same. */
export interface PortStretch extends Range {
  /** `TCP/80`, `TCP/81-442`, `TCP` for all of them, `ICMP/8` */
  readonly text: string
}

/** The stretches that lists of ports divide TCP, UDP and, where they are mentioned, SCTP and ICMP into. */
export function portStretches(
  lists: readonly Ports[],
  numbers: readonly {protocol: number; port: number}[],
): PortStretch[] {
  const edges = new Map<number, Set<number>>([
    [protocolNumbers.tcp, new Set([0])],
    [protocolNumbers.udp, new Set([0])],
  ])
  const mark = ({protocol, first, last}: Range) => {
    let marks = edges.get(protocol)
    if (marks === undefined) edges.set(protocol, (marks = new Set([0])))
    marks.add(first)
    if (last < topOf(protocol)) marks.add(last + 1)
  }
  for (const list of lists) if (list.kind === 'some') for (const port of list.of) rangeOf(port).forEach(mark)
  for (const {protocol, port} of numbers) mark({protocol, first: port, last: port})
  return [...edges].flatMap(([protocol, marks]) => {
    const sorted = [...marks].sort((a, b) => a - b)
    return sorted.map((first, index) => stretch(protocol, first, (sorted[index + 1] ?? topOf(protocol) + 1) - 1))
  })
}

/** Neighbours joined. */
export function joinStretches(stretches: readonly PortStretch[]): PortStretch[] {
  return mergeRanges(stretches).map(({protocol, first, last}) => stretch(protocol, first, last))
}

function stretch(protocol: number, first: number, last: number): PortStretch {
  const whole = first === 0 && last === topOf(protocol)
  const name = formatAsked(protocol, first)
  const text = whole ? name.split('/')[0]! : first === last ? name : `${name}-${last}`
  return {protocol, first, last, text}
}

function topOf(protocol: number): number {
  return hasPorts(protocol) ? lastPort : 255
}

function rangeOf(port: Port): Range[] {
  const {protocol} = port
  switch (port.kind) {
    case 'protocol':
      return [{protocol, first: 0, last: topOf(protocol)}]
    case 'range':
      return [{protocol, first: port.first, last: port.last}]
    case 'icmp':
      return [{protocol, first: port.type, last: port.type}]
    case 'name':
      return []
  }
}

function holdsName(one: Port, name: Port): boolean {
  if (one.protocol !== name.protocol) return false
  return one.kind === 'protocol' || (one.kind === 'name' && name.kind === 'name' && one.name === name.name)
}

function mergeRanges(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a.protocol - b.protocol || a.first - b.first)
  const merged: Range[] = []
  for (const {protocol, first, last} of sorted) {
    const before = merged.at(-1)
    if (before !== undefined && before.protocol === protocol && first <= before.last + 1) {
      merged[merged.length - 1] = {...before, last: Math.max(before.last, last)}
    } else merged.push({protocol, first, last})
  }
  return merged
}
