/**
 * Merges streams that are each in order into one that is. The next item is the earliest of all heads. A stream that has
 * nothing to say for a while is not waited for any longer, so that a silent node holds up nobody; nodes are read no
 * faster than the reader takes what they send.
 */
export interface MergeOptions<T> {
  readonly timeOf: (item: T) => bigint
  /** items that wait, of all sources */
  readonly buffered: number
  /** how long an item waits for silent sources */
  readonly drainMs: number
  readonly signal: AbortSignal
}

interface Waiting<T> {
  readonly item: T
  readonly time: bigint
  readonly since: number
}

interface Source<T> {
  readonly queue: Waiting<T>[]
  done: boolean
  /** continues a source that has been stopped because enough of it waits */
  resume: () => void
}

export class Merge<T> {
  readonly #options: MergeOptions<T>
  readonly #sources = new Set<Source<T>>()
  #wake: () => void = () => {}
  #closed = false

  constructor(options: MergeOptions<T>) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#changed(), {once: true})
  }

  /** Takes another stream. @param failed told of an error that ended it */
  add(stream: AsyncIterable<T>, failed: (thrown: unknown) => void): void {
    const source: Source<T> = {queue: [], done: false, resume: () => {}}
    this.#sources.add(source)
    void this.#read(source, stream, failed)
  }

  /** No stream comes any more: the merge ends when those it has do. */
  close(): void {
    this.#closed = true
    this.#changed()
  }

  async *items(): AsyncGenerator<T> {
    const {signal, drainMs} = this.#options
    while (!signal.aborted) {
      const {first, silent} = this.#earliest()
      if (first === undefined) {
        if (this.#closed && this.#sources.size === 0) return
        await this.#change(undefined)
        continue
      }
      const {since} = first.queue[0]!
      const left = silent ? since + drainMs - performance.now() : 0
      if (left > 0) {
        await this.#change(left)
        continue
      }
      const {item} = first.queue.shift()!
      first.resume()
      yield item
    }
  }

  async #read(source: Source<T>, stream: AsyncIterable<T>, failed: (thrown: unknown) => void): Promise<void> {
    const {timeOf, signal} = this.#options
    try {
      for await (const item of stream) {
        if (signal.aborted) return
        source.queue.push({item, time: timeOf(item), since: performance.now()})
        if (source.queue.length === 1) this.#changed()
        while (source.queue.length >= this.#share && !signal.aborted)
          await new Promise<void>((resolve) => (source.resume = resolve))
      }
    } catch (thrown) {
      if (!signal.aborted) failed(thrown)
    } finally {
      source.done = true
      this.#changed()
    }
  }

  /** What of the buffer is each source's. */
  get #share(): number {
    return Math.max(2, Math.floor(this.#options.buffered / this.#sources.size))
  }

  /** The source with the earliest head, and whether there are sources that may yet say something earlier. */
  #earliest(): {first: Source<T> | undefined; silent: boolean} {
    let first: Source<T> | undefined
    let silent = false
    for (const source of this.#sources) {
      const [head] = source.queue
      if (head === undefined) {
        if (source.done) this.#sources.delete(source)
        else silent = true
      } else if (first === undefined || head.time < first.queue[0]!.time) first = source
    }
    return {first, silent}
  }

  #changed(): void {
    for (const {resume} of this.#options.signal.aborted ? this.#sources : []) resume()
    this.#wake()
  }

  async #change(atMostMs: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = atMostMs === undefined ? undefined : setTimeout(resolve, atMostMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.#options.signal.aborted) this.#wake()
    })
    this.#wake = () => {}
  }
}
