/**
 * Many map entries per system call, one by one where a map type lacks batches (map-in-map, sk_storage, old kernels).
 * A batch that stops in the middle says how far it came.
 */

import type {Codec} from '../codec.ts'
import {KernelError} from '../errors.ts'
import {addressOf} from '../libc.ts'
import {begin, commands, tryBpf} from './syscall.ts'

const entriesPerBatch = 1024
/** attempts at one batch of a map that is in use */
const mostBusy = 16
const [ENOENT, EAGAIN, EFAULT, EBUSY, EINVAL, ENOSPC, EOPNOTSUPP, ENOTSUPP] = [2, 11, 14, 16, 22, 28, 95, 524]

/** What batches need of a map. */
export interface BatchedMap<K, V> {
  readonly fd: number
  readonly maxEntries: number
  readonly shape: {readonly name: string; readonly key: Codec<K>; readonly value: Codec<V>}
  put(key: K, value: V): void
  delete(key: K): boolean
}

/** Entries of one call, as they lie in memory; valid until the next is asked for. */
export interface MapBatch {
  readonly keys: DataView
  readonly values: DataView
  readonly count: number
}

interface Buffers {
  readonly capacity: number
  readonly keys: DataView
  readonly values: DataView
  readonly keysAddress: bigint
  readonly valuesAddress: bigint
}

function allocate(
  map: {readonly shape: {readonly key: {readonly size: number}; readonly value: {readonly size: number}}},
  capacity: number,
): Buffers {
  const keys = new DataView(new ArrayBuffer(capacity * map.shape.key.size))
  const values = new DataView(new ArrayBuffer(capacity * map.shape.value.size))
  return {capacity, keys, values, keysAddress: addressOf(keys.buffer), valuesAddress: addressOf(values.buffer)}
}

/** Where the kernel notes how far it came. The memory lives as long as this object: an address alone does not hold it. */
function allocateCursor(size: number): {readonly bytes: ArrayBuffer; readonly address: bigint} {
  const bytes = new ArrayBuffer(size)
  return {bytes, address: addressOf(bytes)}
}

/** What a kernel answers that has no batches for a kind of map. */
export function lacksBatches(result: number): boolean {
  return result === -EOPNOTSUPP || result === -ENOTSUPP || result === -EINVAL
}

/** All entries, a batch at a time. */
export function* readBatches<K, V>(map: BatchedMap<K, V>): Generator<MapBatch> {
  let buffers = allocate(map, Math.min(map.maxEntries, entriesPerBatch))
  const size = Math.max(map.shape.key.size, 8)
  const [at, next] = [allocateCursor(size), allocateCursor(size)]
  let started = false
  let busy = 0
  for (;;) {
    const attributes = begin()
    if (started) attributes.setBigUint64(0, at.address, true)
    attributes.setBigUint64(8, next.address, true)
    attributes.setBigUint64(16, buffers.keysAddress, true)
    attributes.setBigUint64(24, buffers.valuesAddress, true)
    attributes.setUint32(32, buffers.capacity, true)
    attributes.setUint32(36, map.fd, true)
    const result = tryBpf(commands.mapLookupBatch, 56)
    // a hash bucket holds more than fits: nothing was given yet
    if (result === -ENOSPC) {
      buffers = allocate(map, buffers.capacity * 2)
      continue
    }
    // a bucket that is locked for too long; where the reading stands is as it was
    if ((result === -EAGAIN || result === -EBUSY) && ++busy <= mostBusy) continue
    if (!started && lacksBatches(result)) {
      yield* readOneByOne(map)
      return
    }
    if (result < 0 && result !== -ENOENT) throw new KernelError(-result, `read entries of map ${map.shape.name}`)
    const count = attributes.getUint32(32, true)
    if (count > 0) yield {keys: buffers.keys, values: buffers.values, count}
    if (result === -ENOENT) return
    new Uint8Array(at.bytes).set(new Uint8Array(next.bytes))
    started = true
    busy = 0
  }
}

