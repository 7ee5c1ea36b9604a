/**
 * Turns the boot clock of events into the time of day. The distance of the two clocks is measured again and again; an
 * event keeps the distance of the time at which it was stored, so its time never changes afterwards.
 */

interface Distance {
  readonly from: number
  readonly distance: bigint
}

const distancesMax = 256
const millisecond = 1_000_000n

export interface Clocks {
  /** ns since the machine started, suspended time included */
  boot(): bigint
  /** ms since 1970 */
  wall(): number
}

export class BootTime {
  readonly #clocks: Clocks
  readonly #distances: Distance[]

  constructor(clocks: Clocks) {
    this.#clocks = clocks
    this.#distances = [{from: 0, distance: measure(clocks)}]
  }

  /**
   * Looks whether the wall clock has been set.
   *
   * @param next sequence number of the first event that a new distance holds for
   */
  update(next: number): void {
    const {wall, boot} = this.#clocks
    const behind = this.distance - (BigInt(wall()) * millisecond - boot())
    // the wall clock tells whole milliseconds: it may be behind by one
    if (behind >= -millisecond && behind <= 2n * millisecond) return
    this.#distances.push({from: next, distance: measure(this.#clocks)})
    if (this.#distances.length > distancesMax) this.#distances.shift()
  }

  /** Wall clock minus boot clock, ns: the newest. */
  get distance(): bigint {
    return this.#distances.at(-1)!.distance
  }

  /** ns since 1970 of an event. */
  wall(bootNs: number, sequence: number): bigint {
    let found = this.#distances.length - 1
    while (found > 0 && this.#distances[found]!.from > sequence) found--
    return BigInt(bootNs) + this.#distances[found]!.distance
  }
}

/** Waits for the next whole millisecond, the one moment at which the wall clock is exact. */
function measure({wall, boot}: Clocks): bigint {
  const start = wall()
  const began = boot()
  while (wall() === start && boot() - began < 3n * millisecond);
  return BigInt(wall()) * millisecond - boot()
}
