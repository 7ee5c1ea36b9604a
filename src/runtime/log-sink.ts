/** Where log lines go. */
import {closeSync, write, writeSync} from 'node:fs'
import type {LogSink} from './log.ts'

/**
 * Writes lines to a file descriptor from the thread pool, so that a reader that does not read (a full pipe) never
 * stops the program. At most `maxBytes` wait; beyond that lines are lost, and the next line says how many.
 */
export class FdSink implements LogSink {
  private readonly fd: number
  private readonly maxBytes: number
  private waiting: string[] = []
  private waitingBytes = 0
  private busy = false
  private lost = 0
  private idle: (() => void)[] = []

  constructor(fd: number, options: {maxBytes?: number} = {}) {
    this.fd = fd
    this.maxBytes = options.maxBytes ?? 1 << 20
  }

  write(line: string): void {
    const size = Buffer.byteLength(line) + 1
    if (this.waitingBytes + size > this.maxBytes) {
      this.lost++
      return
    }
    if (this.lost > 0) {
      const notice = `level=warn msg="log lines were lost because nobody read them" lost=${this.lost}`
      this.lost = 0
      this.waiting.push(notice)
      this.waitingBytes += notice.length + 1
    }
    this.waiting.push(line)
    this.waitingBytes += size
    if (this.busy) return
    this.busy = true
    // lines of one turn go out together; and a line written just before a crash can still be had by drainSync
    queueMicrotask(() => this.flush())
  }

  /** Resolves when everything is written, or writing has failed. */
  drain(): Promise<void> {
    return this.busy ? new Promise((resolve) => this.idle.push(resolve)) : Promise.resolve()
  }

  /** Writes the lines of this turn, blocking. For the end of a crashing process; otherwise await `drain`. */
  drainSync(): void {
    const text = this.take()
    try {
      if (text !== '') writeSync(this.fd, text)
    } catch {
      // the reader is gone: there is nowhere left to say so
    }
  }

  /** Writes all, then closes the descriptor. */
  async close(): Promise<void> {
    await this.drain()
    closeSync(this.fd)
  }

  private take(): string {
    const text = this.waiting.length === 0 ? '' : `${this.waiting.join('\n')}\n`
    this.waiting = []
    this.waitingBytes = 0
    return text
  }

  private flush(): void {
    const text = this.take()
    if (text === '') {
      this.busy = false
      for (const resolve of this.idle.splice(0)) resolve()
      return
    }
    this.writeAll(Buffer.from(text), 0)
  }

  private writeAll(bytes: Buffer, from: number): void {
    write(this.fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error === null && from + written < bytes.length) this.writeAll(bytes, from + written)
      else if (error?.code === 'EAGAIN') setTimeout(() => this.writeAll(bytes, from), 20)
      else this.flush() // any other error: the reader is gone, these lines too
    })
  }
}

/** Keeps lines in memory, the newest `capacity` of them. */
export class MemorySink implements LogSink {
  readonly lines: string[] = []
  private readonly capacity: number

  constructor(capacity = 1000) {
    this.capacity = capacity
  }

  write(line: string): void {
    if (this.lines.length >= this.capacity) this.lines.shift()
    this.lines.push(line)
  }
}
