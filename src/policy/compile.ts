/**
 * Rules into a rule set. Every rule becomes entries for the peers it matches (anybody, identities, CIDR classes) times
 * the ports it matches; of several rules with the same key the strongest speaks: 1 a deny beats every allow, 2 an
 * allow beats what a filter that we do not have would have filtered, 3 of equals the first by policy name.
 */
import type {CidrClass, NamedPorts} from './cidr-classes.ts'
import type {ExpandedRule} from './expand.ts'
import {outranks, type PortClaim, portBlocks} from './port-entries.ts'
import type {PolicySubject, Resolved} from './resolve.ts'
import type {Action, Port} from './rule.ts'
import {
  type Cookies,
  type Entry,
  type Fallback,
  makeRuleSet,
  type PeerKind,
  peerKinds,
  portForm,
  portForms,
  type RangeEntry,
  type RuleSet,
  tiers,
} from './rule-set.ts'
import type {Universe} from './universe.ts'

const lastPort = 65535

/** What the rules say of one peer and protocol. */
interface Slot {
  readonly peerKind: PeerKind
  readonly peer: number
  readonly protocol: number
  /** of the protocol as a whole; protocol 0: of everything */
  whole: PortClaim | undefined
  ports: Map<number, PortClaim> | undefined
  ranges: PortClaim[] | undefined
}

export function compileRules(
  resolved: Resolved,
  subject: Pick<PolicySubject, 'namedPorts'>,
  universe: Universe,
  cookies: Cookies,
): RuleSet {
  const compiler = new Compiler(resolved, subject.namedPorts, universe)
  for (const [order, rule] of resolved.rules.entries()) {
    compiler.add(rule, {tier: tierOf(rule.action), order, cookie: cookies.cookieOf(rule.ref)})
  }
  return compiler.finish(fallbackOf(resolved, cookies))
}

function tierOf(action: Action): number {
  return tiers[action]
}

function fallbackOf({isolatedBy}: Resolved, cookies: Cookies): Fallback {
  if (isolatedBy === 'mode') return {verdict: 'deny', cookie: 0}
  const [first] = isolatedBy
  return first === undefined ? {verdict: 'allow', cookie: 0} : {verdict: 'deny', cookie: cookies.cookieOf(first)}
}

type Voice = Pick<PortClaim, 'tier' | 'order' | 'cookie'>

class Compiler {
  private readonly slots = new Map<number, Slot>()
  private readonly resolved: Resolved
  private readonly ownPorts: NamedPorts
  private readonly universe: Universe

  constructor(resolved: Resolved, ownPorts: NamedPorts, universe: Universe) {
    this.resolved = resolved
    this.ownPorts = ownPorts
    this.universe = universe
  }

  add(rule: ExpandedRule, voice: Voice): void {
    const {ports} = rule
    if (ports.kind === 'none') return
    const list: readonly (Port | 'any')[] = ports.kind === 'any' ? ['any'] : ports.of
    for (const port of list) {
      if (port !== 'any' && port.kind === 'name') this.addNamed(rule, port, voice)
      else this.addPlain(rule, port, voice)
    }
  }

  finish(fallback: Fallback): RuleSet {
    const entries: Entry[] = []
    const ranges: RangeEntry[] = []
    for (const slot of this.slots.values()) {
      if (slot.whole !== undefined) entries.push(this.entry(slot, 0, slot.whole))
      for (const [port, claim] of slot.ports ?? []) entries.push(this.entry(slot, port, claim))
      for (const {port, bits, claim} of slot.ranges === undefined ? [] : portBlocks(slot.ranges)) {
        ranges.push({...this.entry(slot, port, claim, portForms.range), bits})
      }
    }
    return makeRuleSet(entries, ranges, fallback)
  }

