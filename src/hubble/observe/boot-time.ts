/**
 * Turns the boot clock of events into the time of day. The distance of the two clocks is measured again and again; an
 * event keeps the distance of the time at which it was stored, so its time never changes afterwards.
 */

interface Distance {
  readonly from: number
  readonly distance: bigint
}

const distancesMax = 256
/** what a clock may be steered by in a second, and reading it twice may be off */
const noiseNs = 100_000n
const tries = 5

export interface Clocks {
  /** ns since the machine started, suspended time included */
  boot(): bigint
  /** ns since 1970 */
  wall(): bigint
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
    const distance = measure(this.#clocks)
    const moved = distance - this.distance
    if (moved > -noiseNs && moved < noiseNs) return
    this.#distances.push({from: next, distance})
    if (this.#distances.length > distancesMax) this.#distances.shift()
  }

  /** Wall clock minus boot clock, ns: the newest. */
  get distance(): bigint {
    return this.#distances.at(-1)!.distance
  }

  /** ns since 1970 of an event. */
  wall(bootNs: number, sequence: number): bigint {
    return BigInt(bootNs) + this.#distances[this.#find(sequence)]!.distance
  }

  /** Wall clock minus boot clock, ns, for an event and those after it before the sequence number `until`. */
  distanceAt(sequence: number): {readonly distance: bigint; readonly until: number} {
    const found = this.#find(sequence)
    const until = this.#distances[found + 1]?.from ?? Number.POSITIVE_INFINITY
    return {distance: this.#distances[found]!.distance, until}
  }

  #find(sequence: number): number {
    let found = this.#distances.length - 1
    while (found > 0 && this.#distances[found]!.from > sequence) found--
    return found
  }
}

/** Reads one clock between two readings of the other; the shortest of some tries counts. */
function measure({wall, boot}: Clocks): bigint {
  let best = 0n
  let shortest: bigint | undefined
  for (let i = 0; i < tries; i++) {
    const before = boot()
    const now = wall()
    const took = boot() - before
    if (shortest !== undefined && took >= shortest) continue
    shortest = took
    best = now - (before + took / 2n)
  }
  return best
}
