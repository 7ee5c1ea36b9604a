import type {IdentityRow} from '../rows.ts'

export interface IdentityCollection {
  /** to be marked as unused */
  readonly mark: readonly IdentityRow[]
  /** marked before and in use again */
  readonly unmark: readonly IdentityRow[]
  readonly remove: readonly IdentityRow[]
  readonly alive: number
  /** since when each unused identity is known to be unused, ms; to be handed in the next time */
  readonly unusedSince: ReadonlyMap<string, number>
}

export interface IdentityTimes {
  readonly nowMs: number
  /** how long an identity stays without users before it is marked */
  readonly heartbeatTimeoutMs: number
  /** pause between runs: how long a mark stands before the identity goes */
  readonly intervalMs: number
}

/**
 * Decides which identities go. 1 One that an endpoint has is alive, whatever else is true. 2 One that was never seen
 * unused is unused since now: a restart of the operator gives it its whole time again. 3 Unused for the heartbeat
 * timeout: it gets a mark. Of several with the same labels only the lowest number is wanted; the others get theirs
 * after one interval. 4 Marked for a whole interval, all of it unused: it goes. An agent that takes a marked identity
 * into use removes the mark, and the removal, bound to the version that was read, then fails.
 */
export function collectIdentities(
  identities: readonly IdentityRow[],
  inUse: ReadonlySet<number>,
  before: ReadonlyMap<string, number>,
  {nowMs, heartbeatTimeoutMs, intervalMs}: IdentityTimes,
): IdentityCollection {
  const lowest = lowestByLabels(identities)
  const mark: IdentityRow[] = []
  const unmark: IdentityRow[] = []
  const remove: IdentityRow[] = []
  const unusedSince = new Map<string, number>()
  let alive = 0

  for (const identity of identities) {
    if (identity.id !== undefined && inUse.has(identity.id)) {
      alive++
      if (identity.markedMs !== undefined) unmark.push(identity)
      continue
    }
    const since = before.get(identity.name) ?? nowMs
    unusedSince.set(identity.name, since)
    const isDuplicate = lowest.get(identity.labels) !== identity
    const patienceMs = isDuplicate ? Math.min(intervalMs, heartbeatTimeoutMs) : heartbeatTimeoutMs
    if (identity.markedMs === undefined) {
      if (nowMs - since >= patienceMs) mark.push(identity)
    } else if (nowMs - identity.markedMs >= intervalMs && nowMs - since >= intervalMs) remove.push(identity)
  }
  return {mark, unmark, remove, alive, unusedSince}
}

function lowestByLabels(identities: readonly IdentityRow[]): ReadonlyMap<string, IdentityRow> {
  const lowest = new Map<string, IdentityRow>()
  for (const identity of identities) {
    const other = lowest.get(identity.labels)
    const number = identity.id ?? Number.POSITIVE_INFINITY
    if (other === undefined || number < (other.id ?? Number.POSITIVE_INFINITY)) lowest.set(identity.labels, identity)
  }
  return lowest
}
