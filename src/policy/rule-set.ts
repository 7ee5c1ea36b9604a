/**
 * A rule set: the compiled policy of one direction of one kind of endpoint, as the datapath keeps it. Immutable and
 * named by its content, so that endpoints which have the same share one.
 *
 * Its rules are in order, the strongest first. A packet's port and its peer each select some of them, as masks; the
 * first rule in both speaks. Rules name their peers by the number of a group (see peer-groups.ts), so a set does not
 * depend on which identities there are.
 */
import {createHash} from 'node:crypto'
import type {DenyResponse, RuleRef} from './rule.ts'

export type Verdict = 'deny' | 'allow'

/** What decides when several rules match: the higher speaks, and within a tier the first by policy name. */
export const tiers = {
  /** what keeps a node within reach, whatever host policies say */
  failsafe: 4,
  /** a deny rule of a Cilium policy */
  deny: 3,
  allow: 2,
  /** what an unenforceable rule would have filtered */
  filter: 1,
} as const

/** How many rules a part has room for, and how many parts a set (POLICY_RULES, POLICY_PARTS of the datapath). */
export const rulesPerPart = 64
export const partsMax = 16

export interface SetRule {
  /** of the peers it is about; 0: anybody */
  readonly group: number
  readonly verdict: Verdict
  /** a deny that a policy asks for by name, not one for want of a filter */
  readonly explicit: boolean
  /** names the rule in verdict events */
  readonly cookie: number
  /** of a deny: what its policy wants senders to be told */
  readonly response?: DenyResponse
}

/** What is asked for. Port in host order; ICMP: type + 1; 0: any. Protocol 0: any, then the port is 0. */
export interface PortEntry {
  readonly protocol: number
  readonly port: number
  /** bit n: the part's rule n is about it */
  readonly rules: bigint
}

/** A block of ports that share their upper `bits` (1..16) bits. Blocks of one protocol never overlap. */
export interface RangeEntry extends PortEntry {
  readonly bits: number
}

/** What an empty look-up means: the policy that isolates, or nobody. */
export interface Fallback {
  readonly verdict: Verdict
  readonly cookie: number
  readonly response?: DenyResponse
}

export interface RuleSetPart {
  /** one bit per form of port that has an entry: see `shapeBit` */
  readonly shapes: number
  /** rules that are about everybody */
  readonly anybody: bigint
  /** a deny depends on who the peer is: one whom nobody knows must not pass */
  readonly asksPeer: boolean
  readonly rules: readonly SetRule[]
  readonly entries: readonly PortEntry[]
  readonly ranges: readonly RangeEntry[]
}

export interface RuleSet {
  readonly hash: string
  readonly fallback: Fallback
  /** asked one after the other until a rule speaks; at least one */
  readonly parts: readonly RuleSetPart[]
  /** the groups of peers it names: they must be kept as long as the set is */
  readonly groups: readonly number[]
  /** names of peers' ports that it rests on (`http/6`): when their numbers change, it is to be compiled anew */
  readonly portNames: readonly string[]
}

/** How an entry's port is given. */
export const portForms = {none: 0, protocol: 1, exact: 2, range: 3} as const
export type PortForm = (typeof portForms)[keyof typeof portForms]

/** The bit of a shape (POLICY_SHAPE of the datapath): a look-up is made only when the part has entries of its shape. */
export function shapeBit(form: PortForm): number {
  return 1 << form
}

export function portForm({protocol, port}: Pick<PortEntry, 'protocol' | 'port'>): PortForm {
  return protocol === 0 ? portForms.none : port === 0 ? portForms.protocol : portForms.exact
}

/** Gives every rule its number for verdict events. */
export interface Cookies {
  cookieOf(ref: RuleRef): number
}

/** A policy that is more than the datapath has room for: the set is refused as a whole. */
export class PolicyLimit extends Error {
  override readonly name = 'PolicyLimit'
}

export function makePart(rules: readonly SetRule[], entries: PortEntry[], ranges: RangeEntry[]): RuleSetPart {
  if (rules.length > rulesPerPart) throw new PolicyLimit(`${rules.length} rules in one part`)
  entries.sort(compareEntries)
  ranges.sort((a, b) => compareEntries(a, b) || a.bits - b.bits)
  let shapes = 0
  let anybody = 0n
  for (const entry of entries) shapes |= shapeBit(portForm(entry))
  if (ranges.length > 0) shapes |= shapeBit(portForms.range)
  for (const [index, {group}] of rules.entries()) if (group === 0) anybody |= ruleBit(index)
  const asksPeer = rules.some(({group, verdict}) => group !== 0 && verdict === 'deny')
  return {shapes, anybody, asksPeer, rules, entries, ranges}
}

export function ruleBit(index: number): bigint {
  return 1n << BigInt(index)
}

/** Puts a set together and names it by its content. */
export function makeRuleSet(
  parts: readonly RuleSetPart[],
  fallback: Fallback,
  portNames: Iterable<string> = [],
): RuleSet {
  if (parts.length > partsMax) {
    throw new PolicyLimit(`more than ${partsMax * rulesPerPart} rules in one direction of one endpoint`)
  }
  const hash = createHash('sha256')
  hash.update(`${fallback.verdict} ${fallback.cookie} ${fallback.response ?? ''}`)
  const groups = new Set<number>()
  for (const {rules, entries, ranges} of parts) {
    hash.update('\npart')
    for (const {group, verdict, explicit, cookie, response = ''} of rules) {
      if (group !== 0) groups.add(group)
      hash.update(`\n${group} ${verdict} ${explicit} ${cookie} ${response}`)
    }
    for (const {protocol, port, rules: mask} of entries) hash.update(`\n${protocol}/${port} ${mask}`)
    for (const {protocol, port, bits, rules: mask} of ranges) hash.update(`\n${protocol}/${port}/${bits} ${mask}`)
  }
  return {
    hash: hash.digest('hex').slice(0, 32),
    fallback,
    parts,
    groups: [...groups].sort((a, b) => a - b),
    portNames: [...new Set(portNames)].sort(),
  }
}

function compareEntries(a: PortEntry, b: PortEntry): number {
  return a.protocol - b.protocol || a.port - b.port
}
