/**
 * Groups of peers: the third number, beside identity and CIDR class. A group is all that one rule says about who the
 * other end is ("these labels or those prefixes", perhaps "and whose port `http` is 8080"). Every identity and every
 * class has a row of bits, one per group that it is in, and rule sets name groups alone: a rule over thousands of
 * identities costs its set one number, and an identity that comes or goes is one row and no compilation.
 *
 * Who writes rows keeps this order, so that no packet meets half of a change:
 *   a new identity or class    its row, then the addresses that have it
 *   a new rule set             rows (takeChanges), then the set, then the endpoints that point at it
 *   what is gone               endpoints, sets, then `retain`; addresses, then the row
 *   a row that changes otherwise (port names)   the row, then the epoch
 *   a start                    restore() with the groups of the life before, ahead of anything else: the sets that it
 *                              left name the same groups, and rows written anew keep meaning what they meant
 */

import {formatSelector, type Selector, selects} from '../model/selector.ts'
import type {CidrClass, NamedPorts} from './cidr-classes.ts'
import type {CidrSelector} from './cidr-selector.ts'
import type {ExpandedPeers} from './expand.ts'
import {PolicyLimit} from './rule-set.ts'
import {LabelledIds, SelectorIndex} from './selector-index.ts'
import type {PeerIdentity} from './universe.ts'

/** Numbers of groups are below this (POLICY_GROUPS of the datapath); 0 is nobody's. */
export const groupsMax = 4096
const rowBytes = groupsMax / 8

export type PeerRowKind = 'identity' | 'class'

/** The row of an identity or class; undefined when it is to be removed. */
export interface PeerRow {
  readonly kind: PeerRowKind
  readonly number: number
  /** 512 bytes, one bit per group, the lowest of the first byte being group 0 */
  readonly groups: Uint8Array | undefined
}

/** What look-ups need: the row of an identity or class. */
export interface PeerRows {
  rowOf(kind: PeerRowKind, number: number): Uint8Array | undefined
}

export interface PeerChanges {
  readonly rows: readonly PeerRow[]
  /** port names (`http/6`) of which the numbers have changed: sets that rest on them are to be compiled anew */
  readonly portNames: ReadonlySet<string>
}

/** What a port's name means at a peer. */
export interface PortMeaning {
  readonly name: string
  readonly protocol: number
  readonly port: number
}

/** A group with its number: what has to outlive an agent, because the sets in the maps name it. */
export interface NumberedGroup {
  readonly number: number
  readonly peers: ExpandedPeers
  readonly meaning: PortMeaning | undefined
}

interface Group extends NumberedGroup {
  readonly key: string
}

export class PeerGroups implements PeerRows {
  private readonly groups = new Map<string, Group>()
  private readonly byNumber = new Map<number, Group>()
  private readonly released: number[] = []
  private fresh = 1
  private readonly selectors = new SelectorIndex<Group>()
  private readonly identities = new Map<number, PeerIdentity>()
  private readonly labelled = new LabelledIds()
  private readonly classes = new Map<number, CidrClass>()
  private readonly rows: {readonly [K in PeerRowKind]: Map<number, Uint8Array>} = {
    identity: new Map(),
    class: new Map(),
  }
  private readonly changed: {readonly [K in PeerRowKind]: Set<number>} = {identity: new Set(), class: new Set()}
  /** port name → number → how many identities and classes say so */
  private readonly numbers = new Map<string, Map<number, number>>()
  private readonly changedNames = new Set<string>()
  private selectionsChanged = 0

  /**
   * The number of a group, the same for the same peers. One that is new changes the rows of all who are in it.
   *
   * @param meaning only those of whom the port name means this
   * @throws PolicyLimit when all numbers are in use
   */
  numberOf(peers: ExpandedPeers, meaning?: PortMeaning): number {
    const key = groupKey(peers, meaning)
    const known = this.groups.get(key)
    if (known !== undefined) return known.number
    const isFresh = this.fresh < groupsMax
    const group = {number: this.takeNumber(), key, peers, meaning}
    this.groups.set(key, group)
    this.selectionsChanged++
    this.byNumber.set(group.number, group)
    for (const selector of selectorsOf(group)) this.selectors.add(selector, group)
    const members = this.membersOf(group)
    // a number that somebody had before may still be in the rows of others
    for (const id of isFresh ? members : this.identities.keys()) {
      this.mark('identity', id, group.number, members.has(id))
    }
    for (const [number, found] of this.classes) this.mark('class', number, group.number, this.holdsClass(group, found))
    return group.number
  }

  /** Groups of a life before this one, before there are any others. */
  restore(groups: Iterable<NumberedGroup>): void {
    for (const {number, peers, meaning} of groups) {
      const group = {number, key: groupKey(peers, meaning), peers, meaning}
      this.groups.set(group.key, group)
      this.byNumber.set(number, group)
      for (const selector of selectorsOf(group)) this.selectors.add(selector, group)
    }
    const last = Math.max(0, ...this.byNumber.keys())
    for (; this.fresh <= last; this.fresh++) if (!this.byNumber.has(this.fresh)) this.released.push(this.fresh)
  }

