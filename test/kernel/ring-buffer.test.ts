import {once} from 'node:events'
import {Worker} from 'node:worker_threads'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type LoadedObject, loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {RingBuffer} from '../../src/kernel/ring-buffer.ts'
import {testPrograms} from './support/programs.ts'

const packet = new Uint8Array(64)
/** 4096 bytes of ring, 24 bytes a record */
const ringRecords = Math.floor(4096 / 24)

let object: LoadedObject
let ring: RingBuffer
beforeEach(async () => {
  object = loadObject((await testPrograms()).basic, {maps: {kd_extra: {create: false}}})
  ring = new RingBuffer(object.mapFd('kd_events'))
})
afterEach(() => {
  ring.close()
  object.close()
})

/** Emits records; gives how many found room. */
const emit = (count: number, cb: number[] = []) =>
  runSkbProgram(object.program('basic_emit').fd, packet, {mark: count, cb}).result

const collect = () => {
  const seen: [sequence: bigint, value: number, length: number][] = []
  ring.poll((view, offset, length) => {
    seen.push([view.getBigUint64(offset, true), view.getUint32(offset + 8, true), length])
  })
  return seen
}

test('records arrive whole and in order, once', () => {
  expect(emit(3)).toBe(3)

  expect(collect()).toEqual([
    [0n, 0, 16],
    [1n, 3, 16],
    [2n, 6, 16],
  ])
  expect(collect()).toEqual([])
  expect(ring.delivered).toBe(3)
})

test('nothing is lost or doubled over many turns of the ring', () => {
  let written = 0
  for (let turn = 1; turn <= 200; turn++) {
    const count = turn % ringRecords
    written += emit(count)
    const seen = collect()
    expect(seen).toHaveLength(count)
    expect(seen.every(([sequence, value], i) => sequence === BigInt(i) && value === i * 3)).toBe(true)
  }

  expect(ring.delivered).toBe(written)
  expect(written * 24).toBeGreaterThan(50 * 4096)
})

test('a full ring refuses records, and what was written is delivered: written = delivered + lost', () => {
  const found = emit(500)

  expect(found).toBe(ringRecords)
  expect(ring.pending).toBe(ringRecords * 24)
  expect(collect()).toHaveLength(ringRecords)
  expect(emit(10)).toBe(10)
  expect(collect()).toHaveLength(10)
})

test('records that were given up are skipped and counted', () => {
  emit(10, [1])

  expect(collect().map(([sequence]) => sequence)).toEqual([0n, 2n, 4n, 6n, 8n])
  expect(ring.discarded).toBe(5)
  expect(ring.pending).toBe(0)
})

test('a poll takes no more than its limit', () => {
  emit(10)

  expect(ring.poll(() => {}, 4)).toBe(4)
  expect(collect().map(([sequence]) => sequence)).toEqual([4n, 5n, 6n, 7n, 8n, 9n])
})

test('a record whose handler throws is not met again', () => {
  emit(3)

  const poll = () =>
    ring.poll(() => {
      throw new Error('bad record')
    })

  expect(poll).toThrow('bad record')
  expect(collect().map(([sequence]) => sequence)).toEqual([1n, 2n])
  expect(ring.delivered).toBe(3)
})

test('a new reader goes on where the last one ended', () => {
  emit(5)
  ring.poll(() => {}, 2)

  ring.close()
  ring = new RingBuffer(object.mapFd('kd_events'))

  expect(collect().map(([sequence]) => sequence)).toEqual([2n, 3n, 4n])
})

test('reading after close throws instead of touching unmapped memory', () => {
  const {view} = ring

  ring.close()
  ring.close()

  expect(() => view.getUint8(0)).toThrow(TypeError)
  expect(() => ring.poll(() => {})).toThrow()
})

test('a worker thread reads a ring by its descriptor', async () => {
  const module = new URL('../../src/kernel/ring-buffer.ts', import.meta.url).href
  const worker = new Worker(
    `const {parentPort, workerData} = require('node:worker_threads')
     import('${module}').then(({RingBuffer}) => {
       const ring = new RingBuffer(workerData)
       let sum = 0
       const count = ring.poll((view, offset) => { sum += view.getUint32(offset + 8, true) })
       ring.close()
       parentPort.postMessage([count, sum])
     })`,
    {eval: true, workerData: object.mapFd('kd_events')},
  )
  emit(4)

  const [message] = await once(worker, 'message')

  expect(message).toEqual([4, 0 + 3 + 6 + 9])
  await worker.terminate()
})

test('a map of another kind is refused', () => {
  expect(() => new RingBuffer(object.mapFd('kd_pairs'))).toThrow(expect.objectContaining({code: 'BPF_MAP_LAYOUT'}))
})
