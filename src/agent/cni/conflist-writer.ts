/**
 * Keeps our CNI configuration in the runtime's folder, alone when asked to: what is written is checked again whenever
 * the folder changes and every ten seconds, as other installers write there, too.
 */
import {type FSWatcher, watch} from 'node:fs'
import {chmod, readdir, readFile, rename, rm} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {writeFileAtomic} from '../../runtime/atomic-file.ts'
import {type Clock, every, type Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {codes} from '../errors.ts'
import {asideSuffix, foreignConfigs} from './conflist.ts'

export interface ConflistWriterOptions {
  readonly path: string
  /** the text as it should be now */
  readonly text: () => string
  /** other configurations are renamed */
  readonly exclusive: boolean
  readonly clock: Clock
  readonly log: Log
}

export class ConflistWriter {
  private readonly options: ConflistWriterOptions
  private readonly log: Log
  private watcher: FSWatcher | undefined
  private timer: Timer | undefined
  private busy: Promise<void> | undefined
  private lastError: CiliumError | undefined
  private written = false

  constructor(options: ConflistWriterOptions) {
    this.options = options
    this.log = options.log.for('cni-config')
  }

  /** For status: undefined before the first attempt. */
  get state(): {readonly ok: boolean; readonly message: string} | undefined {
    if (this.lastError !== undefined) return {ok: false, message: `${this.lastError.code} ${this.lastError.message}`}
    return this.written
      ? {ok: true, message: `successfully wrote CNI configuration file to ${this.options.path}`}
      : undefined
  }

  /** Writes, and keeps it so. Call when pods can be served, not before. */
  async start(): Promise<void> {
    await this.check()
    this.timer = every(this.options.clock, 10_000, () => this.check())
    try {
      this.watcher = watch(dirname(this.options.path), () => void this.check())
      this.watcher.on('error', () => this.watcher?.close()) // the timer goes on
    } catch {
      // the folder is missing: the check has said so, and the timer goes on
    }
  }

  /** @param remove the file too (cni-uninstall) */
  async stop(remove: boolean): Promise<void> {
    this.watcher?.close()
    this.timer?.cancel()
    await this.busy
    if (remove) await rm(this.options.path, {force: true})
  }

  private check(): Promise<void> {
    this.busy ??= this.write().finally(() => {
      this.busy = undefined
    })
    return this.busy
  }

  private async write(): Promise<void> {
    const {path, exclusive} = this.options
    try {
      const text = this.options.text()
      if ((await readFile(path, 'utf8').catch(() => undefined)) !== text) {
        await writeFileAtomic(path, text, {mode: 0o644})
        await chmod(path, 0o644) // whatever the umask
        this.log.info('wrote the CNI configuration', {path})
      }
      if (exclusive) await this.putAside()
      this.written = true
      this.lastError = undefined
    } catch (thrown) {
      const error = new CiliumError(codes.CNI_CONF_FAILED, {path, detail: (thrown as Error).message}, {cause: thrown})
      this.lastError = error
      this.log.error('cannot write the CNI configuration, will try again', {error})
    }
  }

  private async putAside(): Promise<void> {
    const folder = dirname(this.options.path)
    for (const name of foreignConfigs(await readdir(folder), basename(this.options.path))) {
      await rename(join(folder, name), join(folder, `${name}${asideSuffix}`))
      this.log.info('put the CNI configuration of another network aside', {file: name, cause: 'cni-exclusive=true'})
    }
  }
}
