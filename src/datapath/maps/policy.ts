/** The maps of rule sets: opened through a generation or by their pins. */
import {BpfMap} from '../../kernel/bpf/map.ts'
import {POLICY_RESPONSE_SHIFT} from '../gen/constants.ts'
import {denyResponse, peerKind, policyFlags, ruleSetNumber} from '../gen/enums.ts'
import {ciliumPolicy, ciliumPolicyNo, ciliumPolicyP, ciliumPolicyPeers, ciliumPolicySets} from '../gen/maps.ts'
import {
  type PolicyBlockKey,
  type PolicyEntry,
  type PolicyKey,
  type PolicyPeer,
  type PolicyPeerKey,
  type PolicyRule,
  type PolicySetKey,
  policyRuleZero,
  type RuleSet,
  ruleSetZero,
} from '../gen/types.ts'
import type {MapOpener} from './open.ts'

/** What a rule wants the senders to be told whom it denies; missing: as the node's configuration says. */
export type CompiledResponse = 'none' | 'icmp' | 'reset'

/** A rule as the compiler gives it. */
export interface CompiledRule {
  /** number of the group of peers it is about; 0: anybody */
  readonly group: number
  readonly verdict: 'allow' | 'deny'
  /** a deny that a policy asks for by name */
  readonly explicit: boolean
  readonly cookie: number
  readonly response?: CompiledResponse
}

/** Port in host order; `rules`: bit n is the part's rule n. */
export interface CompiledPort {
  readonly protocol: number
  readonly port: number
  readonly rules: bigint
}

export interface CompiledPart {
  readonly shapes: number
  readonly anybody: bigint
  readonly asksPeer: boolean
  readonly rules: readonly CompiledRule[]
  readonly entries: readonly CompiledPort[]
  /** blocks of ports that share their upper `bits` bits */
  readonly ranges: readonly (CompiledPort & {readonly bits: number})[]
}

export interface CompiledSet {
  readonly fallback: {
    readonly verdict: 'allow' | 'deny'
    readonly cookie: number
    readonly response?: CompiledResponse
  }
  readonly parts: readonly CompiledPart[]
}

/** The groups that an identity or CIDR class is in; undefined: it is gone. */
export interface CompiledPeer {
  readonly kind: 'identity' | 'class'
  readonly number: number
  readonly groups: Uint8Array | undefined
}

/** Bits of a block's key before its port. */
const blockPrefixBits = 48

export class PolicyTables {
  readonly sets: BpfMap<PolicySetKey, RuleSet>
  readonly entries: BpfMap<PolicyKey, PolicyEntry>
  readonly blocks: BpfMap<PolicyBlockKey, PolicyEntry>
  readonly peers: BpfMap<PolicyPeerKey, PolicyPeer>

  /** @throws BPF_MAP_LAYOUT, and what the opener throws */
  constructor(open: MapOpener) {
    this.sets = new BpfMap(open('cilium_policy_sets'), ciliumPolicySets)
    this.entries = new BpfMap(open('cilium_policy'), ciliumPolicy)
    this.blocks = new BpfMap(open('cilium_policy_p'), ciliumPolicyP)
    this.peers = new BpfMap(open('cilium_policy_peers'), ciliumPolicyPeers)
  }

  /**
   * Writes a set under a number that nobody points at. Its first part comes last: until then whoever is given the
   * number by mistake is denied. @throws what a full map throws; what was written is taken back
   */
  write(set: number, compiled: CompiledSet): void {
    try {
      for (const [part, content] of [...compiled.parts.entries()].reverse()) {
        this.entries.putAll(content.entries.map((entry) => [keyOf(set, part, entry), {rules: entry.rules}] as const))
        this.blocks.putAll(content.ranges.map((range) => [blockKeyOf(set, part, range), {rules: range.rules}] as const))
        this.sets.put({set, part}, partOf(content, compiled, part < compiled.parts.length - 1))
      }
    } catch (error) {
      this.remove(set, compiled)
      throw error
    }
  }

  /** Takes a set out that nobody points at any more: its first part first, so that what is left of it denies. */
  remove(set: number, compiled: CompiledSet): void {
    for (const [part, content] of compiled.parts.entries()) {
      this.sets.delete({set, part})
      for (const entry of content.entries) this.entries.delete(keyOf(set, part, entry))
      for (const range of content.ranges) this.blocks.delete(blockKeyOf(set, part, range))
    }
  }

  /** The sets that are complete, by number. What a write that was cut short has left is not among them. */
  readSets(): Map<number, CompiledSet> {
    const rows = new Map<number, Map<number, RuleSet>>()
    for (const [{set, part}, row] of this.sets.entries()) {
      if (!rows.has(set)) rows.set(set, new Map())
      rows.get(set)!.set(part, row)
    }
    const found = new Map<number, CompiledSet & {readonly parts: (CompiledPart & Lists)[]}>()
    for (const [set, parts] of rows) {
      const first = parts.get(0)
      if (first === undefined) continue
      const fallback = {verdict: verdictOf(first.flags), cookie: first.cookie, ...responseOf(first.flags)}
      found.set(set, {fallback, parts: Array.from({length: parts.size}, (_, part) => emptyPart(parts.get(part)!))})
    }
    for (const [{set, part, proto, port}, {rules}] of this.entries.entries()) {
      found.get(set)?.parts[part]?.entries.push({protocol: proto, port, rules})
    }
    for (const [{bits, key}, {rules}] of this.blocks.entries()) {
      const {proto: protocol, port} = key
      found.get(key.set)?.parts[key.part]?.ranges.push({protocol, port, bits: bits - blockPrefixBits, rules})
    }
    return found
  }

