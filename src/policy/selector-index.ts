/**
 * Labels to selectors and back, without asking every selector about every identity: both sides are found by the values
 * of their labels, and only the candidates are asked in full.
 */
import {derivedKeys, type LabelSet} from '../model/labels.ts'
import {formatSelector, type Requirement, type Selector, selects} from '../model/selector.ts'

interface Entry<User> {
  readonly selector: Selector
  readonly users: Set<User>
}

/** Selectors with their users, found by the labels they ask for. */
export class SelectorIndex<User> {
  private readonly all = new Map<string, Entry<User>>()
  private readonly byLabel = new Map<string, Set<Entry<User>>>()
  /** those that name no value */
  private readonly rest = new Set<Entry<User>>()

  add(selector: Selector, user: User): void {
    const key = formatSelector(selector)
    let entry = this.all.get(key)
    if (entry === undefined) {
      entry = {selector, users: new Set()}
      this.all.set(key, entry)
      for (const bucket of this.bucketsOf(selector)) bucket.add(entry)
    }
    entry.users.add(user)
  }

  remove(selector: Selector, user: User): void {
    const key = formatSelector(selector)
    const entry = this.all.get(key)
    if (entry === undefined) return
    entry.users.delete(user)
    if (entry.users.size > 0) return
    this.all.delete(key)
    for (const bucket of this.bucketsOf(selector)) bucket.delete(entry)
    for (const name of namesOf(selector)) if (this.byLabel.get(name)?.size === 0) this.byLabel.delete(name)
  }

  /** The users of all selectors that select these labels. */
  matching(labels: LabelSet): Set<User> {
    const found = new Set<User>()
    const ask = ({selector, users}: Entry<User>) => {
      if (selects(selector, labels)) for (const user of users) found.add(user)
    }
    for (const entry of this.rest) ask(entry)
    for (const {key, value} of labels) for (const entry of this.byLabel.get(nameOf(key, value)) ?? []) ask(entry)
    return found
  }

  entries(): (readonly [Selector, ReadonlySet<User>])[] {
    return Array.from(this.all.values(), ({selector, users}) => [selector, users] as const)
  }

  private bucketsOf(selector: Selector): Set<Entry<User>>[] {
    const names = namesOf(selector)
    if (names.length === 0) return [this.rest]
    return names.map((name) => {
      let bucket = this.byLabel.get(name)
      if (bucket === undefined) this.byLabel.set(name, (bucket = new Set()))
      return bucket
    })
  }
}

/** Identities by the values of their labels. */
export class LabelledIds {
  private readonly byLabel = new Map<string, Set<number>>()

  add(id: number, labels: LabelSet): void {
    for (const {key, value} of labels) {
      const name = nameOf(key, value)
      const ids = this.byLabel.get(name)
      if (ids === undefined) this.byLabel.set(name, new Set([id]))
      else ids.add(id)
    }
  }

  remove(id: number, labels: LabelSet): void {
    for (const {key, value} of labels) {
      const name = nameOf(key, value)
      const ids = this.byLabel.get(name)
      ids?.delete(id)
      if (ids?.size === 0) this.byLabel.delete(name)
    }
  }

  /** All that a selector may select, by the rarest value it asks for; undefined: it names no value, ask everybody. */
  candidates(selector: Selector): Iterable<number> | undefined {
    if (selector.kind === 'none' || selector.kind === 'absent') return []
    let [best, size] = [undefined as Set<number>[] | undefined, Number.POSITIVE_INFINITY]
    for (const {key, values} of valued(selector)) {
      const sets = values.flatMap((value) => this.byLabel.get(nameOf(key, value)) ?? [])
      const total = sets.reduce((sum, ids) => sum + ids.size, 0)
      if (total < size) [best, size] = [sets, total]
    }
    if (best === undefined || best.length < 2) return best === undefined ? undefined : (best[0] ?? [])
    return new Set(best.flatMap((ids) => [...ids]))
  }
}

function valued(selector: Selector): Requirement[] {
  return selector.kind === 'match' ? selector.requirements.filter(({operator}) => operator === 'In') : []
}

/** The label values under which a selector is found: of the condition that most likely tells few identities. */
function namesOf(selector: Selector): string[] {
  const rank = ({key}: Requirement) => (key === derivedKeys.cluster ? 2 : key === derivedKeys.namespace ? 1 : 0)
  const [first] = valued(selector).sort((a, b) => rank(a) - rank(b))
  return first === undefined ? [] : first.values.map((value) => nameOf(first.key, value))
}

/** The source is left out: `any` asks for all of them. */
function nameOf(key: string, value: string): string {
  return `${key}\0${value}`
}
