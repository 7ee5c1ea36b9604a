/**
 * Which rules stand over which kind of endpoint, and what has to be compiled again when something changes. Pure: told
 * policies, identities and what rules refer to; gives rule sets and the groups that every peer is in.
 *
 * A subject is compiled again when 1 a policy that selects it (before or after the change) comes, changes or goes;
 * 2 a port name that its rules ask of peers gets another meaning. Identities and addresses come and go without that:
 * they are rows of their own.
 */
import {selects} from '../../model/selector.ts'
import type {CidrSelector} from '../../policy/cidr-selector.ts'
import {compileRules} from '../../policy/compile.ts'
import {cidrSelectorsOf, type ExpandedPolicy, expandPolicy} from '../../policy/expand.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import {PeerGroups, type PeerRow} from '../../policy/peer-groups.ts'
import {type EnforcementMode, type PolicySubject, resolveRules} from '../../policy/resolve.ts'
import {type Direction, directions, type Policy, type Rule} from '../../policy/rule.ts'
import type {Cookies, RuleSet} from '../../policy/rule-set.ts'
import type {References} from '../../policy/universe.ts'

/** Endpoints of one identity that have the same port names. */
export interface Subject extends PolicySubject {
  readonly key: string
  /** what `policyEnforcementMode` means for it */
  readonly mode: EnforcementMode
}

export type CompiledSubject = {readonly [D in Direction]: RuleSet | 'open'}

interface Known {
  readonly subject: Subject
  /** names of peers' ports that its rules rest on */
  portNames: ReadonlySet<string>
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
  private references: References = {cidrGroups: [], services: []}
  private readonly policies = new Map<string, Loaded>()
  private sorted: readonly ExpandedPolicy[] | undefined
  private selectors: readonly CidrSelector[] | undefined
  private readonly subjects = new Map<string, Known>()
  private readonly dirty = new Set<string>()

  constructor(options: PolicyOptions, cookies: Cookies) {
    this.options = options
    this.cookies = cookies
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

  /** CIDR groups and services that rules refer to. */
  setReferences(references: References): void {
    this.references = references
    for (const [key, {policy, refers}] of this.policies) if (refers) this.setPolicy(key, policy)
  }

  addSubject(subject: Subject): void {
    this.subjects.set(subject.key, {subject, portNames: new Set()})
    this.dirty.add(subject.key)
  }

  dropSubject(key: string): void {
    this.subjects.delete(key)
    this.dirty.delete(key)
  }

  /** To be compiled again. */
  touch(key: string): void {
    if (this.subjects.has(key)) this.dirty.add(key)
  }

  /** The rows of peers that have changed since the last call; what else follows from that is noted. */
  takeRows(): readonly PeerRow[] {
    const {rows, portNames} = this.groups.takeChanges()
    if (portNames.size > 0) {
      for (const [key, known] of this.subjects) {
        if ([...known.portNames].some((name) => portNames.has(name))) this.dirty.add(key)
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
    const {subject} = known
    const of = (direction: Direction) => {
      const resolved = resolveRules(this.inOrder(), subject, direction, subject.mode)
      return resolved === 'open' ? resolved : compileRules(resolved, subject, this.groups, this.cookies)
    }
    const [ingress, egress] = directions.map(of)
    known.portNames = new Set([ingress!, egress!].flatMap((set) => (set === 'open' ? [] : set.portNames)))
    return {ingress: ingress!, egress: egress!}
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
    for (const [key, {subject}] of this.subjects) if (concerns(policy, subject)) this.dirty.add(key)
  }
}

function concerns(policy: ExpandedPolicy, subject: Pick<Subject, 'kind' | 'labels'>): boolean {
  return policy.specs.some(
    (spec) =>
      (spec.subject.kind === 'nodes') === (subject.kind === 'node') && selects(spec.subject.selector, subject.labels),
  )
}

function refersToOthers({peers}: Rule): boolean {
  return peers.kind === 'some' && peers.of.some(({kind}) => kind === 'cidr-group' || kind === 'service')
}
