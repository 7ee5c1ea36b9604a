/**
 * Which rules stand over which kind of endpoint, and what has to be compiled again when something changes. Pure: told
 * policies, identities and what rules refer to; gives rule sets and the groups that every peer is in.
 *
 * A subject is compiled again when 1 a policy that selects it (before or after the change) comes, changes or goes;
 * 2 a port name that its rules ask of peers gets another meaning; each time in the directions alone that this concerns.
 * Identities and addresses come and go without that: they are rows of their own.
 */
import {selects} from '../../model/selector.ts'
import type {CidrSelector} from '../../policy/cidr-selector.ts'
import {compileRules} from '../../policy/compile.ts'
import {
  cidrSelectorsOf,
  type ExpandedPolicy,
  type ExpandedSpec,
  expandPolicy,
  refersToAny,
} from '../../policy/expand.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import {PeerGroups, type PeerRow} from '../../policy/peer-groups.ts'
import {type EnforcementMode, type PolicySubject, resolveRules} from '../../policy/resolve.ts'
import {type Direction, directions, type Policy, type Rule} from '../../policy/rule.ts'
import type {Cookies, RuleSet} from '../../policy/rule-set.ts'
import {type SelectorClass, selectorClasses, selectorClassifier} from '../../policy/selector-class.ts'
import type {References} from '../../policy/universe.ts'

/** Endpoints of one identity that have the same port names. */
export interface Subject extends PolicySubject {
  readonly key: string
  /** what `policyEnforcementMode` means for it */
  readonly mode: EnforcementMode
}

export type CompiledSubject = {readonly [D in Direction]: RuleSet | 'open'}

/** `unchanged`: what was compiled last, and is in force */
export type RecompiledSubject = {readonly [D in Direction]: RuleSet | 'open' | 'unchanged'}

interface Known {
  readonly subject: Subject
  /** to be compiled again */
  readonly dirty: Set<Direction>
  /** names of peers' ports that its rules rest on */
  readonly portNames: {[D in Direction]: ReadonlySet<string>}
}

interface Loaded {
  readonly policy: Policy
  readonly expanded: ExpandedPolicy
  /** to CIDR groups or services */
  readonly refers: boolean
}

export class PolicyEngine {
  readonly groups = new PeerGroups()
  private readonly options: PolicyOptions
  private readonly cookies: Cookies
  private readonly references: References
  private readonly policies = new Map<string, Loaded>()
  private sorted: readonly ExpandedPolicy[] | undefined
  private selectors: readonly CidrSelector[] | undefined
  private readonly subjects = new Map<string, Known>()
  private readonly dirty = new Set<string>()
  private readonly classOf: ReturnType<typeof selectorClassifier>
  private counted: {readonly revision: number; readonly largest: ReadonlyMap<SelectorClass, number>} | undefined

  /** @param references CIDR groups and services that rules may refer to, as they are when it is asked */
  constructor(options: PolicyOptions, references: References, cookies: Cookies) {
    this.options = options
    this.references = references
    this.cookies = cookies
    this.classOf = selectorClassifier(options)
  }

  get policyCount(): number {
    return this.policies.size
  }

  /** @param key sorts policies: of equal rules the first by key speaks. `policy` undefined: it is gone, or invalid */
  setPolicy(key: string, policy: Policy | undefined): void {
    const before = this.policies.get(key)
    if (before !== undefined) this.touchSelected(before.expanded)
    if (policy === undefined) this.policies.delete(key)
    else {
      const refers = policy.specs.some(({rules}) => rules.some(refersToOthers))
      const expanded = expandPolicy(policy, this.references, this.options)
      this.policies.set(key, {policy, expanded, refers})
      this.touchSelected(expanded)
    }
    this.sorted = undefined
    this.selectors = undefined
  }

  /** Reads the policies again that refer to one of these. @param changed as they were and as they are */
  followReferences(changed: References): void {
    for (const [key, {policy, refers}] of this.policies)
      if (refers && refersToAny(policy, changed)) this.setPolicy(key, policy)
  }

  addSubject(subject: Subject): void {
    const known = {
      subject,
      dirty: new Set(directions),
      portNames: {ingress: new Set<string>(), egress: new Set<string>()},
    }
    this.subjects.set(subject.key, known)
    this.dirty.add(subject.key)
  }

  dropSubject(key: string): void {
    this.subjects.delete(key)
    this.dirty.delete(key)
  }

  /** To be compiled again, in both directions: what was compiled last is not in force. */
  touch(key: string): void {
    const known = this.subjects.get(key)
    if (known !== undefined) this.mark(known, directions)
  }

