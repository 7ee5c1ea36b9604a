/** How often this process has written to maps and deleted from them, by name: for metrics. */
export interface MapOperations {
  updates: number
  failedUpdates: number
  deletions: number
  failedDeletions: number
}

const byName = new Map<string, MapOperations>()

/** Those of the maps of this name; to be counted in place. */
export function operationsOf(name: string): MapOperations {
  let found = byName.get(name)
  if (found === undefined) {
    found = {updates: 0, failedUpdates: 0, deletions: 0, failedDeletions: 0}
    byName.set(name, found)
  }
  return found
}

export function mapOperations(): ReadonlyMap<string, Readonly<MapOperations>> {
  return byName
}
