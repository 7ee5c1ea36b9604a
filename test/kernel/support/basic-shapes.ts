/** Maps and configuration of programs/basic.c. */
import type {MapShape} from '../../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../../src/kernel/bpf/map-types.ts'
import {perCpu} from '../../../src/kernel/bpf/per-cpu.ts'
import {type Codec, u32, u64Number} from '../../../src/kernel/codec.ts'

export interface PairKey {
  readonly address: number
  readonly port: number
  readonly protocol: number
}

const pairKey: Codec<PairKey> = {
  size: 8,
  encode(value, view, offset) {
    view.setUint32(offset, value.address)
    view.setUint16(offset + 4, value.port)
    view.setUint16(offset + 6, value.protocol, true)
  },
  decode: (view, offset) => ({
    address: view.getUint32(offset),
    port: view.getUint16(offset + 4),
    protocol: view.getUint8(offset + 6),
  }),
}

export interface PairValue {
  readonly packets: number
  readonly tag: number
}

const pairValue: Codec<PairValue> = {
  size: 16,
  encode(value, view, offset) {
    u64Number.encode(value.packets, view, offset)
    u64Number.encode(value.tag, view, offset + 8)
  },
  decode: (view, offset) => ({packets: u64Number.decode(view, offset), tag: view.getUint32(offset + 8, true)}),
}

export const pairs: MapShape<PairKey, PairValue> = {
  name: 'kd_pairs',
  type: mapTypes.hash,
  maxEntries: 1024,
  key: pairKey,
  value: pairValue,
}

export const slots: MapShape<number, PairValue> = {
  name: 'kd_slots',
  type: mapTypes.array,
  maxEntries: 4,
  key: u32,
  value: pairValue,
}

export const counts: MapShape<number, readonly number[]> = {
  name: 'kd_counts',
  type: mapTypes.percpu_array,
  maxEntries: 4,
  key: u32,
  value: perCpu(u64Number),
}

export const shards: MapShape<number, number> = {
  name: 'kd_shards',
  type: mapTypes.array_of_maps,
  maxEntries: 4,
  key: u32,
  value: u32,
}

export const inner: MapShape<number, number> = {
  name: 'kd_inner',
  type: mapTypes.hash,
  maxEntries: 16,
  key: u32,
  value: u32,
}

/** struct config of basic.c. */
export function basicConfig(config: {action?: number; mark?: number; useExtra?: boolean; cookie?: number}): Uint8Array {
  const view = new DataView(new ArrayBuffer(24))
  view.setUint32(0, config.action ?? 0, true)
  view.setUint32(4, config.mark ?? 0, true)
  view.setUint8(8, config.useExtra ? 1 : 0)
  u64Number.encode(config.cookie ?? 0, view, 16)
  return new Uint8Array(view.buffer)
}
