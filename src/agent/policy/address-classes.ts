/** The CIDR class of every address, for one set of questions that policies ask about prefixes. */
import type {Cidr} from '../../model/cidr.ts'
import {identityScope, isWorld} from '../../model/identity.ts'
import {
  type AddressPlace,
  type CidrClass,
  CidrClasses,
  type ClassNumbers,
  type ClassVariant,
  type NamedPorts,
} from '../../policy/cidr-classes.ts'
import type {CidrSelector} from '../../policy/cidr-selector.ts'
import type {AddressRow} from '../state/rows.ts'

export interface ClassFacts {
  readonly numbers: ClassNumbers
  /** prefixes of Cilium's policies mean nodes, too (`policy-cidr-match-mode`) */
  readonly nodesMatch: boolean
  /** the port names of the pod that owns an address */
  readonly portsOf: (row: AddressRow) => NamedPorts
  /** do the pods of this identity disagree about port names? */
  readonly differ: (identity: number) => boolean
}

/**
 * 1 What is outside is asked by every prefix, pods and nodes by those alone that mean everybody (ipBlock);
 * 2 a pod with port names has a class of its own where its identity does not tell them.
 */
export class AddressClasses {
  readonly selectors: ReadonlyMap<string, CidrSelector>
  private readonly classes: CidrClasses
  private readonly facts: ClassFacts

  constructor(selectors: Iterable<CidrSelector>, facts: ClassFacts) {
    this.selectors = new Map(Array.from(selectors, (selector) => [selector.key, selector]))
    this.classes = new CidrClasses(this.selectors.values(), facts.numbers)
    this.facts = facts
  }

  /** Those that have been met so far: an address may make a new one. */
  get all(): readonly CidrClass[] {
    return this.classes.all
  }

  /** Where an answer may change: each needs a row of its own in the prefix map. */
  get prefixes(): readonly Cidr[] {
    return this.classes.edges
  }

  classOf(row: AddressRow): number {
    const place = this.placeOf(row)
    const plain = this.classes.of(row.cidr, place)
    const pod = row.source === 'local-endpoint' || row.source === 'remote-endpoint'
    if (!pod) return plain
    const namedPorts = this.facts.portsOf(row)
    if (namedPorts.size === 0 || (plain === 0 && !this.facts.differ(row.identity))) return plain
    const variant: ClassVariant = {identity: row.identity, namedPorts}
    return this.classes.of(row.cidr, place, variant)
  }

  private placeOf(row: AddressRow): AddressPlace {
    if (isWorld(row.identity, {dualStack: true}) || identityScope(row.identity) === 'local') return 'outside'
    return this.facts.nodesMatch && (row.localHost || row.remoteNode) ? 'outside' : 'inside'
  }
}
