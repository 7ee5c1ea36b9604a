import {describe, expect, test} from 'vitest'
import {hasCode} from '../../../src/runtime/errors.ts'
import {Table, type TableChange} from '../../../src/runtime/table.ts'
import {FakeClock, settle} from '../../support/fake-clock.ts'

interface Pod {
  readonly name: string
  readonly node: string
  readonly ips: readonly string[]
}
const pod = (name: string, node = 'n1', ...ips: string[]): Pod => ({name, node, ips})

function pods(options: {sources?: string[]; clock?: FakeClock} = {}) {
  return new Table<Pod, 'node' | 'ip'>({
    name: 'pods',
    key: (row) => row.name,
    indexes: {node: (row) => [row.node], ip: (row) => row.ips},
    equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    ...options,
  })
}

function follow(table: Table<Pod, 'node' | 'ip'>, options?: {initial: boolean}) {
  const batches: string[][] = []
  const say = ({key, row, old}: TableChange<Pod>) => `${row === undefined ? '-' : old === undefined ? '+' : '~'}${key}`
  const stop = table.subscribe((changes) => batches.push(changes.map(say)), options)
  return {batches, stop}
}

describe('rows and indexes', () => {
  test('rows are found by key and by index, and indexes follow changes', () => {
    const table = pods()
    table.upsert(pod('a', 'n1', '10.0.0.1', 'fd00::1'))
    table.upsert(pod('b', 'n1'))
    table.upsert(pod('a', 'n2', '10.0.0.2'))

    expect(table.get('a')?.node).toBe('n2')
    expect(table.by('node', 'n1').map((row) => row.name)).toEqual(['b'])
    expect(table.by('ip', '10.0.0.1')).toEqual([])
    expect(table.by('ip', '10.0.0.2').map((row) => row.name)).toEqual(['a'])
    expect([table.size, table.has('b'), table.has('c'), table.keyFor(pod('x'))]).toEqual([2, true, false, 'x'])
    expect(table.delete('a')?.name).toBe('a')
    expect(table.delete('a')).toBeUndefined()
    expect(table.by('node', 'n2')).toEqual([])
    expect([...table.values()].map((row) => row.name)).toEqual(['b'])
  })

  test('an equal row changes nothing', () => {
    const table = pods()
    expect(table.upsert(pod('a'))).toBe(true)
    expect(table.upsert(pod('a'))).toBe(false)
    expect(table.revision).toBe(1)
  })

  test('replacing all rows keeps what is equal and removes what is not listed', async () => {
    const table = pods()
    table.replaceAll([pod('a'), pod('b'), pod('c')])
    const {batches} = follow(table)
    await settle()
    batches.length = 0
    table.replaceAll([pod('b'), pod('c', 'n9'), pod('d')])
    await settle()

    expect(batches).toEqual([['~c', '+d', '-a']])
    expect(table.sorted().map((row) => row.name)).toEqual(['b', 'c', 'd'])
  })
})

describe('subscriptions', () => {
  test('changes of a turn come together, one per key, and what came and went is not mentioned', async () => {
    const table = pods()
    const {batches} = follow(table)
    table.upsert(pod('a'))
    table.upsert(pod('a', 'n2'))
    table.upsert(pod('b'))
    table.delete('b')
    await settle()
    table.upsert(pod('a', 'n3'))
    table.upsert(pod('a', 'n2'))
    await settle()
    table.delete('a')
    await settle()

    expect(batches).toEqual([['+a'], ['-a']])
  })

  test('a change carries the row before', async () => {
    const table = pods()
    table.upsert(pod('a', 'n1'))
    await settle()
    const seen: TableChange<Pod>[] = []
    table.subscribe((changes) => seen.push(...changes))
    table.upsert(pod('a', 'n2'))
    await settle()

    expect(seen).toEqual([{key: 'a', row: pod('a', 'n2'), old: pod('a', 'n1')}])
  })

  test('an initial subscription begins with all rows, each once', async () => {
    const table = pods()
    table.upsert(pod('a'))
    table.upsert(pod('b'))
    const {batches} = follow(table, {initial: true})
    table.upsert(pod('c'))
    table.delete('b')
    await settle()
    table.upsert(pod('d'))
    await settle()

    expect(batches).toEqual([['+a', '+c'], ['+d']])
  })

  test('an initial subscription to an empty table is not called', async () => {
    const {batches} = follow(pods(), {initial: true})
    await settle()
    expect(batches).toEqual([])
  })

  test('after the end of a subscription nothing comes', async () => {
    const table = pods()
    const {batches, stop} = follow(table)
    table.upsert(pod('a'))
    stop()
    await settle()
    expect(batches).toEqual([])
  })

  test('a listener may change the table: that is the next batch', async () => {
    const table = pods()
    const {batches} = follow(table)
    table.subscribe((changes) => {
      if (changes.some((change) => change.key === 'a')) table.upsert(pod('made-from-a'))
    })
    table.upsert(pod('a'))
    await settle()
    expect(batches).toEqual([['+a'], ['+made-from-a']])
  })

  test('a listener that throws keeps nobody else from the change, and its error is not lost', async () => {
    const table = pods()
    const caught: unknown[] = []
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => caught.push(error))
    table.subscribe(() => {
      throw new Error('bad listener')
    })
    const {batches} = follow(table)
    table.upsert(pod('a'))
    await settle()
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)

    expect(batches).toEqual([['+a']])
    expect(String(caught[0])).toContain('bad listener')
  })
})

