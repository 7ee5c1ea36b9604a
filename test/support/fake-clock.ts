import type {Clock, Timer} from '../../src/runtime/clock.ts'

/** A clock that stands still until a test turns it. */
export class FakeClock implements Clock {
  private time: number
  private wall: number
  private serial = 0
  private readonly timers = new Map<number, {at: number; task: () => void}>()

  constructor(wallMs = Date.UTC(2030, 0, 1)) {
    this.wall = wallMs
    this.time = 0
  }

  now(): number {
    return this.wall + this.time
  }

  monotonic(): number {
    return this.time
  }

  after(ms: number, task: () => void): Timer {
    const id = ++this.serial
    this.timers.set(id, {at: this.time + Math.max(0, ms), task})
    return {cancel: () => this.timers.delete(id)}
  }

  /** How many timers are set. */
  get pending(): number {
    return this.timers.size
  }

  /** Moves the wall clock alone, as an administrator or NTP does. */
  jump(ms: number): void {
    this.wall += ms
  }

  /** Turns the clock, running what comes due in order; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    await settle()
    for (;;) {
      const next = [...this.timers]
        .filter(([, timer]) => timer.at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0]
      if (next === undefined) break
      this.timers.delete(next[0])
      this.time = Math.max(this.time, next[1].at)
      next[1].task()
      await settle()
    }
    this.time = end
    await settle()
  }
}

/** Lets every promise that can settle without a timer or I/O do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}
