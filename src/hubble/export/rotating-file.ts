/**
 * A file that is set aside when it is full: `events.log` becomes `events-2026-01-02T15-04-05.678.log`, the oldest go. One
 * writer. What cannot be written is counted and told, and nobody waits for it.
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import {basename, dirname, extname, join} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createGzip} from 'node:zlib'

export interface RotatingFileOptions {
  readonly path: string
  readonly maxBytes: number
  /** files that are kept beside the newest */
  readonly backups: number
  readonly compress: boolean
  /** wall clock, ms */
  readonly now: () => number
}

export class RotatingFile {
  readonly #options: RotatingFileOptions
  #fd: number | undefined
  #size = 0
  #compressing: Promise<void> = Promise.resolve()

  constructor(options: RotatingFileOptions) {
    this.#options = options
  }

  /** Appends. @throws what the file system says */
  write(text: string): void {
    const bytes = Buffer.from(text)
    const {maxBytes} = this.#options
    let fd = this.#fd ?? this.#open()
    if (this.#size > 0 && this.#size + bytes.length > maxBytes) {
      this.#rotate(fd)
      fd = this.#open()
    }
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    this.#size += bytes.length
  }

  /** Resolves when nothing is being compressed any more. */
  async close(): Promise<void> {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    await this.#compressing
  }

  #open(): number {
    const {path} = this.#options
    mkdirSync(dirname(path), {recursive: true})
    // flows tell who talks to whom: they are not everybody's to read
    const fd = openSync(path, 'a', 0o600)
    this.#fd = fd
    this.#size = fstatSync(fd).size
    return fd
  }

  #rotate(fd: number): void {
    const {path, compress, now} = this.#options
    closeSync(fd)
    this.#fd = undefined
    const end = extname(path)
    const stamp = new Date(now()).toISOString().replaceAll(':', '-').replace('Z', '')
    const aside = `${path.slice(0, path.length - end.length)}-${stamp}${end}`
    renameSync(path, aside)
    this.#forgetOld()
    if (!compress) return
    this.#compressing = this.#compressing.then(async () => {
      await pipeline(createReadStream(aside), createGzip(), createWriteStream(`${aside}.gz`, {mode: 0o600}))
      rmSync(aside)
    })
  }

  #forgetOld(): void {
    const {path, backups} = this.#options
    const end = extname(path)
    const start = `${basename(path, end)}-`
    const asides = readdirSync(dirname(path))
      .filter((name) => name.startsWith(start) && (name.endsWith(end) || name.endsWith(`${end}.gz`)))
      .sort()
    for (const name of asides.slice(0, Math.max(0, asides.length - backups))) rmSync(join(dirname(path), name))
  }
}
