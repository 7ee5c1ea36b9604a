/** Numbers that packets and people know frontends and backends by. They stay as long as what they name, restarts included. */
import {declareErrors, fail} from '../../runtime/errors.ts'
import type {BackendState} from './rows.ts'

const codes = declareErrors({
  SERVICE_BACKENDS_FULL: {
    what: 'no room for another backend: {capacity} are in use',
    advice: 'this node knows as many backends as it can hold; services with fewer endpoints would help',
  },
})

/** Numbers of frontends, from 1 on; one that is free again waits until all others have had their turn. */
export class FrontendNumbers {
  private readonly byKey = new Map<string, number>()
  private readonly taken = new Set<number>()
  private last = 0

  restore(key: string, number: number): void {
    if (number === 0 || this.taken.has(number)) return
    this.byKey.set(key, number)
    this.taken.add(number)
    this.last = Math.max(this.last, number)
  }

  of(key: string): number {
    const known = this.byKey.get(key)
    if (known !== undefined) return known
    do this.last = this.last >= 0xffff_fffe ? 1 : this.last + 1
    while (this.taken.has(this.last))
    this.byKey.set(key, this.last)
    this.taken.add(this.last)
    return this.last
  }

  release(key: string): void {
    const number = this.byKey.get(key)
    if (number === undefined) return
    this.byKey.delete(key)
    this.taken.delete(number)
  }
}

/** A place in the backend map; the reference that lists and flows hold is made of both numbers. */
export interface BackendNumber {
  readonly index: number
  readonly generation: number
}

/** A backend that is known, whoever uses it. */
export interface NumberedBackend extends BackendNumber {
  readonly key: string
  /** what the map says of it; undefined: it is not there yet */
  state: BackendState | undefined
}

export function backendRef({index, generation}: BackendNumber): number {
  return (index | (generation << 16)) >>> 0
}

const lastGeneration = 0xffff

interface Counted extends NumberedBackend {
  users: number
}

/**
 * Places of backends, shared by all frontends that send to them. A place that becomes free is used again after all that
 * were free before it, and then has another generation: a flow that still names the old one is told so.
 */
export class BackendNumbers {
  private readonly capacity: number
  private readonly byKey = new Map<string, Counted>()
  private readonly free: BackendNumber[] = []
  /** index 0 is nobody's: a reference of 0 means none */
  private end = 1

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** What the map holds: backends by key, and free places that remember their generation (key undefined). */
  restore(
    rows: Iterable<{
      readonly index: number
      readonly generation: number
      readonly key: string | undefined
      readonly state?: BackendState
    }>,
  ): void {
    const known = new Map(Array.from(rows, (row) => [row.index, row]))
    let highest = 0
    for (const index of known.keys()) highest = Math.max(highest, index)
    for (let index = 1; index <= highest; index++) {
      const {generation = 0, key, state} = known.get(index) ?? {}
      if (key === undefined || this.byKey.has(key)) this.free.push({index, generation})
      else this.byKey.set(key, {index, generation, key, state, users: 0})
    }
    this.end = highest + 1
  }

  /** The backend, with one user more. Each `take` is given back by one `leave`. @throws SERVICE_BACKENDS_FULL */
  take(key: string): NumberedBackend {
    let backend = this.byKey.get(key)
    if (backend === undefined) {
      const {index, generation} = this.next()
      backend = {index, generation, key, state: undefined, users: 0}
      this.byKey.set(key, backend)
    }
    backend.users++
    return backend
  }

  /** @returns true when nobody uses the backend any more; it keeps its number until `forget` */
  leave({key}: NumberedBackend): boolean {
    const backend = this.byKey.get(key)
    return backend !== undefined && --backend.users === 0
  }

  /** Makes the number of a backend that nobody uses free. */
  forget(key: string): BackendNumber | undefined {
    const backend = this.byKey.get(key)
    if (backend === undefined || backend.users > 0) return undefined
    this.byKey.delete(key)
    this.free.push({index: backend.index, generation: backend.generation})
    return backend
  }

  /** Backends that nobody uses and that are not forgotten. */
  unused(): string[] {
    const found: string[] = []
    for (const {key, users} of this.byKey.values()) if (users === 0) found.push(key)
    return found
  }

  get size(): number {
    return this.byKey.size
  }

  private next(): BackendNumber {
    if (this.end < this.capacity) return {index: this.end++, generation: 1}
    const free = this.free.shift()
    if (free === undefined) return fail(codes.SERVICE_BACKENDS_FULL, {capacity: this.capacity})
    return {index: free.index, generation: free.generation >= lastGeneration ? 1 : free.generation + 1}
  }
}
