/**
 * Writes the wire form of protobuf from its end to its beginning, so that each length is known when it is written.
 * Whoever uses it writes the last field first, and of each field first the value, then the tag.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
import type {AnyValue} from './any.ts'

const scratchBytes = 1 << 12
const billion = 1_000_000_000n

export interface Encoder<T> {
  encode(message: T, writer: Writer): void
}

export class Writer {
  #buffer = Buffer.allocUnsafe(scratchBytes)
  #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length)
  #at = scratchBytes

  reset(): void {
    this.#at = this.#buffer.length
  }

  /** Bytes written since the last reset. */
  get length(): number {
    return this.#buffer.length - this.#at
  }

  /** A copy of what was written. */
  copy(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.#at))
  }

  uint32(value: number): void {
    this.#varint(value >>> 0)
  }

  int32(value: number): void {
    if (value >= 0) this.#varint(value)
    else this.int64(BigInt(value | 0))
  }

  bool(value: boolean): void {
    this.#varint(value ? 1 : 0)
  }

  uint64(value: bigint): void {
    if (value <= 0x1f_ffff_ffff_ffffn) {
      this.#varint(Number(value))
      return
    }
    const bytes: number[] = []
    let rest = BigInt.asUintN(64, value)
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    this.raw(Uint8Array.from(bytes))
  }

  int64(value: bigint): void {
    this.uint64(BigInt.asUintN(64, value))
  }

  fixed64(value: bigint): void {
    this.#room(8)
    this.#at -= 8
    this.#view.setBigUint64(this.#at, value, true)
  }

  double(value: number): void {
    this.#room(8)
    this.#at -= 8
    this.#view.setFloat64(this.#at, value, true)
  }

  float(value: number): void {
    this.#room(4)
    this.#at -= 4
    this.#view.setFloat32(this.#at, value, true)
  }

  string(value: string): void {
    const length = value.length
    this.#room(length * 3)
    const buffer = this.#buffer
    let at = this.#at
    let i = length - 1
    for (; i >= 0; i--) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) break
      buffer[--at] = code
    }
    if (i < 0) {
      this.#at = at
      this.uint32(length)
      return
    }
    const bytes = Buffer.byteLength(value)
    this.#at -= bytes
    buffer.write(value, this.#at, 'utf8')
    this.uint32(bytes)
  }

  bytes(value: Uint8Array): void {
    this.raw(value)
    this.uint32(value.length)
  }

  message<T>(type: Encoder<T>, message: T): void {
    const before = this.length
    type.encode(message, this)
    this.uint32(this.length - before)
  }

  packed<T>(values: readonly T[], write: (one: T) => void): void {
    const before = this.length
    for (let i = values.length - 1; i >= 0; i--) write(values[i]!)
    this.uint32(this.length - before)
  }

  /** Nanoseconds since 1970. */
  timestamp(value: bigint): void {
    const before = this.length
    const nanos = ((value % billion) + billion) % billion
    const seconds = (value - nanos) / billion
    if (nanos !== 0n) {
      this.uint32(Number(nanos))
      this.uint32(0x10)
    }
    if (seconds !== 0n) {
      this.int64(seconds)
      this.uint32(0x08)
    }
    this.uint32(this.length - before)
  }

  fieldMask(paths: readonly string[]): void {
    const before = this.length
    for (let i = paths.length - 1; i >= 0; i--) {
      this.string(paths[i]!)
      this.uint32(0x0a)
    }
    this.uint32(this.length - before)
  }

  any({typeUrl, value}: AnyValue): void {
    const before = this.length
    this.bytes(value)
    this.uint32(0x12)
    this.string(typeUrl)
    this.uint32(0x0a)
    this.uint32(this.length - before)
  }

  boolValue(value: boolean): void {
    this.#wrapped(value ? 1 : 0)
  }

  uint32Value(value: number): void {
    this.#wrapped(value >>> 0)
  }

  int32Value(value: number): void {
    this.#wrapped(value)
  }

  raw(value: Uint8Array): void {
    this.#room(value.length)
    this.#at -= value.length
    this.#buffer.set(value, this.#at)
  }

  #wrapped(value: number): void {
    const before = this.length
    if (value !== 0) {
      this.int32(value)
      this.uint32(0x08)
    }
    this.uint32(this.length - before)
  }

  /** A number of 0 .. 2^53. */
  #varint(value: number): void {
    this.#room(8)
    if (value < 0x80) {
      this.#buffer[--this.#at] = value
      return
    }
    let size = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
    this.#at -= size
    let at = this.#at
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#buffer[at++] = (rest % 0x80) | 0x80
    this.#buffer[at] = rest
  }

  #room(bytes: number): void {
    if (this.#at >= bytes) return
    const old = this.#buffer
    const used = this.length
    const size = Math.max(old.length * 2, used + bytes + scratchBytes)
    this.#buffer = Buffer.allocUnsafe(size)
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, size)
    this.#at = size - used
    old.copy(this.#buffer, this.#at, old.length - used)
  }
}
