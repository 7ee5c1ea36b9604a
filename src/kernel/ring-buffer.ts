/**
 * Reads a BPF ring buffer in place, without a call per record (Documentation/bpf/ringbuf.rst of the kernel).
 *
 *     page 0            position of the reader: ours to write
 *     page 1            position of the writers: read-only
 *     pages 2..         data, mapped twice in a row, so that every record is in one piece: read-only
 *
 * Positions count bytes and never wrap. A record is a header of 8 bytes (length, two flags) and its data, padded to 8.
 * Writing to the read-only part ends the process: nobody does, readers are given views to read.
 */

import {fail} from '../runtime/errors.ts'
import {readMapInfo} from './bpf/info.ts'
import {mapTypes} from './bpf/map-types.ts'
import {kernelCodes} from './errors.ts'
import {type MappedMemory, mapMemory, pageSize} from './libc.ts'

const headerBytes = 8
const busyBit = 1 << 31
const discardBit = 1 << 30
const lengthMask = discardBit - 1

/** Gives room back to the writers after this many bytes, not only at the end of a long poll. */
const releaseBytes = 1 << 18

export type RecordHandler = (view: DataView, offset: number, length: number) => void

export class RingBuffer {
  /** bytes of data it holds, headers included */
  readonly capacity: number
  /** The data area, for readers of columns. Valid until close(). */
  readonly view: DataView
  /** records handed over since it was opened */
  delivered = 0
  /** records that their writer gave up */
  discarded = 0
  readonly #consumer: MappedMemory
  readonly #producer: MappedMemory
  readonly #consumerPosition: BigInt64Array
  readonly #producerWords: Int32Array
  readonly #dataWords: Int32Array
  #position: number

  /**
   * Maps a ring buffer. One reader at a time: it moves the position that all readers share.
   *
   * @param fd of a map of type ringbuf; may be closed afterwards
   * @throws BPF_MAP_LAYOUT when it is another kind of map, KernelError
   */
  constructor(fd: number) {
    const info = readMapInfo(fd)
    if (info.type !== mapTypes.ringbuf)
      fail(kernelCodes.BPF_MAP_LAYOUT, {
        name: info.name,
        haveType: info.type,
        haveKey: info.keySize,
        haveValue: info.valueSize,
        type: 'ringbuf',
        key: 0,
        value: 0,
      })
    const page = pageSize()
    this.capacity = info.maxEntries
    this.#consumer = mapMemory(fd, page, 0, true, `map reader's page of ${info.name}`)
    try {
      this.#producer = mapMemory(fd, page + 2 * this.capacity, page, false, `map data of ${info.name}`)
    } catch (thrown) {
      this.#consumer.close()
      throw thrown
    }
    this.#consumerPosition = new BigInt64Array(this.#consumer.buffer, 0, 1)
    this.#producerWords = new Int32Array(this.#producer.buffer, 0, 2)
    this.#dataWords = new Int32Array(this.#producer.buffer, page)
    this.view = new DataView(this.#producer.buffer, page)
    this.#position = Number(Atomics.load(this.#consumerPosition, 0))
  }

  /**
   * Hands over the records that are complete now, in order.
   *
   * @param handler reads `length` bytes of `view` from `offset`; the bytes are the writers' again when poll returns
   * @param limit records at most, for readers that share their thread
   * @returns the number handed over
   */
  poll(handler: RecordHandler, limit = Number.POSITIVE_INFINITY): number {
    const {view} = this
    const words = this.#dataWords
    const mask = this.capacity - 1
    let position = this.#position
    let released = position
    let count = 0
    // the lower halves suffice: reader and writers are never 2^31 bytes apart
    let ready = (Atomics.load(this.#producerWords, 0) - position) | 0
    try {
      while (ready > 0 && count < limit) {
        const at = position & mask
        const header = Atomics.load(words, at >>> 2)
        if ((header & busyBit) !== 0) break
        const length = header & lengthMask
        const taken = (length + headerBytes + 7) & ~7
        // moved on before the handler runs: a record that makes it throw is not met again
        position += taken
        ready -= taken
        if ((header & discardBit) === 0) {
          count++
          handler(view, at + headerBytes, length)
        } else this.discarded++
        if (position - released >= releaseBytes) {
          this.#release(position)
          released = position
        }
        if (ready <= 0) ready = (Atomics.load(this.#producerWords, 0) - position) | 0
      }
    } finally {
      this.delivered += count
      if (position !== released) this.#release(position)
      this.#position = position
    }
    return count
  }

  /** Bytes that wait to be read, incomplete records included. */
  get pending(): number {
    return (Atomics.load(this.#producerWords, 0) - this.#position) | 0
  }

  close(): void {
    this.#consumer.close()
    this.#producer.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #release(position: number): void {
    Atomics.store(this.#consumerPosition, 0, BigInt(position))
  }
}
