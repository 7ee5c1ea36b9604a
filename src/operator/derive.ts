import type {Clock, Timer} from '../runtime/clock.ts'

/** The part of a table that is needed to know when to look at it. */
export interface Followed {
  readonly synced: boolean
  subscribe(listener: () => void): () => void
  whenSynced(): Promise<true>
}

/** The changes of a moment are worked on together: a list of a thousand objects is one run. */
const gatherMs = 20

/**
 * Runs `compute` once all tables are synced, and again after every change of any of them.
 *
 * @returns ends it
 */
export function derive(tables: readonly Followed[], clock: Clock, compute: () => void): () => void {
  let timer: Timer | undefined
  let stopped = false
  const run = () => {
    timer = undefined
    if (!stopped && tables.every((table) => table.synced)) compute()
  }
  const schedule = () => {
    timer ??= clock.after(gatherMs, run)
  }
  const ends = tables.map((table) => table.subscribe(schedule))
  for (const table of tables) {
    // a table that is synced without any row tells no change; and one that never is has nothing to say
    table.whenSynced().then(schedule, schedule)
  }
  return () => {
    stopped = true
    timer?.cancel()
    for (const end of ends) end()
  }
}
