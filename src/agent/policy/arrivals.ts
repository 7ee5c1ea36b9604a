/** Since when identities are known that policies do not know yet. */
import {type Identity, identityScope} from '../../model/identity.ts'
import type {PolicyNews} from './refusal.ts'

export class Arrivals {
  readonly #now: () => number
  /** monotonic clock, ms */
  readonly #since = new Map<Identity, number>()

  /** @param now monotonic clock, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  note(id: Identity): void {
    this.#since.set(id, this.#now())
  }

  /** Those that have come are in every group that they belong to. */
  tell(news: Pick<PolicyNews, 'learnt'>): void {
    const now = this.#now()
    for (const [id, since] of this.#since) {
      news.learnt(identityScope(id) === 'cluster' ? 'global' : 'local', (now - since) / 1000)
    }
    this.#since.clear()
  }
}