function* readOneByOne<K, V>(map: BatchedMap<K, V>): Generator<MapBatch> {
  const buffers = allocate(map, 1)
  const previous = new Uint8Array(map.shape.key.size)
  const previousAddress = addressOf(previous)
  // an entry that vanishes under the cursor sends the kernel back to the first: bounded, not endless
  const bound = map.maxEntries * 2 + 16
  for (let i = 0; i < bound; i++) {
    let attributes = begin()
    attributes.setUint32(0, map.fd, true)
    if (i > 0) attributes.setBigUint64(8, previousAddress, true)
    attributes.setBigUint64(16, buffers.keysAddress, true)
    const next = tryBpf(commands.mapNextKey, 32)
    if (next === -ENOENT) return
    if (next < 0) throw new KernelError(-next, `read keys of map ${map.shape.name}`)
    previous.set(new Uint8Array(buffers.keys.buffer))

    attributes = begin()
    attributes.setUint32(0, map.fd, true)
    attributes.setBigUint64(8, buffers.keysAddress, true)
    attributes.setBigUint64(16, buffers.valuesAddress, true)
    const result = tryBpf(commands.mapLookup, 32)
    // deleted since, or an empty slot of a map-in-map
    if (result === -ENOENT) continue
    if (result < 0) throw new KernelError(-result, `read from map ${map.shape.name}`)
    yield {keys: buffers.keys, values: buffers.values, count: 1}
  }
}

/** Writes entries in the order given. @returns the number written @throws KernelError of the first that fails */
export function writeBatches<K, V>(map: BatchedMap<K, V>, entries: Iterable<readonly [K, V]>): number {
  const {key, value, name} = map.shape
  let buffers: Buffers | undefined
  let written = 0
  for (const batch of inBatches(entries)) {
    buffers = buffers ?? allocate(map, batch.length)
    for (const [i, [k, v]] of batch.entries()) {
      key.encode(k, buffers.keys, i * key.size)
      value.encode(v, buffers.values, i * value.size)
    }
    const {result, done} = callBatch(commands.mapUpdateBatch, map.fd, buffers, 0, batch.length, value.size, key.size)
    if (result < 0 && done === 0 && lacksBatches(result)) for (const [k, v] of batch) map.put(k, v)
    else if (result < 0) throw new KernelError(-result, `write to map ${name}`, `entry ${written + done + 1}`)
    written += batch.length
  }
  return written
}

/** Deletes keys; a missing one is skipped. @returns the number that existed */
export function deleteBatches<K, V>(map: BatchedMap<K, V>, keys: Iterable<K>): number {
  const {key, name} = map.shape
  let buffers: Buffers | undefined
  let deleted = 0
  for (const batch of inBatches(keys)) {
    buffers = buffers ?? allocate(map, batch.length)
    for (const [i, one] of batch.entries()) key.encode(one, buffers.keys, i * key.size)
    for (let from = 0; from < batch.length; ) {
      const {result, done} = callBatch(commands.mapDeleteBatch, map.fd, buffers, from, batch.length - from, 0, key.size)
      if (result < 0 && done === 0 && lacksBatches(result)) {
        for (const one of batch.slice(from)) if (map.delete(one)) deleted++
        break
      }
      if (result < 0 && result !== -ENOENT) throw new KernelError(-result, `delete from map ${name}`)
      deleted += done
      from += done + (result === -ENOENT ? 1 : 0)
      if (result >= 0) break
    }
  }
  return deleted
}

/** The first batch is the largest: memory outside the heap is what the collector runs for, so none is asked for in vain. */
function* inBatches<T>(all: Iterable<T>): Generator<T[]> {
  let batch: T[] = []
  for (const one of all) {
    batch.push(one)
    if (batch.length === entriesPerBatch) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

function callBatch(
  command: number,
  fd: number,
  buffers: Buffers,
  from: number,
  count: number,
  valueSize: number,
  keySize: number,
): {result: number; done: number} {
  const attributes = begin()
  attributes.setBigUint64(16, buffers.keysAddress + BigInt(from * keySize), true)
  if (valueSize > 0) attributes.setBigUint64(24, buffers.valuesAddress + BigInt(from * valueSize), true)
  attributes.setUint32(32, count, true)
  attributes.setUint32(36, fd, true)
  const result = tryBpf(command, 56)
  // EFAULT: not even the count could be written; nothing is known to be done
  const done = result === -EFAULT ? 0 : Math.min(attributes.getUint32(32, true), count)
  // what an early refusal leaves in the field is what was asked for
  return {result, done: result < 0 && done === count ? 0 : done}
}
