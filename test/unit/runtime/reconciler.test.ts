import {describe, expect, test} from 'vitest'
import {createLog} from '../../../src/runtime/log.ts'
import {MemorySink} from '../../../src/runtime/log-sink.ts'
import {MetricRegistry} from '../../../src/runtime/metrics.ts'
import {
  type Reconciler,
  ReconcilerMetrics,
  type ReconcilerOptions,
  ReconcilerRunner,
} from '../../../src/runtime/reconciler.ts'
import {Table} from '../../../src/runtime/table.ts'
import {FakeClock, settle} from '../../support/fake-clock.ts'

interface Row {
  readonly id: string
  readonly value: number
}

/** A little outside world: a map that can be told to fail. */
class World implements Reconciler<Row> {
  readonly map = new Map<string, number>()
  readonly calls: string[] = []
  failing = new Set<string>()

  update(row: Row): void {
    this.calls.push(`update ${row.id}=${row.value}`)
    if (this.failing.has(row.id)) throw new Error(`no room for ${row.id}`)
    this.map.set(row.id, row.value)
  }

  remove(row: Row): void {
    this.calls.push(`remove ${row.id}`)
    if (this.failing.has(row.id)) throw new Error(`${row.id} is stuck`)
    this.map.delete(row.id)
  }

  prune(rows: readonly Row[]): void {
    this.calls.push('prune')
    if (this.failing.has('prune')) throw new Error('cannot walk')
    const wanted = new Set(rows.map((row) => row.id))
    for (const id of this.map.keys()) if (!wanted.has(id)) this.map.delete(id)
  }
}

function setUp<R extends Reconciler<Row> = World>(
  options: Partial<ReconcilerOptions<Row>> & {sources?: string[]; world?: R} = {},
) {
  const clock = new FakeClock()
  const table = new Table<Row>({name: 'rows', key: (row) => row.id, clock, sources: options.sources ?? []})
  const world = (options.world ?? new World()) as R
  const runner = new ReconcilerRunner<Row>({
    name: 'world',
    table,
    reconciler: world,
    clock,
    backoff: {minMs: 100, maxMs: 1000, jitter: 0},
    ...options,
  })
  runner.start()
  return {clock, table, world, runner}
}

describe('following the table', () => {
  test('reality becomes equal to the rows, and rows say so', async () => {
    const {table, world} = setUp()
    table.upsert({id: 'a', value: 1})
    table.upsert({id: 'b', value: 2})
    await settle()
    expect(table.status('a')?.state).toBe('done')
    table.upsert({id: 'a', value: 3})
    table.delete('b')
    await settle()

    expect(Object.fromEntries(world.map)).toEqual({a: 3})
    expect(table.status('b')).toBeUndefined()
  })

  test('nothing is touched before the table is synced', async () => {
    const {table, world, runner} = setUp({sources: ['k8s']})
    world.map.set('from-before', 1)
    table.upsert({id: 'a', value: 1})
    await settle()
    await runner.prune()
    expect(world.calls).toEqual([])
    table.markSynced('k8s')
    await settle()

    expect(world.calls).toEqual(['update a=1', 'prune'])
    expect(Object.fromEntries(world.map)).toEqual({a: 1})
  })

  test('asked to begin at once, it updates before the sync but still prunes after it', async () => {
    const {table, world} = setUp({sources: ['k8s'], begin: 'now'})
    table.upsert({id: 'a', value: 1})
    await settle()
    expect(world.calls).toEqual(['update a=1'])
    table.markSynced('k8s')
    await settle()
    expect(world.calls).toEqual(['update a=1', 'prune'])
  })

  test('a row that comes and goes before its turn is never made', async () => {
    const {table, world, runner} = setUp({world: new Slow()})
    table.upsert({id: 'a', value: 1})
    await settle()
    table.upsert({id: 'b', value: 1})
    await settle()
    table.delete('b')
    await settle()
    world.release()
    await settle()
    world.release()
    await runner.whenIdle()

    expect(world.calls).toEqual(['update a=1'])
    expect(table.status('b')).toBeUndefined()
  })

  test('leftovers are removed at intervals, and all rows are repaired when asked for', async () => {
    const {clock, table, world} = setUp({pruneEveryMs: 1000, refreshEveryMs: 1500})
    table.upsert({id: 'a', value: 1})
    await clock.advance(0)
    world.map.clear()
    world.map.set('stray', 1)
    await clock.advance(1000)
    expect(Object.fromEntries(world.map)).toEqual({})
    await clock.advance(500)
    expect(Object.fromEntries(world.map)).toEqual({a: 1})
  })
})

