/**
 * Reads the wire form of protobuf. Every length is checked against what is there: the bytes may come from anybody.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
import type {AnyValue} from './any.ts'

const billion = 1_000_000_000n
const utf8 = new TextDecoder('utf-8', {fatal: true})

export interface Decoder<T> {
  decode(reader: Reader, end: number): T
}

export class Reader {
  at = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** no nested message reaches beyond the one around it */
  #end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#end = bytes.length
  }

  /** The lower 32 bits of a varint. */
  uint32(): number {
    let result = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      if (shift < 32) result |= (byte & 0x7f) << shift
      if (byte < 0x80) return result >>> 0
    }
    throw new RangeError('a number of more than 10 bytes')
  }

  int32(): number {
    return this.uint32() | 0
  }

  uint64(): bigint {
    let low = 0
    let high = 0n
    for (let index = 0; index < 10; index++) {
      const byte = this.#byte()
      if (index < 4) low += (byte & 0x7f) * 2 ** (7 * index)
      else high |= BigInt(byte & 0x7f) << BigInt(7 * (index - 4))
      if (byte < 0x80) return BigInt.asUintN(64, BigInt(low) | (high << 28n))
    }
    throw new RangeError('a number of more than 10 bytes')
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64())
  }

  bool(): boolean {
    return this.uint64() !== 0n
  }

  fixed64(): bigint {
    this.#need(8)
    const value = this.#view.getBigUint64(this.at, true)
    this.at += 8
    return value
  }

  double(): number {
    this.#need(8)
    const value = this.#view.getFloat64(this.at, true)
    this.at += 8
    return value
  }

  float(): number {
    this.#need(4)
    const value = this.#view.getFloat32(this.at, true)
    this.at += 4
    return value
  }

  string(): string {
    const bytes = this.#slice()
    if (bytes.length < 24) {
      let text = ''
      for (const byte of bytes) {
        if (byte > 0x7f) return utf8.decode(bytes)
        text += String.fromCharCode(byte)
      }
      return text
    }
    return utf8.decode(bytes)
  }

  /** A copy. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#slice())
  }

  message<T>(type: Decoder<T>): T {
    const outer = this.#end
    const end = this.nested()
    this.#end = end
    const message = type.decode(this, end)
    if (this.at !== end) throw new RangeError('a field reaches beyond its message')
    this.#end = outer
    return message
  }

  /** Reads a length. @returns where it ends */
  nested(): number {
    const length = this.uint32()
    this.#need(length)
    return this.at + length
  }

  /** Nanoseconds since 1970. */
  timestamp(): bigint {
    let seconds = 0n
    let nanos = 0
    for (const end = this.nested(); this.at < end; ) {
      const tag = this.uint32()
      if (tag === 0x08) seconds = this.int64()
      else if (tag === 0x10) nanos = this.int32()
      else this.skip(tag)
    }
    return seconds * billion + BigInt(nanos)
  }

  fieldMask(): string[] {
    const paths: string[] = []
    for (const end = this.nested(); this.at < end; ) {
      const tag = this.uint32()
      if (tag === 0x0a) paths.push(this.string())
      else this.skip(tag)
    }
    return paths
  }

  any(): AnyValue {
    let typeUrl = ''
    let value: Uint8Array = new Uint8Array(0)
    for (const end = this.nested(); this.at < end; ) {
      const tag = this.uint32()
      if (tag === 0x0a) typeUrl = this.string()
      else if (tag === 0x12) value = this.bytes()
      else this.skip(tag)
    }
    return {typeUrl, value}
  }

  boolValue(): boolean {
    return this.#wrapped() !== 0
  }

  uint32Value(): number {
    return this.#wrapped()
  }

  int32Value(): number {
    return this.#wrapped() | 0
  }

  /** Passes over the value of a field that nobody knows. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.uint64()
        return
      case 1:
        this.#need(8)
        this.at += 8
        return
      case 2:
        this.at = this.nested()
        return
      case 5:
        this.#need(4)
        this.at += 4
        return
      default:
        throw new RangeError(`a field of wire type ${tag & 7}`)
    }
  }

  #wrapped(): number {
    let value = 0
    for (const end = this.nested(); this.at < end; ) {
      const tag = this.uint32()
      if (tag === 0x08) value = this.uint32()
      else this.skip(tag)
    }
    return value
  }

  #slice(): Uint8Array {
    const end = this.nested()
    const bytes = this.#bytes.subarray(this.at, end)
    this.at = end
    return bytes
  }

  #byte(): number {
    if (this.at >= this.#end) throw new RangeError('the message is cut off')
    return this.#bytes[this.at++]!
  }

  #need(length: number): void {
    if (length > this.#end - this.at) throw new RangeError('the message is cut off')
  }
}
