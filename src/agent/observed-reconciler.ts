/** A reconciler that remembers when it last succeeded and failed: what status shows of it. */
import type {Clock} from '../runtime/clock.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {Reconciler} from '../runtime/reconciler.ts'
import type {Table} from '../runtime/table.ts'
import type {RunnerState} from './runner-state.ts'

export class ObservedReconciler<Row> implements Reconciler<Row> {
  private readonly name: string
  private readonly inner: Reconciler<Row>
  private readonly table: Table<Row, string>
  private readonly clock: Clock
  private successes = 0
  private failures = 0
  private lastSuccessAt: number | undefined
  private lastErrorAt: number | undefined

  constructor(name: string, inner: Reconciler<Row>, table: Table<Row, string>, clock: Clock) {
    this.name = name
    this.inner = inner
    this.table = table
    this.clock = clock
  }

  update(row: Row): void | Promise<void> {
    return this.watched(() => this.inner.update(row))
  }

  remove(row: Row): void | Promise<void> {
    return this.watched(() => this.inner.remove(row))
  }

  prune(rows: readonly Row[]): void | Promise<void> {
    return this.watched(() => this.inner.prune?.(rows))
  }

  get state(): RunnerState {
    const errors = this.table.errors().filter(({by}) => by === this.name)
    const worst = errors.reduce((most, {status}) => Math.max(most, status.retries), 0)
    const last = errors.at(-1)
    return {
      name: this.name,
      failing: worst,
      lastError: last === undefined ? undefined : `${last.key}: ${last.status.code} ${last.status.message}`,
      lastErrorAt: this.lastErrorAt,
      lastSuccessAt: this.lastSuccessAt,
      successes: this.successes,
      failures: this.failures,
    }
  }

  private watched(work: () => void | Promise<void>): void | Promise<void> {
    const succeeded = () => {
      this.successes++
      this.lastSuccessAt = this.clock.now()
    }
    const failed = (thrown: unknown): never => {
      this.failures++
      this.lastErrorAt = this.clock.now()
      throw CiliumError.from(thrown)
    }
    let result: void | Promise<void>
    try {
      result = work()
    } catch (thrown) {
      return failed(thrown)
    }
    if (result === undefined) return succeeded()
    return result.then(succeeded, failed)
  }
}
