import {afterEach, expect, test} from 'vitest'
import {type BpfMap, createMap, type MapShape, openMapById} from '../../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../../src/kernel/bpf/map-types.ts'
import {perCpu} from '../../../src/kernel/bpf/per-cpu.ts'
import {bytes, u32, u64, u64Number} from '../../../src/kernel/codec.ts'
import {possibleCpus} from '../../../src/kernel/cpus.ts'
import {inner, pairs, shards} from '../support/basic-shapes.ts'

const opened: {close(): void}[] = []
afterEach(() => {
  for (const map of opened.splice(0)) map.close()
})

function made<K, V>(shape: MapShape<K, V>, maxEntries?: number): BpfMap<K, V> {
  const map = createMap(shape, maxEntries === undefined ? {} : {maxEntries})
  opened.push(map)
  return map
}

const hash: MapShape<number, bigint> = {name: 'kd_hash', type: mapTypes.hash, maxEntries: 5000, key: u32, value: u64}
const noPrealloc = 1
const prefixes: MapShape<Uint8Array, number> = {
  name: 'kd_prefixes',
  type: mapTypes.lpm_trie,
  maxEntries: 100,
  key: bytes(8),
  value: u32,
  flags: noPrealloc,
}

test('an entry is written, read, changed and deleted', () => {
  const map = made(pairs)
  const key = {address: 0x0a000001, port: 443, protocol: 6}

  map.put(key, {packets: 1, tag: 2})
  map.put(key, {packets: 2 ** 40, tag: 2})

  expect(map.get(key)).toEqual({packets: 2 ** 40, tag: 2})
  expect(map.delete(key)).toBe(true)
  expect(map.delete(key)).toBe(false)
  expect(map.get(key)).toBeUndefined()
})

test('an entry that must be new and is not is refused, and so is one that must exist', () => {
  const map = made(hash)

  map.put(1, 1n, 'new')

  expect(() => map.put(1, 2n, 'new')).toThrow(expect.objectContaining({errno: 'EEXIST'}))
  expect(() => map.put(2, 2n, 'existing')).toThrow(expect.objectContaining({code: 'KERNEL_NOT_FOUND'}))
  expect(map.get(1)).toBe(1n)
})

test('a full map says so, with its name', () => {
  const map = made(hash, 2)

  expect(() =>
    map.putAll([
      [1, 1n],
      [2, 2n],
      [3, 3n],
    ]),
  ).toThrow(expect.objectContaining({code: 'KERNEL_FULL', operation: 'write to map kd_hash'}))
  expect([...map.entries()]).toHaveLength(2)
})

test('thousands of entries go in and out in batches', () => {
  const map = made(hash)
  const all = Array.from({length: 5000}, (_, i) => [i, BigInt(i) * 3n] as const)

  expect(map.putAll(all)).toBe(5000)

  expect([...map.entries()].sort(([a], [b]) => a - b)).toEqual(all)
  expect(map.deleteAll([0, 9999, 1, 4999])).toBe(3)
  expect(map.clear()).toBe(4997)
  expect([...map.entries()]).toEqual([])
})

test('a visit sees every entry without decoding it', () => {
  const map = made(hash)
  map.putAll(Array.from({length: 3000}, (_, i) => [i, BigInt(i)] as const))

  let sum = 0n
  const count = map.visit((_keys, _keyOffset, values, offset) => {
    sum += values.getBigUint64(offset, true)
  })

  expect(count).toBe(3000)
  expect(sum).toBe((2999n * 3000n) / 2n)
})

test('every CPU has a value of its own', () => {
  const map = made({name: 'kd_percpu', type: mapTypes.percpu_hash, maxEntries: 10, key: u32, value: perCpu(u64Number)})
  const values = Array.from({length: possibleCpus()}, (_, cpu) => 100 + cpu)

  map.put(5, values)
  map.putAll([
    [6, values],
    [7, [1]],
  ])

  expect(map.get(5)).toEqual(values)
  expect([...map.entries()].sort(([a], [b]) => a - b)[2]).toEqual([7, [1, ...values.slice(1).map(() => 0)]])
})

test('prefixes are kept by length and found by the longest', () => {
  const map = made(prefixes)
  const key = (bits: number, ...address: number[]) => new Uint8Array([bits, 0, 0, 0, ...address])

  map.putAll([
    [key(8, 10, 0, 0, 0), 1],
    [key(24, 10, 0, 1, 0), 2],
  ])

  expect(map.get(key(32, 10, 0, 1, 9))).toBe(2)
  expect(map.get(key(32, 10, 9, 9, 9))).toBe(1)
  expect(map.get(key(32, 11, 0, 0, 1))).toBeUndefined()
  expect([...map.entries()].map(([, value]) => value).sort()).toEqual([1, 2])
  expect(map.clear()).toBe(2)
})

test('a map in a map goes in by descriptor and comes out by id', () => {
  const first = made(inner)
  const outer = createMap(shards, {innerFd: first.fd})
  opened.push(outer)
  first.put(1, 11)

  outer.put(3, first.fd)

  expect([...outer.entries()].map(([slot]) => slot)).toEqual([3])
  const fd = openMapById(outer.get(3)!)
  const same = new (first.constructor as new (fd: number, shape: typeof inner) => typeof first)(fd, inner)
  opened.push(same)
  expect(same.get(1)).toBe(11)
})

test('a frozen map takes no more writes', () => {
  const map = made(hash)
  map.put(1, 1n)

  map.freeze()

  expect(() => map.put(1, 2n)).toThrow(expect.objectContaining({errno: 'EPERM'}))
  expect(map.get(1)).toBe(1n)
})

test('keys of an array that are out of range are absent', () => {
  const map = made({name: 'kd_array', type: mapTypes.array, maxEntries: 4, key: u32, value: u64})

  expect(map.get(4)).toBeUndefined()
  expect([...map.entries()]).toHaveLength(4)
  expect(
    map.putAll([
      [0, 1n],
      [3, 4n],
    ]),
  ).toBe(2)
  expect(map.get(3)).toBe(4n)
})
