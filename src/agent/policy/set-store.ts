/**
 * Rule sets in the datapath: by content, shared, counted. A set that nobody uses stays a while, because what changes
 * often changes back; its number is never another set's.
 */

import {makePart, makeRuleSet, type RuleSet} from '../../policy/rule-set.ts'
import {fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'
import type {SetMaps} from './door.ts'

interface Stored {
  readonly number: number
  readonly set: RuleSet
  users: number
  /** monotonic clock, ms */
  idleSince: number
}

/** How long a set that nobody uses stays, ms, and how many of them. */
const idleMs = 30_000
const idleMax = 64

export class SetStore {
  private readonly maps: SetMaps
  private readonly now: () => number
  private readonly byNumber = new Map<number, Stored>()
  private readonly byHash = new Map<string, Stored>()
  private room = {entries: 0, blocks: 0, parts: 0}

  constructor(maps: SetMaps, now: () => number) {
    this.maps = maps
    this.now = now
  }

  /** What the maps hold from a life before this one. Nobody uses any of it yet. */
  restore(): void {
    this.maps.sweep()
    for (const [number, {parts, fallback}] of this.maps.read()) {
      const same = parts.map(({rules, entries, ranges}) => makePart(rules, [...entries], [...ranges]))
      this.keep({number, set: makeRuleSet(same, fallback), users: 0, idleSince: this.now()})
    }
  }

  get size(): number {
    return this.byNumber.size
  }

  setOf(number: number): RuleSet | undefined {
    return this.byNumber.get(number)?.set
  }

  /** The number of the set with this content; undefined: there is none. */
  numberOf(hash: string): number | undefined {
    return this.byHash.get(hash)?.number
  }

  /** The groups of peers that sets name. */
  groups(): Set<number> {
    return new Set([...this.byNumber.values()].flatMap(({set}) => set.groups))
  }

  /**
   * The number of a set with this content, for one more user.
   *
   * @throws POLICY_MAPS_FULL: nothing has changed
   */
  acquire(set: RuleSet): number {
    let stored = this.byHash.get(set.hash)
    if (stored === undefined) {
      this.makeRoom(set)
      const number = this.maps.take()
      this.maps.write(number, set)
      stored = {number, set, users: 0, idleSince: this.now()}
      this.keep(stored)
    }
    stored.users++
    return stored.number
  }

  /** One user more of a set that is there; a number that no set has is nothing to hold. */
  hold(number: number): void {
    const stored = this.byNumber.get(number)
    if (stored !== undefined) stored.users++
  }

  release(number: number): void {
    const stored = this.byNumber.get(number)
    if (stored === undefined) return
    stored.users--
    stored.idleSince = this.now()
  }

  /** Removes what nobody has used for a while. */
  collect(): void {
    const idle = [...this.byNumber.values()].filter(({users}) => users === 0)
    idle.sort((a, b) => a.idleSince - b.idleSince)
    const oldest = this.now() - idleMs
    for (const [index, stored] of idle.entries()) {
      if (stored.idleSince <= oldest || idle.length - index > idleMax) this.drop(stored)
    }
  }

  private makeRoom(set: RuleSet): void {
    const {maxEntries, maxBlocks, maxParts} = this.maps
    const wanted = roomOf(set)
    const fits = () =>
      this.room.entries + wanted.entries <= maxEntries &&
      this.room.blocks + wanted.blocks <= maxBlocks &&
      this.room.parts + wanted.parts <= maxParts
    if (fits()) return
    for (const stored of [...this.byNumber.values()]) if (stored.users === 0) this.drop(stored)
    if (fits()) return
    fail(codes.POLICY_MAPS_FULL, {
      entries: wanted.entries + wanted.blocks,
      used: this.room.entries + this.room.blocks,
      max: maxEntries,
    })
  }

  private keep(stored: Stored): void {
    this.byNumber.set(stored.number, stored)
    if (!this.byHash.has(stored.set.hash)) this.byHash.set(stored.set.hash, stored)
    this.count(stored.set, 1)
  }

  private drop(stored: Stored): void {
    this.maps.remove(stored.number, stored.set)
    this.byNumber.delete(stored.number)
    if (this.byHash.get(stored.set.hash) === stored) this.byHash.delete(stored.set.hash)
    this.count(stored.set, -1)
  }

  private count(set: RuleSet, by: 1 | -1): void {
    const {entries, blocks, parts} = roomOf(set)
    this.room.entries += by * entries
    this.room.blocks += by * blocks
    this.room.parts += by * parts
  }
}

function roomOf({parts}: RuleSet): {readonly entries: number; readonly blocks: number; readonly parts: number} {
  const sum = (of: (part: RuleSet['parts'][number]) => number) => parts.reduce((total, part) => total + of(part), 0)
  return {entries: sum(({entries}) => entries.length), blocks: sum(({ranges}) => ranges.length), parts: parts.length}
}
