/** Random numbers that a seed repeats (mulberry32). */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** 0 <= n < 1 */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** 0 .. n-1 */
  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** Between `least` and `most` of them, each once. */
  some<T>(list: readonly T[], least: number, most: number): T[] {
    const rest = [...list]
    const count = Math.min(least + this.below(most - least + 1), rest.length)
    return Array.from({length: count}, () => rest.splice(this.below(rest.length), 1)[0]!)
  }

  /** One of several makers, by weight. */
  choose<T>(...ways: readonly (readonly [weight: number, make: () => T])[]): T {
    let at = this.next() * ways.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, make] of ways) {
      at -= weight
      if (at < 0) return make()
    }
    return ways.at(-1)![1]()
  }
}
