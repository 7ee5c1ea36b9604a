/** How a C value lies in memory. Generated codecs (src/datapath/gen) and the few written by hand have this form. */
export interface Codec<T> {
  /** bytes */
  readonly size: number
  /** Writes all bytes of the value, pads as zero. */
  encode(value: T, view: DataView, offset: number): void
  decode(view: DataView, offset: number): T
}

/** __u32, host order. */
export const u32: Codec<number> = {
  size: 4,
  encode: (value, view, offset) => view.setUint32(offset, value, true),
  decode: (view, offset) => view.getUint32(offset, true),
}

/** __u64, host order. */
export const u64: Codec<bigint> = {
  size: 8,
  encode: (value, view, offset) => view.setBigUint64(offset, value, true),
  decode: (view, offset) => view.getBigUint64(offset, true),
}

/** __u64 that stays below 2^53: counters and times. */
export const u64Number: Codec<number> = {
  size: 8,
  encode: (value, view, offset) => view.setBigUint64(offset, BigInt(value), true),
  decode: (view, offset) => view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 0x1_0000_0000,
}

/** Bytes as they lie. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    encode(value, view, offset) {
      const target = new Uint8Array(view.buffer, view.byteOffset + offset, size)
      target.fill(0)
      target.set(value.subarray(0, size))
    },
    decode: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
  }
}
