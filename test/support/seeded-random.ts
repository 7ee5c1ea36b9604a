/** mulberry32, small and good enough for tests: the same seed gives the same numbers everywhere. @returns whole, 32 bits */
export function seededWords(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

/** The same as numbers of 0 <= n < 1. */
export function seededRandom(seed: number): () => number {
  const words = seededWords(seed)
  return () => words() / 2 ** 32
}
