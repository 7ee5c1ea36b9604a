/**
 * Maglev tables (Eisenbud et al., NSDI 2016): every backend walks the table in an order of its own and takes the first
 * free place, one after the other, so that shares differ by one place at most, and a backend that comes or goes moves
 * little of what the others have. Equal on every node: what is hashed is the backend's address, never a local number.
 */

/** Sizes that are offered: primes, so that each step walks over the whole table. */
export const maglevSizes = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071] as const

/** Bytes of a seed. */
export const maglevSeedBytes = 12

const nobody = 0xffff

/**
 * @param names of the backends, in the order of their list; no more than the table has places
 * @param size a prime
 * @param seed the same on every node
 * @returns for each place of the table the place of a backend in the list
 */
export function maglevTable(names: readonly string[], size: number, seed: Uint8Array): Uint16Array {
  const count = names.length
  const table = new Uint16Array(size).fill(nobody)
  if (count <= 1) return table.fill(0)
  const [low, middle, high] = seedWords(seed)
  const at = new Uint32Array(count)
  const step = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const name = names[i]!
    at[i] = hash(name, low + Math.imul(high, 0x9e37_79b1)) % size
    step[i] = (hash(name, middle + Math.imul(high, 0x85eb_ca77)) % (size - 1)) + 1
  }
  for (let filled = 0; ; ) {
    for (let i = 0; i < count; i++) {
      let place = at[i]!
      const by = step[i]!
      while (table[place] !== nobody) {
        place += by
        // minus the size when that is reached, without a branch that nobody could predict
        place -= size & ~((place - size) >> 31)
      }
      table[place] = i
      if (++filled === size) return table
      at[i] = place
    }
  }
}

/** What packets' hashes begin with. */
export function hashSeed(seed: Uint8Array): number {
  const [low, middle, high] = seedWords(seed)
  return (Math.imul(low, 0x9e37_79b1) ^ Math.imul(middle, 0x85eb_ca77) ^ high) >>> 0
}

function seedWords(seed: Uint8Array): [number, number, number] {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength)
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)]
}

/** FNV-1a over the text, then murmur3's finish: FNV alone leaves the high bits of short texts alike. */
function hash(text: string, seed: number): number {
  let h = seed ^ 0x811c_9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x0100_0193)
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35)
  return (h ^ (h >>> 16)) >>> 0
}
