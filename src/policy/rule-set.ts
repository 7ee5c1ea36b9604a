/**
 * A rule set: the compiled policy of one direction of one kind of endpoint, as the datapath keeps it. Immutable and
 * named by its content, so that endpoints which have the same share one.
 */
import {createHash} from 'node:crypto'
import type {RuleRef} from './rule.ts'

/** Whom an entry is about: anybody, one identity, or one CIDR class. */
export const peerKinds = {any: 0, identity: 1, class: 2} as const
export type PeerKind = (typeof peerKinds)[keyof typeof peerKinds]

export type Verdict = 'deny' | 'allow'

/** What decides when several entries match: the higher wins, and of equals a deny. */
export const tiers = {
  /** a deny rule of a Cilium policy */
  deny: 3,
  allow: 2,
  /** what an unenforceable rule would have filtered */
  filter: 1,
} as const

/** The question an entry answers. Port in host order; ICMP: type + 1; 0: any. Protocol 0: any, then the port is 0. */
export interface EntryKey {
  readonly peerKind: PeerKind
  /** 0 for anybody */
  readonly peer: number
  readonly protocol: number
  readonly port: number
}

export interface Entry extends EntryKey {
  readonly verdict: Verdict
  /** a deny that a policy asks for by name, not one for want of a filter */
  readonly explicit: boolean
  readonly precedence: number
  /** the rule that speaks */
  readonly cookie: number
}

/** An entry for a block of ports that share their upper `bits` (1..15) bits. Blocks of one peer never overlap. */
export interface RangeEntry extends Entry {
  readonly bits: number
}

/** What an empty look-up means: the policy that isolates, or nobody. */
export interface Fallback {
  readonly verdict: Verdict
  readonly cookie: number
}

export interface RuleSet {
  readonly hash: string
  /** one bit per shape that has an entry: see `shapeBit` */
  readonly shapes: number
  readonly fallback: Fallback
  readonly entries: readonly Entry[]
  readonly ranges: readonly RangeEntry[]
}

/** How an entry's port is given. */
export const portForms = {none: 0, protocol: 1, exact: 2, range: 3} as const
export type PortForm = (typeof portForms)[keyof typeof portForms]

/** The bit of a shape (POLICY_SHAPE of the datapath): a look-up is made only when the set has entries of its shape. */
export function shapeBit(peerKind: PeerKind, form: PortForm): number {
  return 1 << (peerKind * 4 + form)
}

export function portForm({protocol, port}: EntryKey): PortForm {
  return protocol === 0 ? portForms.none : port === 0 ? portForms.protocol : portForms.exact
}

/** Gives every rule its number for verdict events. */
export interface Cookies {
  cookieOf(ref: RuleRef): number
}

/** Orders entries so that equal content is written in one way. */
export function compareEntries(a: Entry, b: Entry): number {
  return a.peerKind - b.peerKind || a.peer - b.peer || a.protocol - b.protocol || a.port - b.port
}

/** Puts a set together and names it by its content. */
export function makeRuleSet(entries: Entry[], ranges: RangeEntry[], fallback: Fallback): RuleSet {
  entries.sort(compareEntries)
  ranges.sort((a, b) => compareEntries(a, b) || a.bits - b.bits)
  let shapes = 0
  for (const entry of entries) shapes |= shapeBit(entry.peerKind, portForm(entry))
  for (const range of ranges) shapes |= shapeBit(range.peerKind, portForms.range)
  // numbers, not text: a set may have thousands of entries
  const words = new Uint32Array((entries.length + ranges.length) * wordsPerEntry)
  let at = 0
  for (const entry of entries) at = writeEntry(words, at, entry, 16)
  for (const range of ranges) at = writeEntry(words, at, range, range.bits)
  const hash = createHash('sha256')
  hash.update(`${fallback.verdict} ${fallback.cookie} ${entries.length} ${ranges.length}\n`)
  hash.update(words)
  return {hash: hash.digest('hex').slice(0, 32), shapes, fallback, entries, ranges}
}

const wordsPerEntry = 6

function writeEntry(words: Uint32Array, at: number, entry: Entry, bits: number): number {
  words[at] = entry.peer
  words[at + 1] = entry.port
  words[at + 2] = entry.protocol | (bits << 8)
  words[at + 3] = entry.precedence
  words[at + 4] = entry.cookie
  words[at + 5] = entry.peerKind | (entry.verdict === 'allow' ? 16 : 0) | (entry.explicit ? 32 : 0)
  return at + wordsPerEntry
}
