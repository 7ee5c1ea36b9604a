/** Who there is to talk to: identities with their labels, CIDR classes, CIDR groups and services. */
import type {Cidr} from '../model/cidr.ts'
import type {Ip} from '../model/ip.ts'
import {LabelSet} from '../model/labels.ts'
import {formatSelector, type Selector, selects} from '../model/selector.ts'
import type {CidrClass, NamedPorts} from './cidr-classes.ts'

export interface PeerIdentity {
  readonly id: number
  readonly labels: LabelSet
  /** of its pods: `differ` when they do not agree, then their classes tell */
  readonly namedPorts: NamedPorts | 'differ'
}

export interface CidrGroup {
  readonly name: string
  readonly labels: LabelSet
  readonly cidrs: readonly Cidr[]
}

export interface PolicyService {
  readonly namespace: string
  readonly name: string
  readonly labels: LabelSet
  /** pods of its namespace with these labels; undefined: its backends are addresses that somebody wrote */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly backends: readonly Ip[]
}

/** All identities, with the answers of selectors remembered: a selector is asked once per identity. */
export class IdentityIndex {
  private readonly byId = new Map<number, PeerIdentity>()
  private readonly answers = new Map<string, {readonly selector: Selector; readonly ids: Set<number>}>()

  constructor(identities: Iterable<PeerIdentity> = []) {
    for (const identity of identities) this.set(identity)
  }

  set(identity: PeerIdentity): void {
    this.byId.set(identity.id, identity)
    for (const {selector, ids} of this.answers.values()) {
      if (selects(selector, identity.labels)) ids.add(identity.id)
      else ids.delete(identity.id)
    }
  }

  delete(id: number): void {
    this.byId.delete(id)
    for (const {ids} of this.answers.values()) ids.delete(id)
  }

  get(id: number): PeerIdentity | undefined {
    return this.byId.get(id)
  }

  [Symbol.iterator](): Iterator<PeerIdentity> {
    return this.byId.values()
  }

  /** The identities that a selector selects. Not to be changed by the caller. */
  select(selector: Selector): ReadonlySet<number> {
    const key = formatSelector(selector)
    const known = this.answers.get(key)
    if (known !== undefined) return known.ids
    const ids = new Set<number>()
    for (const {id, labels} of this.byId.values()) if (selects(selector, labels)) ids.add(id)
    this.answers.set(key, {selector, ids})
    return ids
  }

  /** Forgets the answers for selectors that no rule uses any more. */
  keepAnswers(used: ReadonlySet<string>): void {
    for (const key of this.answers.keys()) if (!used.has(key)) this.answers.delete(key)
  }

  /** The selectors that have been asked, with how many identities each selects. */
  selectors(): (readonly [string, number])[] {
    return Array.from(this.answers, ([key, {ids}]) => [key, ids.size] as const)
  }
}

export interface Universe {
  readonly identities: IdentityIndex
  readonly classes: readonly CidrClass[]
}

/** What peers of rules refer to by name. */
export interface References {
  readonly cidrGroups: readonly CidrGroup[]
  readonly services: readonly PolicyService[]
}

/** Labels of a group or service, which have no source of their own. */
export function objectLabels(labels: Readonly<Record<string, string>> | undefined): LabelSet {
  return LabelSet.fromRecord(labels, 'k8s')
}
