/** Bounded waiting lines. Nothing in the product may queue without a limit. */
import {fail} from './errors.ts'
import {runtimeErrors} from './runtime-errors.ts'

/** A first-in-first-out queue per priority (0 is served first) with one common limit. */
export class BoundedQueue<T> {
  readonly capacity: number
  private readonly lanes: T[][]
  private readonly heads: number[]
  private count = 0
  private refusals = 0
  private closed = false
  private readonly waiting: ((item: T | undefined) => void)[] = []

  constructor(options: {capacity: number; priorities?: number}) {
    this.capacity = options.capacity
    this.lanes = Array.from({length: options.priorities ?? 1}, () => [])
    this.heads = this.lanes.map(() => 0)
  }

  get size(): number {
    return this.count
  }

  /** How many items were refused because the queue was full or closed. */
  get refused(): number {
    return this.refusals
  }

  /** @returns false when there is no room (or the queue is closed); the item is then not queued, and counted */
  push(item: T, priority = 0): boolean {
    if (this.closed || (this.count >= this.capacity && this.waiting.length === 0)) {
      this.refusals++
      return false
    }
    const taker = this.waiting.shift()
    if (taker !== undefined) {
      taker(item)
      return true
    }
    this.lanes[Math.min(priority, this.lanes.length - 1)]!.push(item)
    this.count++
    return true
  }

  /** The next item at once, or undefined. */
  poll(): T | undefined {
    for (const [priority, lane] of this.lanes.entries()) {
      const head = this.heads[priority]!
      if (head >= lane.length) continue
      const item = lane[head]!
      lane[head] = undefined as T
      this.heads[priority] = head + 1
      // shifting an array is linear: cut off what was taken only now and then
      if (head + 1 === lane.length || head > 1024) {
        lane.splice(0, head + 1)
        this.heads[priority] = 0
      }
      this.count--
      return item
    }
    return undefined
  }

  /** Waits for the next item. @returns undefined when the queue is closed and empty */
  take(): Promise<T | undefined> {
    if (this.count > 0 || this.closed) return Promise.resolve(this.poll())
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  /** Takes nothing more in. What is queued can still be taken. */
  close(): void {
    this.closed = true
    for (const taker of this.waiting.splice(0)) taker(undefined)
  }
}

interface Job {
  start(): void
  refuse(cause: unknown): void
}

/** Runs at most `concurrency` tasks at a time and lets at most `capacity` wait; the rest are refused with QUEUE_FULL. */
export class WorkQueue {
  readonly name: string
  private readonly queue: BoundedQueue<Job>
  private readonly concurrency: number
  private running = 0

  constructor(options: {name: string; capacity: number; concurrency: number; priorities?: number}) {
    this.name = options.name
    this.queue = new BoundedQueue(options)
    this.concurrency = options.concurrency
  }

  get waiting(): number {
    return this.queue.size
  }

  get active(): number {
    return this.running
  }

  /**
   * Runs `task` when its turn comes. A task whose signal is aborted while it waits is never started.
   *
   * @throws QUEUE_FULL, the task's own error, or the signal's reason
   */
  run<R>(task: () => Promise<R> | R, options: {priority?: number; signal?: AbortSignal} = {}): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const job: Job = {
        start: () => {
          if (options.signal?.aborted) {
            reject(options.signal.reason)
            this.next()
            return
          }
          this.running++
          Promise.resolve()
            .then(task)
            .then(resolve, reject)
            .finally(() => {
              this.running--
              this.next()
            })
        },
        refuse: reject,
      }
      if (this.running < this.concurrency) job.start()
      else if (!this.queue.push(job, options.priority)) {
        fail(runtimeErrors.QUEUE_FULL, {queue: this.name, capacity: this.queue.capacity})
      }
    })
  }

  /** Refuses everything that still waits with `cause`. Running tasks go on. */
  drop(cause: unknown): void {
    for (let job = this.queue.poll(); job !== undefined; job = this.queue.poll()) job.refuse(cause)
  }

  private next(): void {
    if (this.running >= this.concurrency) return
    this.queue.poll()?.start()
  }
}
