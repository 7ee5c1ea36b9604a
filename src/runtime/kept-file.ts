/** A file that follows what is known: the newest content is written as soon as it can be, however long the disk is full. */
import {writeState} from './atomic-file.ts'
import type {Clock, Timer} from './clock.ts'
import {CiliumError} from './errors.ts'
import type {Log} from './log.ts'

export interface KeptFileOptions {
  readonly path: string
  /** layout of the content */
  readonly version: number
  readonly clock: Clock
  readonly log: Log
}

const retryMs = 10_000

export class KeptFile {
  private readonly options: KeptFileOptions
  private content: unknown
  private writing: Promise<void> | undefined
  private timer: Timer | undefined
  private stopped = false

  constructor(options: KeptFileOptions) {
    this.options = options
  }

  /** Takes the content; one that is newer replaces it before it was written. Failures are logged and tried again. */
  put(content: unknown): void {
    this.content = content
    this.timer?.cancel()
    this.timer = undefined
    this.writing ??= this.write().finally(() => {
      this.writing = undefined
    })
  }

  /** Resolves when what was put is written, or could not be. */
  async stop(): Promise<void> {
    this.stopped = true
    this.timer?.cancel()
    await this.writing
  }

  private async write(): Promise<void> {
    const {path, version, clock, log} = this.options
    for (;;) {
      const {content} = this
      try {
        await writeState(path, version, content)
      } catch (thrown) {
        log.error('what is known cannot be kept', {error: CiliumError.from(thrown)}, {per: path})
        if (content === this.content && !this.stopped) {
          this.timer = clock.after(retryMs, () => this.put(this.content))
          return
        }
      }
      if (content === this.content) return
    }
  }
}