  /** The rows of peers that have changed since the last call; what else follows from that is noted. */
  takeRows(): readonly PeerRow[] {
    const {rows, portNames} = this.groups.takeChanges()
    if (portNames.size > 0) {
      for (const known of this.subjects.values()) {
        const concerned = directions.filter((one) => [...known.portNames[one]].some((name) => portNames.has(name)))
        this.mark(known, concerned)
      }
    }
    return rows
  }

  /** The subjects to compile again, each named once. */
  takeDirty(): string[] {
    const keys = [...this.dirty]
    this.dirty.clear()
    return keys
  }

  /** Everything that policies ask of addresses, and what sets in force still do. */
  cidrSelectors(): CidrSelector[] {
    this.selectors ??= cidrSelectorsOf([...this.policies.values()].map(({expanded}) => expanded))
    return [...this.selectors, ...this.groups.cidrSelectors()]
  }

  /**
   * What stands over a subject now. May make groups: their rows are to be written before the sets.
   *
   * @throws PolicyLimit
   */
  compile(key: string): CompiledSubject {
    const known = this.subjects.get(key)!
    const compiled = {ingress: this.compileOne(known, 'ingress'), egress: this.compileOne(known, 'egress')}
    known.dirty.clear()
    return compiled
  }

  /** The same, of the directions alone in which something has changed. What does not come into force is to be touched. */
  recompile(key: string): RecompiledSubject {
    const known = this.subjects.get(key)!
    const of = (direction: Direction): RecompiledSubject[Direction] =>
      known.dirty.has(direction) ? this.compileOne(known, direction) : 'unchanged'
    const compiled = {ingress: of('ingress'), egress: of('egress')}
    known.dirty.clear()
    return compiled
  }

  private compileOne(known: Known, direction: Direction): RuleSet | 'open' {
    const {subject} = known
    const resolved = resolveRules(this.inOrder(), subject, direction, subject.mode)
    const set = resolved === 'open' ? resolved : compileRules(resolved, subject, this.groups, this.cookies)
    known.portNames[direction] = new Set(set === 'open' ? [] : set.portNames)
    return set
  }

  /** Of each class of selectors in use, how many identities the largest selects. */
  largestSelections(): ReadonlyMap<SelectorClass, number> {
    if (this.counted?.revision === this.groups.selectionRevision) return this.counted.largest
    const largest = new Map<SelectorClass, number>(selectorClasses.map((one) => [one, 0]))
    for (const {selector, identities} of this.groups.countSelections()) {
      const of = this.classOf(selector)
      largest.set(of, Math.max(largest.get(of)!, identities))
    }
    this.counted = {revision: this.groups.selectionRevision, largest}
    return largest
  }

  /** Keys of the policies that select these labels. */
  selecting(subject: Pick<Subject, 'kind' | 'labels'>): string[] {
    return [...this.policies].filter(([, {expanded}]) => concerns(expanded, subject)).map(([key]) => key)
  }

  private inOrder(): readonly ExpandedPolicy[] {
    this.sorted ??= [...this.policies.keys()].sort().map((key) => this.policies.get(key)!.expanded)
    return this.sorted
  }

  private touchSelected(policy: ExpandedPolicy): void {
    for (const known of this.subjects.values()) this.mark(known, concernedDirections(policy, known.subject))
  }

  private mark({subject, dirty}: Known, concerned: readonly Direction[]): void {
    if (concerned.length === 0) return
    for (const direction of concerned) dirty.add(direction)
    this.dirty.add(subject.key)
  }
}

function concernedDirections(policy: ExpandedPolicy, subject: Pick<Subject, 'kind' | 'labels'>): Direction[] {
  const specs = policy.specs.filter((spec) => selectsSubject(spec, subject))
  return directions.filter((direction) =>
    specs.some(({isolates, rules}) => isolates[direction] || rules.some((rule) => rule.direction === direction)),
  )
}

function concerns(policy: ExpandedPolicy, subject: Pick<Subject, 'kind' | 'labels'>): boolean {
  return policy.specs.some((spec) => selectsSubject(spec, subject))
}

function selectsSubject({subject: wanted}: ExpandedSpec, subject: Pick<Subject, 'kind' | 'labels'>): boolean {
  return (wanted.kind === 'nodes') === (subject.kind === 'node') && selects(wanted.selector, subject.labels)
}

function refersToOthers({peers}: Rule): boolean {
  return peers.kind === 'some' && peers.of.some(({kind}) => kind === 'cidr-group' || kind === 'service')
}