  /** The groups that there are, by number. */
  list(): NumberedGroup[] {
    return [...this.byNumber.values()].sort((a, b) => a.number - b.number)
  }

  /** The numbers that a port name stands for among all that there are. */
  portNumbers(name: string, protocol: number): number[] {
    return [...(this.numbers.get(portNameKey(name, protocol))?.keys() ?? [])].sort((a, b) => a - b)
  }

  /** Adds an identity, or says anew what it is. */
  setIdentity(identity: PeerIdentity): void {
    const {id, labels} = identity
    const before = this.identities.get(id)
    this.selectionsChanged++
    this.countPorts(portsOf(before), portsOf(identity))
    if (before !== undefined) this.labelled.remove(id, before.labels)
    this.identities.set(id, identity)
    this.labelled.add(id, labels)
    const row = new Uint8Array(rowBytes)
    for (const group of this.selectors.matching(labels)) if (agrees(identity, group)) setBit(row, group.number)
    this.replace('identity', id, row)
    for (const [number, {variant}] of this.classes) if (variant?.identity === id) this.fillClass(number)
  }

  deleteIdentity(id: number): void {
    const identity = this.identities.get(id)
    if (identity === undefined) return
    this.selectionsChanged++
    this.countPorts(portsOf(identity), undefined)
    this.labelled.remove(id, identity.labels)
    this.identities.delete(id)
    this.rows.identity.delete(id)
    this.changed.identity.add(id)
  }

  identity(id: number): PeerIdentity | undefined {
    return this.identities.get(id)
  }

  /**
   * The classes that there are from now on. They have to tell apart whatever the groups in use ask: make them of the
   * policies' selectors and `cidrSelectors()`.
   */
  setClasses(classes: Iterable<CidrClass>): void {
    const next = new Map(Array.from(classes, (found) => [found.number, found] as const))
    for (const [number, {variant}] of this.classes) {
      if (next.has(number)) continue
      this.countPorts(variant?.namedPorts, undefined)
      this.classes.delete(number)
      this.rows.class.delete(number)
      this.changed.class.add(number)
    }
    for (const [number, found] of next) {
      // a number stands for one content for ever
      if (this.classes.has(number)) continue
      this.countPorts(undefined, found.variant?.namedPorts)
      this.classes.set(number, found)
      this.fillClass(number)
    }
  }

  /** The prefixes that groups in use ask about. */
  cidrSelectors(): CidrSelector[] {
    return [
      ...new Map(
        [...this.groups.values()].flatMap(({peers}) => peers.cidrs.map((one) => [one.key, one] as const)),
      ).values(),
    ]
  }

  rowOf(kind: PeerRowKind, number: number): Uint8Array | undefined {
    return this.rows[kind].get(number)
  }

  /** Every row, for a first write or a comparison. */
  *allRows(): Generator<PeerRow> {
    for (const kind of ['identity', 'class'] as const) {
      for (const [number, groups] of this.rows[kind]) yield {kind, number, groups}
    }
  }

  /** A port name means another number somewhere than at the last `takeChanges`. */
  get portNamesChanged(): boolean {
    return this.changedNames.size > 0
  }

  /** What has changed since the last call. Rows are live: write or copy them before the next change. */
  takeChanges(): PeerChanges {
    const rows = (['identity', 'class'] as const).flatMap((kind) =>
      Array.from(this.changed[kind], (number): PeerRow => ({kind, number, groups: this.rows[kind].get(number)})),
    )
    const portNames = new Set(this.changedNames)
    for (const numbers of Object.values(this.changed)) numbers.clear()
    this.changedNames.clear()
    return {rows, portNames}
  }

  /** Forgets the groups that no set names any more. Their bits stay in the rows until the number is given away again. */
  retain(used: Iterable<number>): void {
    const kept = new Set(used)
    for (const group of [...this.groups.values()]) {
      if (kept.has(group.number)) continue
      this.groups.delete(group.key)
      this.selectionsChanged++
      this.byNumber.delete(group.number)
      for (const selector of selectorsOf(group)) this.selectors.remove(selector, group)
      this.released.push(group.number)
    }
  }

  /** Counts whatever may change which identities a selector in use selects. */
  get selectionRevision(): number {
    return this.selectionsChanged
  }

  /** How many identities each selector in use selects. */
  countSelections(): {readonly selector: Selector; readonly identities: number}[] {
    return this.selectors.entries().map(([selector]) => ({selector, identities: this.select(selector).size}))
  }

  /** The selectors that are in use, as text, with the identities that each selects. */
  listSelectors(): {readonly selector: string; readonly identities: readonly number[]; readonly users: number}[] {
    return this.selectors.entries().map(([selector, groups]) => ({
      selector: formatSelector(selector),
      identities: [...this.select(selector)].sort((a, b) => a - b),
      users: groups.size,
    }))
  }

