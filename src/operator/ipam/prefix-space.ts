import type {Cidr} from '../../model/cidr.ts'

/** Subnet numbers from `first` to `last`, both included. */
interface Interval {
  readonly first: bigint
  readonly last: bigint
}

/**
 * The subnets of one length inside a pool, handed out lowest first. Keeps what is taken as intervals: a pool may hold
 * 2^64 subnets, a cluster has a few thousand nodes.
 */
export class PrefixSpace {
  readonly pool: Cidr
  readonly length: number
  /** sorted, apart from one another */
  private readonly taken: readonly Interval[]
  private index = 0
  private next = 0n

  /** @param occupied prefixes of any size that no subnet may touch; those outside the pool do not matter */
  constructor(pool: Cidr, length: number, occupied: readonly Cidr[]) {
    this.pool = pool
    this.length = length
    this.taken = merge(occupied.flatMap((cidr) => intervalOf(pool, length, cidr) ?? []))
  }

  /** How many subnets there are, free or not. */
  get size(): bigint {
    return this.pool.subnetCount(this.length)
  }

  /** The lowest subnet not taken yet, or undefined when there is none. */
  take(): Cidr | undefined {
    for (let interval = this.taken[this.index]; interval !== undefined; interval = this.taken[this.index]) {
      if (this.next < interval.first) break
      if (this.next <= interval.last) this.next = interval.last + 1n
      this.index++
    }
    return this.pool.subnet(this.length, this.next++)
  }
}

/** Which subnets of the pool a prefix touches. */
function intervalOf(pool: Cidr, length: number, cidr: Cidr): Interval | undefined {
  if (cidr.covers(pool)) return {first: 0n, last: pool.subnetCount(length) - 1n}
  if (!pool.covers(cidr)) return undefined
  const hostBits = BigInt(pool.network.bits - length)
  const base = pool.network.toBigInt()
  return {
    first: (cidr.network.toBigInt() - base) >> hostBits,
    last: (cidr.last.toBigInt() - base) >> hostBits,
  }
}

function merge(intervals: readonly Interval[]): readonly Interval[] {
  const merged: Interval[] = []
  for (const interval of [...intervals].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const before = merged.at(-1)
    if (before === undefined || interval.first > before.last + 1n) merged.push(interval)
    else if (interval.last > before.last) merged[merged.length - 1] = {first: before.first, last: interval.last}
  }
  return merged
}