class Slow implements Reconciler<Row> {
  readonly calls: string[] = []
  readonly waiting: (() => void)[] = []

  update(row: Row): Promise<void> {
    this.calls.push(`update ${row.id}=${row.value}`)
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  remove(row: Row): Promise<void> {
    this.calls.push(`remove ${row.id}`)
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  release(): void {
    this.waiting.shift()?.()
  }
}

describe('order', () => {
  test('one key is never worked on twice at a time, and the newest row wins', async () => {
    const {table, world, runner} = setUp({world: new Slow(), concurrency: 4})
    table.upsert({id: 'a', value: 1})
    await settle()
    table.upsert({id: 'a', value: 2})
    await settle()
    table.upsert({id: 'a', value: 3})
    await settle()
    expect(world.calls).toEqual(['update a=1'])
    world.release()
    await settle()
    expect(table.status('a')?.state).toBe('pending')
    world.release()
    await runner.whenIdle()

    expect(world.calls).toEqual(['update a=1', 'update a=3'])
    expect(table.status('a')?.state).toBe('done')
  })

  test('so many keys at a time as allowed', async () => {
    const {table, world} = setUp({world: new Slow(), concurrency: 2})
    for (const id of ['a', 'b', 'c']) table.upsert({id, value: 1})
    await settle()
    expect(world.calls).toHaveLength(2)
    world.release()
    await settle()
    expect(world.calls).toHaveLength(3)
  })

  test('a row deleted while it is made is removed afterwards', async () => {
    const {table, world, runner} = setUp({world: new Slow()})
    table.upsert({id: 'a', value: 1})
    await settle()
    table.delete('a')
    await settle()
    world.release()
    await settle()
    world.release()
    await runner.whenIdle()
    expect(world.calls).toEqual(['update a=1', 'remove a'])
  })

  test('ten thousand rows leave turns to others', async () => {
    const {table, world, runner} = setUp()
    for (let i = 0; i < 10_000; i++) table.upsert({id: `r${i}`, value: i})
    await runner.whenIdle()
    await settle()
    expect(world.map.size).toBe(10_000)
  })
})

describe('gathering', () => {
  test('changes within the time cost one update, with the newest row', async () => {
    const {clock, table, world, runner} = setUp({gatherMs: 20})
    await settle()
    table.upsert({id: 'a', value: 1})
    await clock.advance(15)
    table.upsert({id: 'a', value: 2})
    table.upsert({id: 'b', value: 1})
    await clock.advance(4)
    expect(world.calls).toEqual(['prune'])

    await clock.advance(1)
    await runner.whenIdle()

    expect(world.calls).toEqual(['prune', 'update a=2', 'update b=1'])
  })

  test('what is left of a batch does not gather again', async () => {
    const {clock, table, world} = setUp({gatherMs: 20, world: new Slow()})
    for (const id of ['a', 'b']) table.upsert({id, value: 1})
    await clock.advance(20)
    expect(world.calls).toEqual(['update a=1'])

    world.release()
    await settle()

    expect(world.calls).toEqual(['update a=1', 'update b=1'])
  })

  test('stopped meanwhile, nothing begins', async () => {
    const {clock, table, world, runner} = setUp({gatherMs: 20})
    await settle()
    table.upsert({id: 'a', value: 1})
    await settle()
    await runner.stop()
    await clock.advance(20)

    expect(world.calls).toEqual(['prune'])
    expect(clock.pending).toBe(0)
  })
})

describe('failure', () => {
  test('a failed row shows its error and is tried again, later each time', async () => {
    const {clock, table, world} = setUp()
    world.failing.add('a')
    table.upsert({id: 'a', value: 1})
    table.upsert({id: 'b', value: 1})
    await clock.advance(0)
    expect(table.status('a')).toMatchObject({state: 'error', code: 'INTERNAL', retries: 1})
    expect(table.status('a')?.message).toContain('no room for a')
    expect(table.status('b')?.state).toBe('done')
    await clock.advance(100)
    await clock.advance(199)
    expect(table.status('a')?.retries).toBe(2)
    await clock.advance(1)
    expect(table.status('a')?.retries).toBe(3)
    world.failing.clear()
    await clock.advance(400)

    expect(table.status('a')).toMatchObject({state: 'done', retries: 0})
  })

  test('a changed row is tried at once', async () => {
    const {clock, table, world} = setUp()
    world.failing.add('a')
    table.upsert({id: 'a', value: 1})
    await clock.advance(0)
    world.failing.clear()
    table.upsert({id: 'a', value: 2})
    await settle()

    expect(world.map.get('a')).toBe(2)
    expect(clock.pending).toBe(1) // the next prune alone
  })

  test('a removal that fails is seen and tried again', async () => {
    const {clock, table, world} = setUp()
    table.upsert({id: 'a', value: 1})
    await clock.advance(0)
    world.failing.add('a')
    table.delete('a')
    await clock.advance(0)
    expect(table.errors().map(({key}) => key)).toEqual(['a'])
    world.failing.clear()
    await clock.advance(100)

    expect(table.errors()).toEqual([])
    expect(world.map.size).toBe(0)
  })

  test('what was half made is removed when its row goes', async () => {
    const {clock, table, world} = setUp()
    world.failing.add('a')
    table.upsert({id: 'a', value: 1})
    await clock.advance(0)
    world.failing.clear()
    table.delete('a')
    await clock.advance(0)
    expect(world.calls.at(-1)).toBe('remove a')
  })

  test('a failing prune is tried again and does not stop the rows', async () => {
    const sink = new MemorySink()
    const {clock, table, world, runner} = setUp({log: createLog({sink})})
    world.failing.add('prune')
    table.upsert({id: 'a', value: 1})
    await clock.advance(0)
    expect(runner.progress.pruned).toBe('failed')
    expect(sink.lines.join()).toContain('cannot remove leftovers')
    world.failing.clear()
    await clock.advance(100)
    expect(runner.progress).toEqual({queued: 0, running: 0, retrying: 0, pruned: 'done'})
  })

  test('a promise that rejects is a failure like any other', async () => {
    const {clock, table} = setUp<Reconciler<Row>>({
      world: {update: () => Promise.reject(new Error('later')), remove: () => {}},
    })
    table.upsert({id: 'a', value: 1})
    await clock.advance(0)
    expect(table.status('a')).toMatchObject({state: 'error', retries: 1})
  })
})

describe('stopping', () => {
  test('waits for what runs and begins nothing new', async () => {
    const {clock, table, world, runner} = setUp({world: new Slow()})
    table.upsert({id: 'a', value: 1})
    table.upsert({id: 'b', value: 1})
    await settle()
    let stopped = false
    const stopping = runner.stop().then(() => {
      stopped = true
    })
    await settle()
    expect(stopped).toBe(false)
    world.release()
    await stopping
    table.upsert({id: 'c', value: 1})
    await clock.advance(10_000)

    expect(world.calls).toEqual(['update a=1'])
    expect(clock.pending).toBe(0)
  })

  test('before the table was ever synced', async () => {
    const {world, runner, table} = setUp({sources: ['k8s']})
    await runner.stop()
    table.markSynced('k8s')
    table.upsert({id: 'a', value: 1})
    await settle()
    expect(world.calls).toEqual([])
  })
})

test('everything is counted', async () => {
  const registry = new MetricRegistry()
  const {clock, table, world} = setUp({metrics: new ReconcilerMetrics(registry, 'cilium')})
  world.failing.add('a')
  table.upsert({id: 'a', value: 1})
  table.upsert({id: 'b', value: 1})
  await clock.advance(0)
  const text = registry.render()

  expect(text).toContain('cilium_reconciler_count_total{reconciler="world",op="update"} 2\n')
  expect(text).toContain('cilium_reconciler_errors_total{reconciler="world",op="update"} 1\n')
  expect(text).toContain('cilium_reconciler_errors_current{reconciler="world"} 1\n')
  expect(text).toContain('cilium_reconciler_count_total{reconciler="world",op="prune"} 1\n')
  expect(text).toContain('cilium_controllers_runs_total{status="success"} 2\n')
  expect(text).toContain('cilium_controllers_runs_total{status="failure"} 1\n')
  expect(text).toContain('cilium_controllers_runs_duration_seconds_count{status="failure"} 1\n')
  expect(text).toContain('cilium_controllers_failing 1\n')

  world.failing.clear()
  table.upsert({id: 'a', value: 2})
  await clock.advance(0)
  expect(registry.render()).toContain('cilium_controllers_failing 0\n')
})
