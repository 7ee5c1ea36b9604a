/** What the policy engine asks of the datapath, in its own words. Stories answer with plain tables. */
import type {PeerRow} from '../../policy/peer-groups.ts'
import type {RuleSet} from '../../policy/rule-set.ts'

/** A set as it lies in the maps: its content, without what follows from it. */
export type StoredSet = Pick<RuleSet, 'fallback' | 'parts'>

export interface SetMaps {
  /** sets that are complete, by number */
  read(): ReadonlyMap<number, StoredSet>
  /** A number that no set has had before. */
  take(): number
  /** Writes a set under a number that nobody points at. @throws when it does not fit: nothing is left */
  write(number: number, set: StoredSet): void
  remove(number: number, set: StoredSet): void
  /** Takes out what writes that were cut short have left. */
  sweep(): void
  readPeers(): Iterable<PeerRow>
  writePeers(rows: Iterable<PeerRow>): void
  /** Makes every flow's verdict be computed again. After rows of peers have changed. */
  moveEpoch(): void
  /** room for ports, blocks of ports, and parts of sets */
  readonly maxEntries: number
  readonly maxBlocks: number
  readonly maxParts: number
}