describe('waiting', () => {
  test('until gives what the predicate found, now or later', async () => {
    const table = pods()
    const later = table.until((now) => now.get('a')?.node)
    table.upsert(pod('a', 'n7'))

    expect(await later).toBe('n7')
    expect(await table.until((now) => now.size === 1)).toBe(true)
  })

  test('until ends with a code after its time, and with the reason of its signal', async () => {
    const clock = new FakeClock()
    const table = pods({clock})
    const abort = new AbortController()
    const timed = table.until(() => false, {timeoutMs: 100, what: 'a miracle'}).catch((error: unknown) => error)
    const aborted = table.until(() => false, {signal: abort.signal})
    abort.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    await clock.advance(100)

    const error = await timed
    expect(hasCode(error, 'WAIT_TIMEOUT') && error.message).toBe('a miracle did not happen within 100 ms')
    await expect(table.until(() => true, {signal: abort.signal})).rejects.toThrow('enough')
  })

  test('until passes on what its predicate throws', async () => {
    const table = pods()
    const waiting = table.until((now) => {
      if (now.size > 0) throw new Error('wrong')
    })
    table.upsert(pod('a'))
    await expect(waiting).rejects.toThrow('wrong')
  })
})

describe('being synced', () => {
  test('a table is synced when every source has said so, also those added later', async () => {
    const table = pods({sources: ['k8s', 'disk']})
    const done = table.addSource('cri')
    let synced = false
    void table.whenSynced().then(() => {
      synced = true
    })
    table.markSynced('k8s')
    table.markSynced('disk')
    await settle()
    expect([synced, table.waitingFor]).toEqual([false, ['cri']])
    done()
    await settle()
    expect([synced, table.synced]).toEqual([true, true])
  })

  test('a table without sources is synced', () => {
    expect(pods().synced).toBe(true)
  })
})

describe('status', () => {
  test('the worst of all reconcilers is the status of a row', () => {
    const clock = new FakeClock()
    const table = pods({clock})
    table.upsert(pod('a'))
    table.setStatus('a', 'maps', {state: 'done', retries: 0})
    table.setStatus('a', 'devices', {state: 'error', retries: 2, code: 'EXAMPLE', message: 'it failed'})

    expect(table.status('a')?.state).toBe('error')
    expect(table.status('a', 'maps')?.state).toBe('done')
    expect(table.status('b')).toBeUndefined()
    expect(table.errors().map(({key, by, status}) => [key, by, status.code])).toEqual([['a', 'devices', 'EXAMPLE']])
    table.clearStatus('a', 'devices')
    expect(table.status('a')?.state).toBe('done')
    table.clearStatus('a', 'maps')
    expect(table.status('a')).toBeUndefined()
  })

  test('a status remembers since when it holds', async () => {
    const clock = new FakeClock(1000)
    const table = pods({clock})
    table.setStatus('a', 'maps', {state: 'error', retries: 1})
    await clock.advance(50)
    table.setStatus('a', 'maps', {state: 'error', retries: 2})
    expect(table.status('a')).toEqual({state: 'error', retries: 2, since: 1000})
    table.setStatus('a', 'maps', {state: 'done', retries: 0})
    expect(table.status('a')?.since).toBe(1050)
  })

  test('a change of status wakes who waits', async () => {
    const table = pods()
    const waiting = table.until((now) => now.status('a')?.state === 'done')
    table.setStatus('a', 'maps', {state: 'done', retries: 0})
    expect(await waiting).toBe(true)
  })
})

test('a dump is sorted, plain and says what is missing', () => {
  const table = pods({clock: new FakeClock(5), sources: ['k8s']})
  table.upsert(pod('b'))
  table.upsert(pod('a'))
  table.setStatus('a', 'y', {state: 'done', retries: 0})
  table.setStatus('a', 'x', {state: 'pending', retries: 0})

  expect(JSON.stringify(table.dump())).toBe(
    JSON.stringify({
      name: 'pods',
      revision: 2,
      synced: false,
      waitingFor: ['k8s'],
      rows: [
        {
          key: 'a',
          row: pod('a'),
          status: {x: {state: 'pending', retries: 0, since: 5}, y: {state: 'done', retries: 0, since: 5}},
        },
        {key: 'b', row: pod('b'), status: {}},
      ],
    }),
  )
})
