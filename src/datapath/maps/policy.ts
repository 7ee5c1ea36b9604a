/** The maps of rule sets: opened through a generation or by their pins. */
import {BpfMap} from '../../kernel/bpf/map.ts'
import {policyFlags} from '../gen/enums.ts'
import {ciliumPolicy, ciliumPolicyP, ciliumPolicySets} from '../gen/maps.ts'
import type {PolicyBlockKey, PolicyEntry, PolicyKey, RuleSet} from '../gen/types.ts'
import type {MapOpener} from './open.ts'

/** An entry as the compiler gives it; port in host order. */
export interface CompiledEntry {
  /** 0 anybody, 1 an identity, 2 a CIDR class */
  readonly peerKind: number
  readonly peer: number
  readonly protocol: number
  readonly port: number
  readonly verdict: 'allow' | 'deny'
  /** a deny that a policy asks for by name */
  readonly explicit: boolean
  readonly precedence: number
  readonly cookie: number
}

export interface CompiledSet {
  readonly shapes: number
  readonly fallback: {readonly verdict: 'allow' | 'deny'; readonly cookie: number}
  readonly entries: readonly CompiledEntry[]
  /** blocks of ports that share their upper `bits` bits */
  readonly ranges: readonly (CompiledEntry & {readonly bits: number})[]
}

/** Bits of a block's key before its port. */
const blockPrefixBits = 80

export class PolicyTables {
  readonly sets: BpfMap<number, RuleSet>
  readonly entries: BpfMap<PolicyKey, PolicyEntry>
  readonly blocks: BpfMap<PolicyBlockKey, PolicyEntry>

  /** @throws BPF_MAP_LAYOUT, and what the opener throws */
  constructor(open: MapOpener) {
    this.sets = new BpfMap(open('cilium_policy_sets'), ciliumPolicySets)
    this.entries = new BpfMap(open('cilium_policy'), ciliumPolicy)
    this.blocks = new BpfMap(open('cilium_policy_p'), ciliumPolicyP)
  }

  /**
   * Writes a set under a number that nobody points at. Its own row comes last: until then whoever is given the number
   * by mistake is denied. @throws what a full map throws; what was written is taken back
   */
  write(set: number, compiled: CompiledSet): void {
    try {
      this.entries.putAll(compiled.entries.map((entry) => [keyOf(set, entry), entryOf(entry)] as const))
      this.blocks.putAll(compiled.ranges.map((range) => [blockKeyOf(set, range), entryOf(range)] as const))
      this.sets.put(set, {
        shapes: compiled.shapes,
        cookie: compiled.fallback.cookie,
        flags: compiled.fallback.verdict === 'allow' ? policyFlags.POLICY_ALLOW : 0,
      })
    } catch (error) {
      this.remove(set, compiled)
      throw error
    }
  }

  /** Takes a set out that nobody points at any more: its own row first, so that what is left of it denies. */
  remove(set: number, compiled: CompiledSet): void {
    this.sets.delete(set)
    for (const entry of compiled.entries) this.entries.delete(keyOf(set, entry))
    for (const range of compiled.ranges) this.blocks.delete(blockKeyOf(set, range))
  }

  close(): void {
    for (const map of [this.sets, this.entries, this.blocks]) map.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function keyOf(set: number, {peerKind, peer, protocol, port}: CompiledEntry): PolicyKey {
  return {set, peer, kind: peerKind, proto: protocol, port}
}

function blockKeyOf(set: number, range: CompiledEntry & {readonly bits: number}): PolicyBlockKey {
  return {bits: blockPrefixBits + range.bits, key: keyOf(set, range)}
}

function entryOf({verdict, explicit, precedence, cookie}: CompiledEntry): PolicyEntry {
  const flags = verdict === 'allow' ? policyFlags.POLICY_ALLOW : explicit ? policyFlags.POLICY_EXPLICIT : 0
  return {precedence, cookie, proxyPort: 0, flags}
}
