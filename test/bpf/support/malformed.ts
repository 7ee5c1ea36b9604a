/**
 * Packets that nobody should send, from a seed: the same seed gives the same packets. About half stay sound, so that a
 * test sees both what must pass and what must be dropped.
 */
import {seededWords} from '../../support/seeded-random.ts'
import type {Packet} from './packet.ts'

type Mutation = (bytes: Uint8Array, random: (below: number) => number) => Uint8Array

const headerBytes = 80

const mutations: readonly Mutation[] = [
  // untouched: twice, for half of all to stay sound with the padded ones
  (bytes) => bytes,
  (bytes) => bytes,
  function pad(bytes, random) {
    const longer = new Uint8Array(bytes.length + 1 + random(20))
    longer.set(bytes)
    return longer
  },
  function cut(bytes, random) {
    return bytes.subarray(0, 14 + random(Math.max(1, bytes.length - 14)))
  },
  function flipBit(bytes, random) {
    return changed(bytes, random(Math.min(headerBytes, bytes.length)), (byte) => byte ^ (1 << random(8)))
  },
  function setByte(bytes, random) {
    const extremes = [0, 1, 0x7f, 0x80, 0xff, random(256)]
    return changed(
      bytes,
      12 + random(Math.min(headerBytes, bytes.length) - 12),
      () => extremes[random(extremes.length)]!,
    )
  },
  function length(bytes, random) {
    const place = bytes[12] === 0x08 ? 16 : 18
    return changed(
      changed(bytes, place, () => random(256)),
      place + 1,
      () => random(256),
    )
  },
  function firstByte(bytes, random) {
    return changed(bytes, 14, () => random(256))
  },
]

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  if (at >= bytes.length) return bytes
  const copy = bytes.slice()
  copy[at] = change(copy[at]!)
  return copy
}

/** An endless row of mutated packets. @param sound packets to begin with */
export function* malformed(sound: readonly Packet[], seed: number): Generator<Uint8Array, never> {
  const words = seededWords(seed)
  const random = (below: number) => words() % below
  const originals = sound.map((packet) => packet.bytes)
  for (;;) {
    const original = originals[random(originals.length)]!
    const mutate = mutations[random(mutations.length)]!
    yield mutate(original, random)
  }
}
