/** A map with typed keys and values. Single operations reuse the map's own two buffers and allocate nothing else. */

import {fail} from '../../runtime/errors.ts'
import type {Codec} from '../codec.ts'
import {KernelError, kernelCodes} from '../errors.ts'
import {addressOf, closeFd} from '../libc.ts'
import {readMapInfo} from './info.ts'
import {deleteBatches, readBatches, writeBatches} from './map-batch.ts'
import {type MapOperations, operationsOf} from './map-operations.ts'
import {mapTypeName} from './map-types.ts'
import {kernelValueSize} from './per-cpu.ts'
import {begin, bpf, commands, tryBpf} from './syscall.ts'

/** What a map is, as generated from BTF. */
export interface MapShape<K, V> {
  readonly name: string
  /** a number of mapTypes */
  readonly type: number
  readonly maxEntries: number
  readonly key: Codec<K>
  /** of per-CPU maps: perCpu(codec of one value); of map-in-map: u32, a descriptor going in and an id coming out */
  readonly value: Codec<V>
  readonly flags?: number
}

/** Whether a key may exist already. */
export const putModes = {any: 0, new: 1, existing: 2} as const
export type PutMode = keyof typeof putModes

const ENOENT = 2

export class BpfMap<K, V> {
  readonly fd: number
  readonly shape: MapShape<K, V>
  /** entries the kernel made room for: may differ from the shape's */
  readonly maxEntries: number
  readonly #key: DataView
  readonly #value: DataView
  readonly #keyAddress: bigint
  readonly #valueAddress: bigint
  readonly #operations: MapOperations
  #open = true

  /**
   * Takes a descriptor and becomes its owner.
   *
   * @throws BPF_MAP_LAYOUT when type, key size or value size are not the shape's
   */
  constructor(fd: number, shape: MapShape<K, V>) {
    const info = readMapInfo(fd)
    const valueSize = kernelValueSize(shape.value)
    if (info.type !== shape.type || info.keySize !== shape.key.size || info.valueSize !== valueSize)
      fail(kernelCodes.BPF_MAP_LAYOUT, {
        name: shape.name,
        haveType: mapTypeName(info.type),
        haveKey: info.keySize,
        haveValue: info.valueSize,
        type: mapTypeName(shape.type),
        key: shape.key.size,
        value: valueSize,
      })
    this.fd = fd
    this.shape = shape
    this.maxEntries = info.maxEntries
    this.#key = new DataView(new ArrayBuffer(shape.key.size || 4))
    this.#value = new DataView(new ArrayBuffer(shape.value.size || 4))
    this.#keyAddress = addressOf(this.#key.buffer)
    this.#valueAddress = addressOf(this.#value.buffer)
    this.#operations = operationsOf(shape.name)
  }

