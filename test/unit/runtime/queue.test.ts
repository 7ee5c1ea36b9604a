import {describe, expect, test} from 'vitest'
import {hasCode} from '../../../src/runtime/errors.ts'
import {BoundedQueue, WorkQueue} from '../../../src/runtime/queue.ts'
import {settle} from '../../support/fake-clock.ts'

describe('a bounded queue', () => {
  test('serves the first priority first and in order', () => {
    const queue = new BoundedQueue<string>({capacity: 10, priorities: 2})
    queue.push('b1', 1)
    queue.push('a1', 0)
    queue.push('b2', 9)
    queue.push('a2')

    expect([queue.poll(), queue.poll(), queue.poll(), queue.poll(), queue.poll()]).toEqual([
      'a1',
      'a2',
      'b1',
      'b2',
      undefined,
    ])
  })

  test('refuses and counts what has no room', () => {
    const queue = new BoundedQueue<number>({capacity: 2})
    expect([1, 2, 3].map((n) => queue.push(n))).toEqual([true, true, false])
    expect([queue.size, queue.refused]).toEqual([2, 1])
  })

  test('hands an item to who waits, and tells who waits that it is closed', async () => {
    const queue = new BoundedQueue<number>({capacity: 0})
    const first = queue.take()
    const second = queue.take()
    queue.push(7)
    queue.close()

    expect([await first, await second, await queue.take()]).toEqual([7, undefined, undefined])
    expect(queue.push(8)).toBe(false)
  })

  test('what is queued when it closes can still be taken', async () => {
    const queue = new BoundedQueue<number>({capacity: 2})
    queue.push(1)
    queue.close()
    expect([await queue.take(), await queue.take()]).toEqual([1, undefined])
  })

  test('order holds over many items pushed and taken in turns', () => {
    const queue = new BoundedQueue<number>({capacity: 100_000})
    const taken: number[] = []
    for (let i = 0; i < 20_000; i++) {
      queue.push(i)
      if (i % 3 === 2) taken.push(queue.poll()!, queue.poll()!)
    }
    for (let item = queue.poll(); item !== undefined; item = queue.poll()) taken.push(item)

    expect(taken).toEqual(Array.from({length: 20_000}, (_, i) => i))
  })
})

describe('a work queue', () => {
  const gate = () => Promise.withResolvers<string>()

  test('runs at most so many at a time, by priority', async () => {
    const work = new WorkQueue({name: 'cni', capacity: 10, concurrency: 1, priorities: 2})
    const first = gate()
    const order: string[] = []
    const results = [
      work.run(() => first.promise),
      work.run(() => order.push('low'), {priority: 1}),
      work.run(() => order.push('high'), {priority: 0}),
    ]
    await settle()
    expect([work.active, work.waiting, order]).toEqual([1, 2, []])
    first.resolve('x')
    await Promise.all(results)

    expect(order).toEqual(['high', 'low'])
  })

  test('refuses with a code when too many wait', async () => {
    const work = new WorkQueue({name: 'cni', capacity: 1, concurrency: 1})
    const first = gate()
    const running = work.run(() => first.promise)
    const waiting = work.run(() => 'ran')

    const refused = await work.run(() => 'never').catch((error: unknown) => error)
    first.resolve('done')

    expect(hasCode(refused, 'QUEUE_FULL')).toBe(true)
    expect(String(refused)).toContain('queue cni is full (1 waiting)')
    expect(await Promise.all([running, waiting])).toEqual(['done', 'ran'])
  })

  test('a failing task fails its caller and nobody else', async () => {
    const work = new WorkQueue({name: 'cni', capacity: 5, concurrency: 1})
    const bad = work.run(() => {
      throw new Error('bad')
    })
    const good = work.run(() => 'good')

    await expect(bad).rejects.toThrow('bad')
    expect(await good).toBe('good')
  })

  test('a task given up while it waits is never started', async () => {
    const work = new WorkQueue({name: 'cni', capacity: 5, concurrency: 1})
    const first = gate()
    const abort = new AbortController()
    let started = false
    const running = work.run(() => first.promise)
    const waiting = work.run(
      () => {
        started = true
      },
      {signal: abort.signal},
    )
    const last = work.run(() => 'last')
    abort.abort(new Error('gone'))
    first.resolve('done')
    await running

    await expect(waiting).rejects.toThrow('gone')
    expect(await last).toBe('last')
    expect(started).toBe(false)
  })

  test('dropping refuses what waits and lets run what runs', async () => {
    const work = new WorkQueue({name: 'cni', capacity: 5, concurrency: 1})
    const first = gate()
    const running = work.run(() => first.promise)
    const waiting = work.run(() => 'never')
    work.drop(new Error('shutting down'))
    first.resolve('done')

    await expect(waiting).rejects.toThrow('shutting down')
    expect(await running).toBe('done')
  })
})