  private addPlain({peers}: ExpandedRule, port: Exclude<Port, {kind: 'name'}> | 'any', voice: Voice): void {
    if (peers.any) this.claim(peerKinds.any, 0, port, voice)
    for (const selector of peers.selectors) {
      for (const id of this.universe.identities.select(selector)) this.claim(peerKinds.identity, id, port, voice)
    }
    for (const {key} of peers.cidrs) {
      for (const found of this.universe.classes) {
        if (found.selectors.has(key)) this.claim(peerKinds.class, found.number, port, voice)
      }
    }
  }

  /** A name is the receiver's: ours on the way in, the peer's own on the way out. */
  private addNamed(rule: ExpandedRule, {protocol, name}: Extract<Port, {kind: 'name'}>, voice: Voice): void {
    const numbers = (ports: NamedPorts) =>
      (ports.get(name) ?? [])
        .filter((port) => port.protocol === protocol)
        .map(({port}) => ({kind: 'range', protocol, first: port, last: port}) as const)
    if (this.resolved.direction === 'ingress') {
      for (const port of numbers(this.ownPorts)) this.addPlain(rule, port, voice)
      return
    }
    const {any, selectors, cidrs} = rule.peers
    const selected = new Set<number>()
    if (any) for (const {id} of this.universe.identities) selected.add(id)
    for (const selector of selectors) for (const id of this.universe.identities.select(selector)) selected.add(id)
    for (const id of selected) {
      const ports = this.universe.identities.get(id)?.namedPorts
      if (ports === undefined || ports === 'differ') continue
      for (const port of numbers(ports)) this.claim(peerKinds.identity, id, port, voice)
    }
    const differs = (id: number) => this.universe.identities.get(id)?.namedPorts === 'differ'
    for (const found of this.universe.classes) {
      const {variant} = found
      if (variant === undefined) continue
      const meant = selected.has(variant.identity) && differs(variant.identity)
      if (!meant && !cidrs.some(({key}) => holds(found, key))) continue
      for (const port of numbers(variant.namedPorts)) this.claim(peerKinds.class, found.number, port, voice)
    }
  }

  private claim(
    peerKind: PeerKind,
    peer: number,
    port: Exclude<Port, {kind: 'name'}> | 'any',
    {tier, order, cookie}: Voice,
  ): void {
    const protocol = port === 'any' ? 0 : port.protocol
    const slot = this.slot(peerKind, peer, protocol)
    if (port === 'any' || port.kind === 'protocol') {
      const claim = {first: 0, last: lastPort, tier, order, cookie}
      if (outranks(claim, slot.whole)) slot.whole = claim
      return
    }
    const [first, last] = port.kind === 'icmp' ? [port.type + 1, port.type + 1] : [port.first, port.last]
    const claim = {first, last, tier, order, cookie}
    if (first < last) {
      slot.ranges ??= []
      slot.ranges.push(claim)
      return
    }
    slot.ports ??= new Map()
    if (outranks(claim, slot.ports.get(first))) slot.ports.set(first, claim)
  }

  private slot(peerKind: PeerKind, peer: number, protocol: number): Slot {
    // below 2^53: two bits, thirty-two, eight
    const key = (peerKind * 0x100000000 + peer) * 256 + protocol
    let slot = this.slots.get(key)
    if (slot === undefined) {
      slot = {peerKind, peer, protocol, whole: undefined, ports: undefined, ranges: undefined}
      this.slots.set(key, slot)
    }
    return slot
  }

  private entry({peerKind, peer, protocol}: Slot, port: number, claim: PortClaim, form?: number): Entry {
    const key = {peerKind, peer, protocol, port}
    const {tier, cookie} = claim
    // within a tier the one that says more precisely what it is about speaks, which no verdict depends on
    const precise = (peerKind === peerKinds.any ? 0 : 4) + preciseness[form ?? portForm(key)]!
    const verdict = tier === tiers.allow ? 'allow' : 'deny'
    return {...key, verdict, explicit: tier === tiers.deny, precedence: tier * 256 + precise, cookie}
  }
}

/** By port form: none, protocol, exact, range. */
const preciseness = [0, 1, 3, 2]

function holds({selectors}: CidrClass, key: string): boolean {
  return selectors.has(key)
}
