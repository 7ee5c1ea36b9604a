/**
 * CIDR classes: the number that an address carries beside its identity. Two addresses are of one class when every
 * CIDR selector gives the same answer for both, so that a thousand prefixes of one rule cost one row and not a thousand.
 */
import {type Cidr, compareCidrs} from '../model/cidr.ts'
import type {Ip} from '../model/ip.ts'
import {PrefixTable} from '../model/prefix-table.ts'
import {type CidrSelector, mentionedPrefixes} from './cidr-selector.ts'

/** Pods and nodes are asked by few selectors, what is outside by all. */
export type AddressPlace = 'outside' | 'inside'

/** A pod's port names, where the pods of its identity differ in them or prefixes are asked about them. */
export interface ClassVariant {
  readonly identity: number
  readonly namedPorts: NamedPorts
}

/** Port name → protocol and number; one name may stand for several. */
export type NamedPorts = ReadonlyMap<string, readonly {readonly protocol: number; readonly port: number}[]>

export interface CidrClass {
  /** never 0, which is "no selector holds" */
  readonly number: number
  /** keys of the selectors that hold */
  readonly selectors: ReadonlySet<string>
  readonly variant: ClassVariant | undefined
}

/** Hands out class numbers. The same text gets the same number as long as the caller keeps it. */
export interface ClassNumbers {
  numberOf(signature: string): number
}

/** Numbers in order of asking, from 1. */
export class CountedNumbers implements ClassNumbers {
  private readonly known = new Map<string, number>()

  numberOf(signature: string): number {
    let number = this.known.get(signature)
    if (number === undefined) {
      number = this.known.size + 1
      this.known.set(signature, number)
    }
    return number
  }
}

type Holding = ReadonlySet<CidrSelector>
const nothing: Holding = new Set()

/** The classes that a set of selectors makes. */
export class CidrClasses {
  private readonly prefixes = new PrefixTable<Set<CidrSelector>>()
  private readonly numbers: ClassNumbers
  private readonly made = new Map<number, CidrClass>()
  /** of selectors that hold, as the prefixes have them: most addresses of a cluster share a few */
  private readonly plain = {
    outside: new Map<Holding, CidrClass | undefined>(),
    inside: new Map<Holding, CidrClass | undefined>(),
  }

  constructor(selectors: Iterable<CidrSelector>, numbers: ClassNumbers = new CountedNumbers()) {
    this.numbers = numbers
    const unique = new Map([...selectors].map((selector) => [selector.key, selector]))
    for (const selector of unique.values()) {
      for (const prefix of mentionedPrefixes(selector)) {
        if (!this.prefixes.has(prefix)) this.prefixes.set(prefix, new Set())
      }
    }
    for (const selector of unique.values()) this.fill(selector)
    for (const {value} of this.prefixes.entries()) {
      this.classOf(value, 'outside', undefined)
      this.classOf(value, 'inside', undefined)
    }
  }

  /** Every class that has been made so far. */
  get all(): readonly CidrClass[] {
    return [...this.made.values()]
  }

  /** The class of an address; 0 when no selector holds and it has no variant. */
  at(ip: Ip, place: AddressPlace, variant?: ClassVariant): number {
    const holding = this.prefixes.longest(ip)?.value ?? nothing
    return this.classOf(holding, place, variant)?.number ?? 0
  }

  /** The class of every address of a prefix in which no selector's answer changes from one to the next. */
  of(cidr: Cidr, place: AddressPlace, variant?: ClassVariant): number {
    let holding = nothing
    for (const {value} of this.prefixes.covering(cidr)) holding = value
    return this.classOf(holding, place, variant)?.number ?? 0
  }

  /** Every prefix at which an answer may change. */
  get edges(): Cidr[] {
    return Array.from(this.prefixes.entries(), ({cidr}) => cidr)
  }

  /** The rows that the prefix map needs, for addresses outside: where a prefix begins, the class changes. */
  outsideRows(): (readonly [Cidr, number])[] {
    const rows = Array.from(
      this.prefixes.entries(),
      ({cidr, value}) => [cidr, this.classOf(value, 'outside', undefined)?.number ?? 0] as const,
    )
    return rows.sort(([a], [b]) => compareCidrs(a, b))
  }

  /** Marks the prefixes at which a selector holds: inside an item, and inside none of its exceptions. */
  private fill(selector: CidrSelector): void {
    for (const {cidr, except} of selector.items) {
      for (const {cidr: prefix, value} of this.prefixes.within(cidr)) {
        if (!except.some((hole) => hole.covers(prefix))) value.add(selector)
      }
    }
  }

  private classOf(holding: Holding, place: AddressPlace, variant: ClassVariant | undefined): CidrClass | undefined {
    if (variant !== undefined) return this.makeClass(holding, place, variant)
    const plain = this.plain[place]
    if (!plain.has(holding)) plain.set(holding, this.makeClass(holding, place, undefined))
    return plain.get(holding)
  }

  private makeClass(holding: Holding, place: AddressPlace, variant: ClassVariant | undefined): CidrClass | undefined {
    const keys = [...holding]
      .filter(({reach}) => place === 'outside' || reach === 'everywhere')
      .map(({key}) => key)
      .sort()
    if (keys.length === 0 && variant === undefined) return undefined
    const number = this.numbers.numberOf(keys.join(';') + (variant === undefined ? '' : `|${variantText(variant)}`))
    let found = this.made.get(number)
    if (found === undefined) {
      found = {number, selectors: new Set(keys), variant}
      this.made.set(number, found)
    }
    return found
  }
}

/** Canonical text of a pod's port names. */
export function namedPortsText(ports: NamedPorts): string {
  return [...ports]
    .map(([name, all]) => `${name}=${all.map(({protocol, port}) => `${protocol}/${port}`).sort()}`)
    .sort()
    .join(' ')
}

function variantText({identity, namedPorts}: ClassVariant): string {
  return `${identity}:${namedPortsText(namedPorts)}`
}
