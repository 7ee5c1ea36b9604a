/** What test/bpf/programs/bench_entry.c reads: the packet that every run begins with, and the program that it runs. */
import {mapTypes} from '../../../src/kernel/bpf/map-types.ts'
import {bytes, u32} from '../../../src/kernel/codec.ts'

const againSize = 168
const packetMax = 128

export const againShape = {name: 'again', type: mapTypes.array, maxEntries: 1, key: u32, value: bytes(againSize)}
export const targetShape = {name: 'target', type: mapTypes.prog_array, maxEntries: 1, key: u32, value: u32}

export function againValue(frame: Uint8Array): Uint8Array {
  const value = new Uint8Array(againSize)
  value.set(frame.subarray(0, packetMax))
  new DataView(value.buffer).setUint32(148, Math.min(frame.length, packetMax), true)
  return value
}
