/** Who of several services has an address and port. Pure; told one service's frontends at a time. */
import type {FrontendKind, FrontendRow} from './rows.ts'

/** The stronger first. A LocalRedirect stands in for the service it takes traffic from. */
const kinds: readonly FrontendKind[] = [
  'LocalRedirect',
  'ClusterIP',
  'LoadBalancer',
  'ExternalIPs',
  'NodePort',
  'HostPort',
]

/** A frontend that its service does not get. */
export interface FrontendConflict {
  readonly frontend: FrontendRow
  /** who has it */
  readonly holder: FrontendRow
}

export interface FrontendChange {
  readonly key: string
  /** undefined: nobody wants it any more */
  readonly row: FrontendRow | undefined
}

/**
 * Whose frontend counts when two services want the same: 1 the stronger kind, so that nobody takes a cluster address by
 * naming it as an external one; 2 the older service; 3 the first by name. Rows that own an address for all its ports
 * are alike, whosever they are.
 */
export class FrontendClaims {
  /** nearly every key has one claim: a map for each would cost more than the rows */
  private readonly byKey = new Map<string, readonly Claim[]>()
  private readonly byOwner = new Map<string, readonly string[]>()

  /** Replaces all frontends of an owner (none: it is gone). @returns the keys whose row may have changed */
  set(owner: string, rows: readonly FrontendRow[]): FrontendChange[] {
    const before = this.byOwner.get(owner) ?? []
    const keys = rows.map(({key}) => key)
    const wanted = before.length === 0 ? undefined : new Set(keys)
    const gone = before.filter((key) => !wanted!.has(key))
    for (const key of gone) {
      const others = this.byKey.get(key)!.filter((claim) => claim.owner !== owner)
      if (others.length === 0) this.byKey.delete(key)
      else this.byKey.set(key, others)
    }
    for (const row of rows) {
      const others = this.byKey.get(row.key)?.filter((claim) => claim.owner !== owner) ?? []
      this.byKey.set(row.key, [...others, {owner, row}])
    }
    if (keys.length === 0) this.byOwner.delete(owner)
    else this.byOwner.set(owner, keys)
    return [...keys, ...gone].map((key) => ({key, row: this.holder(key)}))
  }

  /** Everybody who wants this key. */
  claimants(key: string): readonly string[] {
    return this.byKey.get(key)?.map(({owner}) => owner) ?? []
  }

  /** What a service wanted and does not have. */
  conflicts(owner: string): FrontendConflict[] {
    const found: FrontendConflict[] = []
    for (const key of this.byOwner.get(owner) ?? []) {
      const claims = this.byKey.get(key)!
      if (claims.length === 1) continue
      const frontend = claims.find((claim) => claim.owner === owner)?.row
      const holder = this.holder(key)
      if (frontend !== undefined && holder !== undefined && holder !== frontend && frontend.port !== 0) {
        // somebody of the service's own namespace has asked for that
        if (holder.kind === 'LocalRedirect' && holder.namespace === frontend.namespace) continue

        found.push({frontend, holder})
      }
    }
    return found
  }

  private holder(key: string): FrontendRow | undefined {
    let best: FrontendRow | undefined
    let next: FrontendRow | undefined
    for (const {row} of this.byKey.get(key) ?? []) {
      if (best === undefined || stronger(row, best)) [best, next] = [row, best]
      else if (next === undefined || stronger(row, next)) next = row
    }
    // who is spared by the one finds the other
    return best?.sparesBackends && next !== undefined ? {...best, backends: next.backends} : best
  }
}

interface Claim {
  readonly owner: string
  readonly row: FrontendRow
}

function stronger(a: FrontendRow, b: FrontendRow): boolean {
  const rank = kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
  if (rank !== 0) return rank < 0
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt
  return `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}`
}
