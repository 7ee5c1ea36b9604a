/** A rule set asked as the datapath asks it: rules by port, rules by peer, and the first in both speaks. */
import {isMember, type PeerRows} from './peer-groups.ts'
import {
  portForms,
  type RangeEntry,
  type RuleSet,
  type RuleSetPart,
  type SetRule,
  shapeBit,
  type Verdict,
} from './rule-set.ts'

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
  /** undefined: no rule matched, the fallback spoke */
  readonly rule: SetRule | undefined
}

export class RuleSetLookup {
  readonly set: RuleSet
  private readonly peers: PeerRows
  private readonly parts: readonly PartLookup[]

  constructor(set: RuleSet, peers: PeerRows) {
    this.set = set
    this.peers = peers
    this.parts = set.parts.map((part) => new PartLookup(part))
  }

  ask({identity, cidrClass, protocol, port}: Question): Answer {
    const ofIdentity = this.peers.rowOf('identity', identity)
    const ofClass = cidrClass === 0 ? undefined : this.peers.rowOf('class', cidrClass)
    for (const lookup of this.parts) {
      const found = lookup.rulesFor(protocol, port)
      if (found === 0n) continue
      for (const [index, rule] of lookup.part.rules.entries()) {
        if (((found >> BigInt(index)) & 1n) === 0n) continue
        const about = rule.group === 0 || isMember(ofIdentity, rule.group) || isMember(ofClass, rule.group)
        if (about) return {verdict: rule.verdict, cookie: rule.cookie, rule}
      }
    }
    const {fallback} = this.set
    return {verdict: fallback.verdict, cookie: fallback.cookie, rule: undefined}
  }
}

class PartLookup {
  readonly part: RuleSetPart
  private readonly entries = new Map<number, bigint>()
  private readonly ranges: readonly RangeEntry[]

  constructor(part: RuleSetPart) {
    this.part = part
    for (const {protocol, port, rules} of part.entries) this.entries.set(protocol * 65536 + port, rules)
    this.ranges = part.ranges
  }

  rulesFor(protocol: number, port: number): bigint {
    const has = (form: (typeof portForms)[keyof typeof portForms]) => (this.part.shapes & shapeBit(form)) !== 0
    let rules = 0n
    if (has(portForms.exact) && port !== 0) rules |= this.entries.get(protocol * 65536 + port) ?? 0n
    if (has(portForms.range) && port !== 0) rules |= this.range(protocol, port)
    if (has(portForms.protocol)) rules |= this.entries.get(protocol * 65536) ?? 0n
    if (has(portForms.none)) rules |= this.entries.get(0) ?? 0n
    return rules
  }

  private range(protocol: number, port: number): bigint {
    for (const block of this.ranges) {
      if (block.protocol === protocol && port >>> (16 - block.bits) === block.port >>> (16 - block.bits)) {
        return block.rules
      }
    }
    return 0n
  }
}
