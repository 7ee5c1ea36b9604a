/**
 * What every address is: nodes, endpoints and the configuration each claim some; this decides whose claim counts.
 * Pure; told one owner's claims at a time, so that a change costs what changed and not the cluster's size.
 */
import {type AddressRow, type AddressSource, addressSources} from '../state/rows.ts'

const strength = new Map<AddressSource, number>(addressSources.map((source, i) => [source, i]))

/** What became of an address: its row, or undefined when nobody claims it any more. */
export type AddressChange = readonly [key: string, row: AddressRow | undefined]

/**
 * Whose claim of an address counts:
 * 1 the stronger source (what is on this node, then nodes, then endpoints elsewhere, then the configuration; what was
 *   restored from before a restart is the weakest, so that it holds only until somebody knows better);
 * 2 of one source the owner that claimed last: an address that moved to a new pod is the new pod's.
 */
export class AddressClaims {
  /** by address, the claim that counts last */
  private readonly byAddress = new Map<string, AddressRow[]>()
  private readonly byOwner = new Map<string, readonly AddressRow[]>()

  /**
   * Replaces all claims of an owner (none: it is gone).
   *
   * @returns the addresses whose meaning may have changed
   */
  set(owner: string, claims: readonly AddressRow[]): AddressChange[] {
    const touched = new Set<string>()
    const wanted = new Map(claims.map((claim) => [claim.cidr.toString(), claim]))
    for (const old of this.byOwner.get(owner) ?? []) {
      const key = old.cidr.toString()
      if (!wanted.has(key)) {
        this.drop(key, owner)
        touched.add(key)
      }
    }
    for (const [key, claim] of wanted) {
      this.put(key, owner, claim)
      touched.add(key)
    }
    if (wanted.size === 0) this.byOwner.delete(owner)
    else this.byOwner.set(owner, [...wanted.values()])
    return Array.from(touched, (key) => [key, this.byAddress.get(key)?.at(-1)] as const)
  }

  /** Everybody who has claims, for leftovers of owners that are gone. */
  owners(): IterableIterator<string> {
    return this.byOwner.keys()
  }

  /** The claim that counts for exactly this address or prefix. */
  get(key: string): AddressRow | undefined {
    return this.byAddress.get(key)?.at(-1)
  }

  private put(key: string, owner: string, claim: AddressRow): void {
    const all = this.byAddress.get(key)
    if (all === undefined) {
      this.byAddress.set(key, [claim])
      return
    }
    const at = all.findIndex((other) => other.owner === owner)
    if (at >= 0 && all[at]!.source === claim.source) {
      all[at] = claim // the same owner says more about it: its turn stays
      return
    }
    if (at >= 0) all.splice(at, 1)
    const rank = strength.get(claim.source)!
    let place = all.length
    while (place > 0 && strength.get(all[place - 1]!.source)! < rank) place--
    all.splice(place, 0, claim)
  }

  private drop(key: string, owner: string): void {
    const rest = this.byAddress.get(key)?.filter((claim) => claim.owner !== owner) ?? []
    if (rest.length === 0) this.byAddress.delete(key)
    else this.byAddress.set(key, rest)
  }
}