  /** The value under a key, undefined when there is none. */
  get(key: K): V | undefined {
    this.shape.key.encode(key, this.#key, 0)
    const result = this.#call(commands.mapLookup, 0)
    if (result === -ENOENT) return undefined
    if (result < 0) throw new KernelError(-result, `read from map ${this.shape.name}`)
    return this.shape.value.decode(this.#value, 0)
  }

  /** Writes an entry. @throws KernelError: EEXIST (mode new), ENOENT (mode existing), E2BIG when the map is full */
  put(key: K, value: V, mode: PutMode = 'any'): void {
    this.shape.key.encode(key, this.#key, 0)
    this.shape.value.encode(value, this.#value, 0)
    const result = this.#call(commands.mapUpdate, putModes[mode])
    if (result < 0) {
      this.#operations.failedUpdates++
      throw new KernelError(-result, `write to map ${this.shape.name}`)
    }
    this.#operations.updates++
  }

  /** Deletes an entry; false when there was none. */
  delete(key: K): boolean {
    this.shape.key.encode(key, this.#key, 0)
    const result = this.#call(commands.mapDelete, 0)
    if (result === -ENOENT) return false
    if (result < 0) {
      this.#operations.failedDeletions++
      throw new KernelError(-result, `delete from map ${this.shape.name}`)
    }
    this.#operations.deletions++
    return true
  }

  /** All entries, read in batches while the iteration goes on: what changes meanwhile may be seen or not. */
  *entries(): Generator<[K, V]> {
    const {key, value} = this.shape
    for (const batch of readBatches(this))
      for (let i = 0; i < batch.count; i++)
        yield [key.decode(batch.keys, i * key.size), value.decode(batch.values, i * value.size)]
  }

  /**
   * Hands every entry to `visit` as it lies in memory: no object per entry. The views are reused: copy what is kept.
   *
   * @returns the number of entries
   */
  visit(visit: (keys: DataView, keyOffset: number, values: DataView, valueOffset: number) => void): number {
    const {key, value} = this.shape
    let count = 0
    for (const batch of readBatches(this)) {
      for (let i = 0; i < batch.count; i++) visit(batch.keys, i * key.size, batch.values, i * value.size)
      count += batch.count
    }
    return count
  }

  /**
   * Writes many entries with one call per thousand of them.
   *
   * @returns the number written
   * @throws KernelError of the first entry that does not fit; those before it are written
   */
  putAll(entries: Iterable<readonly [K, V]>): number {
    const written = writeBatches(this, entries)
    this.#operations.updates += written
    return written
  }

  /** Deletes many; a missing key is success. @returns the number that existed */
  deleteAll(keys: Iterable<K>): number {
    const deleted = deleteBatches(this, keys)
    this.#operations.deletions += deleted
    return deleted
  }

  /** Deletes every entry that is there now. @returns the number */
  clear(): number {
    return this.deleteAll([...this.entries()].map(([key]) => key))
  }

  /** Makes the map read-only for user space, for ever. */
  freeze(): void {
    begin().setUint32(0, this.fd, true)
    bpf(commands.mapFreeze, 4, `freeze map ${this.shape.name}`)
  }

  close(): void {
    if (this.#open) closeFd(this.fd)
    this.#open = false
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #call(command: number, flags: number): number {
    const attributes = begin()
    attributes.setUint32(0, this.fd, true)
    attributes.setBigUint64(8, this.#keyAddress, true)
    attributes.setBigUint64(16, this.#valueAddress, true)
    attributes.setUint32(24, flags, true)
    // deletion takes no value and refuses the field
    if (command === commands.mapDelete) attributes.setBigUint64(16, 0n, true)
    return tryBpf(command, 32)
  }
}

export interface MapCreation {
  readonly maxEntries?: number
  /** mapFlags */
  readonly flags?: number
  /** of map-in-map: a map like those that will be its values */
  readonly innerFd?: number
}

/** Creates a map that belongs to no object. The kernel keeps 15 characters of its name. */
export function createMap<K, V>(shape: MapShape<K, V>, creation: MapCreation = {}): BpfMap<K, V> {
  const fd = createMapFd(shape.name, {
    type: shape.type,
    keySize: shape.key.size,
    valueSize: kernelValueSize(shape.value),
    maxEntries: creation.maxEntries ?? shape.maxEntries,
    flags: creation.flags ?? shape.flags ?? 0,
    ...(creation.innerFd === undefined ? {} : {innerFd: creation.innerFd}),
  })
  return new BpfMap(fd, shape)
}

export interface RawMap {
  readonly type: number
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  readonly flags: number
  readonly innerFd?: number
}

/** Creates a map known by sizes alone. The caller closes the descriptor. */
export function createMapFd(name: string, map: RawMap): number {
  const attributes = begin()
  attributes.setUint32(0, map.type, true)
  attributes.setUint32(4, map.keySize, true)
  attributes.setUint32(8, map.valueSize, true)
  attributes.setUint32(12, map.maxEntries, true)
  attributes.setUint32(16, map.flags, true)
  attributes.setUint32(20, map.innerFd ?? 0, true)
  for (const [i, character] of [...name.slice(0, 15)].entries()) attributes.setUint8(28 + i, character.charCodeAt(0))
  return bpf(commands.mapCreate, 72, `create map ${name}`)
}

/** A descriptor of the map with this id: what a look-up in a map-in-map gives. The caller closes it. */
export function openMapById(id: number): number {
  begin().setUint32(0, id, true)
  return bpf(commands.mapFdById, 12, `open map with id ${id}`)
}