  /** The identities that a selector selects. */
  select(selector: Selector): Set<number> {
    const found = new Set<number>()
    for (const id of this.labelled.candidates(selector) ?? this.identities.keys()) {
      if (selects(selector, this.identities.get(id)!.labels)) found.add(id)
    }
    return found
  }

  private takeNumber(): number {
    if (this.fresh < groupsMax) return this.fresh++
    const number = this.released.shift()
    if (number === undefined) throw new PolicyLimit(`more than ${groupsMax - 1} different peers in the rules of a node`)
    return number
  }

  private membersOf(group: Group): ReadonlySet<number> {
    const {any, selectors} = group.peers
    const [first, ...more] = any ? [anySelector] : selectors
    const members = first === undefined ? new Set<number>() : this.select(first)
    for (const selector of more) for (const id of this.select(selector)) members.add(id)
    if (group.meaning !== undefined) {
      for (const id of members) if (!agrees(this.identities.get(id)!, group)) members.delete(id)
    }
    return members
  }

  private holdsClass({peers, meaning}: Group, {selectors, variant}: CidrClass): boolean {
    const byPrefix = peers.cidrs.some(({key}) => selectors.has(key))
    if (meaning === undefined) return byPrefix
    if (variant === undefined || !means(variant.namedPorts, meaning)) return false
    if (byPrefix) return true
    const identity = this.identities.get(variant.identity)
    // pods of an identity that agree about their ports are told by the identity
    if (identity?.namedPorts !== 'differ') return false
    return peers.any || peers.selectors.some((selector) => selects(selector, identity.labels))
  }

  private fillClass(number: number): void {
    const found = this.classes.get(number)!
    const row = new Uint8Array(rowBytes)
    for (const group of this.groups.values()) if (this.holdsClass(group, found)) setBit(row, group.number)
    this.replace('class', number, row)
  }

  private replace(kind: PeerRowKind, number: number, row: Uint8Array): void {
    const before = this.rows[kind].get(number)
    this.rows[kind].set(number, row)
    if (before === undefined || Buffer.compare(before, row) !== 0) this.changed[kind].add(number)
  }

  private mark(kind: PeerRowKind, number: number, group: number, member: boolean): void {
    const row = this.rows[kind].get(number)!
    if (isMember(row, group) === member) return
    row[group >> 3]! ^= 1 << (group & 7)
    this.changed[kind].add(number)
  }

  private countPorts(before: NamedPorts | undefined, after: NamedPorts | undefined): void {
    if (before === after) return
    for (const [ports, step] of [
      [before, -1],
      [after, 1],
    ] as const) {
      for (const [name, all] of ports ?? []) {
        for (const {protocol, port} of all) {
          const key = portNameKey(name, protocol)
          let numbers = this.numbers.get(key)
          if (numbers === undefined) this.numbers.set(key, (numbers = new Map()))
          const count = (numbers.get(port) ?? 0) + step
          if (count === 0) numbers.delete(port)
          else numbers.set(port, count)
          if (count === 0 || (count === 1 && step === 1)) this.changedNames.add(key)
        }
      }
    }
  }
}

/** `http/6`: a port name and the protocol it is asked for. */
export function portNameKey(name: string, protocol: number): string {
  return `${name}/${protocol}`
}

/** Is the owner of this row in the group? */
export function isMember(row: Uint8Array | undefined, group: number): boolean {
  return row !== undefined && ((row[group >> 3]! >> (group & 7)) & 1) === 1
}

function setBit(row: Uint8Array, group: number): void {
  row[group >> 3]! |= 1 << (group & 7)
}

const anySelector: Selector = {kind: 'any'}

function selectorsOf({peers}: Group): readonly Selector[] {
  return peers.any ? [anySelector] : peers.selectors
}

function agrees({namedPorts}: PeerIdentity, {meaning}: Group): boolean {
  return meaning === undefined || (namedPorts !== 'differ' && means(namedPorts, meaning))
}

function means(ports: NamedPorts, {name, protocol, port}: PortMeaning): boolean {
  return (ports.get(name) ?? []).some((one) => one.protocol === protocol && one.port === port)
}

function portsOf(identity: PeerIdentity | undefined): NamedPorts | undefined {
  return identity === undefined || identity.namedPorts === 'differ' ? undefined : identity.namedPorts
}

function groupKey(peers: ExpandedPeers, meaning: PortMeaning | undefined): string {
  let text = peerTexts.get(peers)
  if (text === undefined) peerTexts.set(peers, (text = peersText(peers)))
  return meaning === undefined ? text : `${text}|${meaning.name}/${meaning.protocol}=${meaning.port}`
}

/** What a rule says of peers is read once for all subjects that it stands over. */
const peerTexts = new WeakMap<ExpandedPeers, string>()

function peersText({any, selectors, cidrs}: ExpandedPeers): string {
  if (any) return '*'
  return [...new Set([...selectors.map(formatSelector), ...cidrs.map(({key}) => key)])].sort().join(';')
}
