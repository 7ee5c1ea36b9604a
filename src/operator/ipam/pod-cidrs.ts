import {Cidr, compareCidrs} from '../../model/cidr.ts'
import type {IpFamily} from '../../model/ip.ts'
import {PrefixSpace} from './prefix-space.ts'

/** Where the nodes' prefixes of one family come from. */
export interface FamilyPools {
  readonly family: IpFamily
  readonly pools: readonly Cidr[]
  /** length of each node's prefix */
  readonly nodeMask: number
}

/** A node that needs prefixes, or has some. */
export interface PrefixHolder {
  readonly name: string
  /** RFC 3339: where two nodes hold the same addresses, the older one is right */
  readonly created: string
  /** what its object says, and what was given to it and is not written there yet */
  readonly podCidrs: readonly string[]
}

/** Addresses that no pod may have, and whose they are. */
export interface Occupied {
  readonly cidr: Cidr
  /** for people: `address of node a` */
  readonly owner: string
}

export interface PodCidrs {
  readonly name: string
  readonly podCidrs: readonly string[]
  /** why the node lacks a prefix, or may not trust the one it has; empty when all is well */
  readonly error: string
}

interface Claim {
  readonly holder: PrefixHolder
  readonly cidr: Cidr
}

/**
 * Gives every node one prefix per family.
 *
 * 1 What a node has is never taken away or replaced: pods live in it. 2 Of two nodes whose prefixes overlap the younger
 * one is told. 3 A prefix that contains addresses of nodes or services is reported where a node has it, and never
 * given out. 4 A node whose prefixes cannot be read gets no more until somebody corrects them. 5 The others get the
 * lowest free prefix of the first pool that has one, older nodes first; so the same objects always give the same answer.
 */
export function assignPodCidrs(
  holders: readonly PrefixHolder[],
  families: readonly FamilyPools[],
  occupied: readonly Occupied[],
): PodCidrs[] {
  const byAge = [...holders].sort((a, b) => compareTexts(a.created, b.created) || compareTexts(a.name, b.name))
  const errors = new Map<string, string[]>(byAge.map(({name}) => [name, []]))
  const claims: Claim[] = []
  const unreadable = new Set<string>()
  for (const holder of byAge) {
    for (const text of holder.podCidrs) {
      const cidr = Cidr.parse(text)
      if (cidr !== undefined) claims.push({holder, cidr})
      else {
        unreadable.add(holder.name)
        errors.get(holder.name)!.push(`${JSON.stringify(text)} in spec.ipam.podCIDRs is not a prefix`)
      }
    }
  }
  reportOverlaps(claims, byAge, errors)
  reportOccupied(claims, occupied, errors)

  const given = new Map<string, string[]>(byAge.map(({name, podCidrs}) => [name, [...podCidrs]]))
  for (const {family, pools, nodeMask} of families) {
    const served = new Set(claims.filter(({cidr}) => cidr.family === family).map(({holder}) => holder.name))
    const taken = [...claims.map(({cidr}) => cidr), ...occupied.map(({cidr}) => cidr)]
    const spaces = pools.map((pool) => new PrefixSpace(pool, nodeMask, taken))
    for (const {name} of byAge) {
      if (served.has(name) || unreadable.has(name)) continue
      const cidr = takeFirst(spaces)
      if (cidr !== undefined) {
        given.get(name)!.push(cidr.toString())
        served.add(name)
      } else errors.get(name)!.push(noneLeft(family, spaces, served.size, occupied))
    }
  }
  return byAge.map(({name}) => ({name, podCidrs: given.get(name)!, error: errors.get(name)!.join('; ')}))
}

function takeFirst(spaces: readonly PrefixSpace[]): Cidr | undefined {
  for (const space of spaces) {
    const cidr = space.take()
    if (cidr !== undefined) return cidr
  }
  return undefined
}

function reportOverlaps(claims: readonly Claim[], byAge: readonly PrefixHolder[], errors: Map<string, string[]>): void {
  const age = new Map(byAge.map(({name}, index) => [name, index]))
  for (const [one, other] of overlappingPairs(claims)) {
    if (one.holder === other.holder) continue
    const isOlder = age.get(one.holder.name)! < age.get(other.holder.name)!
    const [older, younger] = isOlder ? [one, other] : [other, one]
    errors
      .get(younger.holder.name)!
      .push(`pod CIDR ${younger.cidr} overlaps ${older.cidr}, which node ${older.holder.name} had before`)
  }
}

function reportOccupied(claims: readonly Claim[], occupied: readonly Occupied[], errors: Map<string, string[]>): void {
  for (const [one, other] of overlappingPairs<Claim | Occupied>([...claims, ...occupied])) {
    if ('holder' in one === 'holder' in other) continue
    const [claim, foreign] = 'holder' in one ? [one, other as Occupied] : [other as Claim, one]
    const what = foreign.cidr.isHost ? foreign.cidr.network : foreign.cidr
    errors.get(claim.holder.name)!.push(`pod CIDR ${claim.cidr} overlaps ${what}, ${foreign.owner}`)
  }
}

/** Prefixes overlap only if one covers the other. Sorted by network the covering one comes first: one pass, a stack. */
function* overlappingPairs<Item extends {readonly cidr: Cidr}>(items: readonly Item[]): Generator<[Item, Item]> {
  const open: Item[] = []
  for (const item of [...items].sort((a, b) => compareCidrs(a.cidr, b.cidr))) {
    while (open.length > 0 && !open.at(-1)!.cidr.covers(item.cidr)) open.pop()
    for (const outer of open) yield [outer, item]
    open.push(item)
  }
}

function noneLeft(
  family: IpFamily,
  spaces: readonly PrefixSpace[],
  served: number,
  occupied: readonly Occupied[],
): string {
  if (spaces.length === 0) return `there is no IPv${family} pool to take a pod CIDR from`
  const foreign = occupied.filter(({cidr}) => spaces.some(({pool}) => pool.overlaps(cidr)))
  const size = spaces.reduce((total, space) => total + space.size, 0n)
  const pools = spaces.map(({pool}) => pool).join(' ')
  const overlaps = foreign.length === 0 ? '' : `, others overlap ${foreign[0]!.cidr} (${foreign[0]!.owner})`
  return `no IPv${family} pod CIDR is left: ${pools} holds ${size} of /${spaces[0]!.length}, ${served} nodes have one${overlaps}`
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
