/** A rule set asked as the datapath asks it: every shape that it has, and the highest precedence wins. */
import type {Entry, PeerKind, RangeEntry, RuleSet, Verdict} from './rule-set.ts'
import {peerKinds, portForms, shapeBit} from './rule-set.ts'

/** A packet's question. Port in host order; ICMP: type + 1; other protocols without ports: 0. */
export interface Question {
  readonly identity: number
  readonly cidrClass: number
  readonly protocol: number
  readonly port: number
}

export interface Answer {
  readonly verdict: Verdict
  readonly cookie: number
  /** undefined: no entry matched, the fallback spoke */
  readonly entry: Entry | undefined
}

export class RuleSetLookup {
  readonly set: RuleSet
  private readonly entries = new Map<string, Entry>()
  private readonly ranges = new Map<string, RangeEntry>()
  /** lengths of blocks that there are, the longest first */
  private readonly lengths: readonly number[]

  constructor(set: RuleSet) {
    this.set = set
    for (const entry of set.entries)
      this.entries.set(keyOf(entry.peerKind, entry.peer, entry.protocol, entry.port), entry)
    this.lengths = [...new Set(set.ranges.map(({bits}) => bits))].sort((a, b) => b - a)
    for (const range of set.ranges) {
      this.ranges.set(`${range.bits} ${keyOf(range.peerKind, range.peer, range.protocol, range.port)}`, range)
    }
  }

  ask({identity, cidrClass, protocol, port}: Question): Answer {
    let best: Entry | undefined
    const consider = (entry: Entry | undefined) => {
      if (entry === undefined) return
      if (best === undefined || entry.precedence > best.precedence) best = entry
      else if (entry.precedence === best.precedence && entry.verdict === 'deny') best = entry
    }
    const peers: readonly (readonly [PeerKind, number])[] = [
      [peerKinds.identity, identity],
      [peerKinds.class, cidrClass],
      [peerKinds.any, 0],
    ]
    const {shapes} = this.set
    for (const [kind, peer] of peers) {
      if (kind === peerKinds.class && cidrClass === 0) continue
      if (shapes & shapeBit(kind, portForms.exact) && port !== 0) {
        consider(this.entries.get(keyOf(kind, peer, protocol, port)))
      }
      if (shapes & shapeBit(kind, portForms.range) && port !== 0) consider(this.range(kind, peer, protocol, port))
      if (shapes & shapeBit(kind, portForms.protocol)) consider(this.entries.get(keyOf(kind, peer, protocol, 0)))
      if (shapes & shapeBit(kind, portForms.none)) consider(this.entries.get(keyOf(kind, peer, 0, 0)))
    }
    const {fallback} = this.set
    if (best === undefined) return {verdict: fallback.verdict, cookie: fallback.cookie, entry: undefined}
    return {verdict: best.verdict, cookie: best.cookie, entry: best}
  }

  private range(kind: PeerKind, peer: number, protocol: number, port: number): RangeEntry | undefined {
    for (const bits of this.lengths) {
      const block = bits === 0 ? 0 : port & (0xffff << (16 - bits))
      const found = this.ranges.get(`${bits} ${keyOf(kind, peer, protocol, block)}`)
      if (found !== undefined) return found
    }
    return undefined
  }
}

function keyOf(kind: number, peer: number, protocol: number, port: number): string {
  return `${kind} ${peer} ${protocol} ${port}`
}
