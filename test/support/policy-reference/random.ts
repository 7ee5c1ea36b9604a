/** Random numbers that a seed repeats. */
import {seededRandom} from '../seeded-random.ts'

export class Random {
  /** 0 <= n < 1 */
  readonly next: () => number

  constructor(seed: number) {
    this.next = seededRandom(seed)
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