  /** Takes out what sets have left that lack their first part. @returns how many rows */
  sweep(): number {
    const parts = Array.from(this.sets.entries(), ([key]) => key)
    const complete = new Set(parts.filter(({part}) => part === 0).map(({set}) => set))
    const gone = <K extends {readonly set: number}>(keys: readonly K[]) => keys.filter(({set}) => !complete.has(set))
    const entries = gone(Array.from(this.entries.entries(), ([key]) => key))
    const blocks = Array.from(this.blocks.entries(), ([key]) => key).filter(({key}) => !complete.has(key.set))
    for (const key of gone(parts)) this.sets.delete(key)
    for (const key of blocks) this.blocks.delete(key)
    return this.entries.deleteAll(entries) + blocks.length
  }

  /** The groups of every peer that has a row. */
  *readPeers(): Generator<CompiledPeer & {readonly groups: Uint8Array}> {
    for (const [{kind, number}, {groups}] of this.peers.entries()) {
      yield {kind: kind === peerKind.PEER_IDENTITY ? 'identity' : 'class', number, groups}
    }
  }

  /** Fills these tables with what other ones hold: a new generation begins where the one before is. */
  copyFrom(other: PolicyTables): void {
    this.peers.putAll(other.peers.entries())
    this.entries.putAll(other.entries.entries())
    for (const [key, entry] of other.blocks.entries()) this.blocks.put(key, entry)
    this.sets.putAll(other.sets.entries())
  }

  /** Writes and removes rows of peers, each at once. A row is written before any address says its number. */
  writePeers(rows: Iterable<CompiledPeer>): void {
    const puts: (readonly [PolicyPeerKey, PolicyPeer])[] = []
    const removals: PolicyPeerKey[] = []
    for (const {kind, number, groups} of rows) {
      const key = {kind: kind === 'identity' ? peerKind.PEER_IDENTITY : peerKind.PEER_CLASS, number}
      if (groups === undefined) removals.push(key)
      else puts.push([key, {groups}])
    }
    this.peers.putAll(puts)
    this.peers.deleteAll(removals)
  }

  close(): void {
    for (const map of [this.sets, this.entries, this.blocks, this.peers]) map.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function partOf({shapes, anybody, asksPeer, rules}: CompiledPart, {fallback}: CompiledSet, more: boolean): RuleSet {
  return {
    anybody,
    shapes,
    cookie: fallback.cookie,
    count: rules.length,
    flags:
      (fallback.verdict === 'allow' ? policyFlags.POLICY_ALLOW : 0) |
      (more ? policyFlags.POLICY_MORE : 0) |
      (asksPeer ? policyFlags.POLICY_ASKS_PEER : 0) |
      responseBits(fallback),
    rule: ruleSetZero.rule.map((_, index) => (rules[index] === undefined ? policyRuleZero : ruleOf(rules[index]))),
  }
}

function ruleOf(rule: CompiledRule): PolicyRule {
  const {group, cookie, verdict, explicit} = rule
  const spoken = verdict === 'allow' ? policyFlags.POLICY_ALLOW : explicit ? policyFlags.POLICY_EXPLICIT : 0
  return {group, cookie, proxyPort: 0, flags: spoken | responseBits(rule)}
}

function keyOf(set: number, part: number, {protocol, port}: CompiledPort): PolicyKey {
  return {set, part, proto: protocol, port}
}

function blockKeyOf(set: number, part: number, range: CompiledPort & {readonly bits: number}): PolicyBlockKey {
  return {bits: blockPrefixBits + range.bits, key: keyOf(set, part, range)}
}

interface Lists {
  readonly entries: CompiledPort[]
  readonly ranges: (CompiledPort & {readonly bits: number})[]
}

function emptyPart({shapes, anybody, flags, count, rule}: RuleSet): CompiledPart & Lists {
  const rules = rule.slice(0, count).map((one): CompiledRule => {
    const explicit = (one.flags & policyFlags.POLICY_EXPLICIT) !== 0
    return {group: one.group, verdict: verdictOf(one.flags), explicit, cookie: one.cookie, ...responseOf(one.flags)}
  })
  return {shapes, anybody, asksPeer: (flags & policyFlags.POLICY_ASKS_PEER) !== 0, rules, entries: [], ranges: []}
}

const responses: readonly (readonly [CompiledResponse, number])[] = [
  ['none', denyResponse.RESPONSE_NONE],
  ['icmp', denyResponse.RESPONSE_ICMP],
  ['reset', denyResponse.RESPONSE_RESET],
]

function responseBits({response}: Pick<CompiledRule, 'response'>): number {
  return (responses.find(([name]) => name === response)?.[1] ?? 0) << POLICY_RESPONSE_SHIFT
}

function responseOf(flags: number): Pick<CompiledRule, 'response'> {
  const found = responses.find(([, bits]) => bits === flags >> POLICY_RESPONSE_SHIFT)
  return found === undefined ? {} : {response: found[0]}
}

function verdictOf(flags: number): 'allow' | 'deny' {
  return (flags & policyFlags.POLICY_ALLOW) !== 0 ? 'allow' : 'deny'
}

/** Numbers of sets, for all generations: none is given out twice as long as the flows live that may remember it. */
export class SetNumbers {
  private readonly map: BpfMap<number, number>

  constructor(open: MapOpener) {
    this.map = new BpfMap(open('cilium_policy_no'), ciliumPolicyNo)
  }

  /** The next one. It counts as used before anybody sees it. */
  take(): number {
    const number = Math.max(this.map.get(0) ?? 0, ruleSetNumber.SET_FIRST)
    this.map.put(0, number + 1)
    return number
  }

  close(): void {
    this.map.close()
  }
}
