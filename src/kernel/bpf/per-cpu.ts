/** Values of per-CPU maps: the kernel gives and takes one per possible CPU, each padded to 8 bytes. */
import type {Codec} from '../codec.ts'
import {possibleCpus} from '../cpus.ts'

export interface PerCpuCodec<T> extends Codec<readonly T[]> {
  /** one CPU's value */
  readonly one: Codec<T>
}

/** Codec of all CPUs' values of one key. Encoding fewer values than there are CPUs leaves the rest zero. */
export function perCpu<T>(one: Codec<T>): PerCpuCodec<T> {
  const stride = (one.size + 7) & ~7
  return {
    one,
    // read late: a module that only declares maps needs no machine
    get size() {
      return stride * possibleCpus()
    },
    encode(values, view, offset) {
      new Uint8Array(view.buffer, view.byteOffset + offset, this.size).fill(0)
      for (const [cpu, value] of values.slice(0, possibleCpus()).entries())
        one.encode(value, view, offset + cpu * stride)
    },
    decode: (view, offset) => Array.from({length: possibleCpus()}, (_, cpu) => one.decode(view, offset + cpu * stride)),
  }
}

/** The value size that the kernel names for a map with this codec: of per-CPU maps that of one value. */
export function kernelValueSize(codec: {readonly size: number; readonly one?: {readonly size: number}}): number {
  return codec.one?.size ?? codec.size
}
