import {expect, test} from 'vitest'
import {Merge} from '../../../../src/hubble/relay/merge.ts'

const hour = 3_600_000

function merge(options: {buffered?: number; drainMs?: number; signal?: AbortSignal} = {}): Merge<number> {
  return new Merge<number>({
    timeOf: BigInt,
    buffered: options.buffered ?? 100,
    drainMs: options.drainMs ?? hour,
    signal: options.signal ?? new AbortController().signal,
  })
}

async function* from(...items: number[]): AsyncGenerator<number> {
  for (const item of items) yield item
}

async function all(one: Merge<number>): Promise<number[]> {
  const found: number[] = []
  for await (const item of one.items()) found.push(item)
  return found
}

test('streams in order make one in order, whatever their lengths', async () => {
  const one = merge()
  one.add(from(1, 4, 9), () => {})
  one.add(from(2, 3, 5, 6, 7), () => {})
  one.add(from(), () => {})
  one.add(from(8), () => {})
  one.close()

  expect(await all(one)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('nothing to merge ends at once', async () => {
  const one = merge()
  one.close()

  expect(await all(one)).toEqual([])
})

test('an item waits for a stream that may still have an earlier one', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  async function* late() {
    await held
    yield 1
  }
  const one = merge()
  one.add(from(2), () => {})
  one.add(late(), () => {})
  one.close()
  const items = one.items()
  const first = items.next()
  release()

  expect((await first).value).toBe(1)
  expect((await items.next()).value).toBe(2)
})

test('a silent stream holds up the others for a while only', async () => {
  const abort = new AbortController()
  async function* silent(): AsyncGenerator<number> {
    await new Promise((resolve) => abort.signal.addEventListener('abort', resolve, {once: true}))
  }
  const one = merge({drainMs: 1, signal: abort.signal})
  one.add(silent(), () => {})
  one.add(from(1, 2), () => {})
  const items = one.items()

  expect((await items.next()).value).toBe(1)
  expect((await items.next()).value).toBe(2)
  abort.abort()
  expect((await items.next()).done).toBe(true)
})

test('a stream is read no further than its share of the buffer while nobody takes items', async () => {
  let read = 0
  async function* endless() {
    for (;;) yield ++read
  }
  const abort = new AbortController()
  const one = merge({buffered: 8, signal: abort.signal})
  one.add(endless(), () => {})
  one.add(endless(), () => {})
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))

  expect(read).toBe(8)
  abort.abort()
})

test('the error of a stream is told, and the others go on', async () => {
  async function* broken(): AsyncGenerator<number> {
    yield 1
    throw new Error('gone')
  }
  const errors: unknown[] = []
  const one = merge()
  one.add(broken(), (thrown) => errors.push((thrown as Error).message))
  one.add(from(2, 3), () => {})
  one.close()

  expect(await all(one)).toEqual([1, 2, 3])
  expect(errors).toEqual(['gone'])
})
