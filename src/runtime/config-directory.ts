/**
 * A ConfigMap mounted as a directory: a file per key. Kubelet replaces all of them in one step by turning the `..data`
 * link, so a change is seen as a whole.
 */
import {type FSWatcher, watch} from 'node:fs'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Clock, Timer} from './clock.ts'
import {systemClock} from './clock.ts'
import {CiliumError} from './errors.ts'
import {runtimeErrors} from './runtime-errors.ts'

export type ConfigTexts = ReadonlyMap<string, string>

/** Reads all keys, values without a newline at the end. @throws CONFIG_UNREADABLE */
export async function readConfigDirectory(path: string): Promise<ConfigTexts> {
  try {
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort()
    const texts = new Map<string, string>()
    for (const name of names) {
      try {
        texts.set(name, (await readFile(join(path, name), 'utf8')).replace(/\n$/, ''))
      } catch (thrown) {
        // a directory beside the keys, or a key removed while we read: neither is a setting
        const code = (thrown as NodeJS.ErrnoException).code
        if (code !== 'EISDIR' && code !== 'ENOENT') throw thrown
      }
    }
    return texts
  } catch (thrown) {
    const detail = (thrown as NodeJS.ErrnoException).code ?? String(thrown)
    throw new CiliumError(runtimeErrors.CONFIG_UNREADABLE, {path, detail}, {cause: thrown})
  }
}

export interface ConfigChange {
  readonly texts: ConfigTexts
  /** keys added, removed or changed, sorted */
  readonly changed: readonly string[]
}

/** Follows a mounted ConfigMap. */
export class ConfigDirectory {
  readonly path: string
  private readonly clock: Clock
  private readonly pollMs: number
  private texts: ConfigTexts = new Map()
  private watcher: FSWatcher | undefined
  private timer: Timer | undefined
  private reading: Promise<void> | undefined
  private stopped = false

  constructor(path: string, options: {clock?: Clock; pollMs?: number} = {}) {
    this.path = path
    this.clock = options.clock ?? systemClock
    this.pollMs = options.pollMs ?? 30_000
  }

  get current(): ConfigTexts {
    return this.texts
  }

  /** Reads for the first time. @throws CONFIG_UNREADABLE */
  async load(): Promise<ConfigTexts> {
    this.texts = await readConfigDirectory(this.path)
    return this.texts
  }

  /**
   * Calls `onChange` whenever keys differ from what was last seen. File notifications make it quick, a slow poll makes
   * it sure. While the directory cannot be read the last good content stays and `onError` is told.
   */
  follow(onChange: (change: ConfigChange) => void, onError: (error: CiliumError) => void): void {
    const look = () => {
      this.reading ??= this.compare(onChange)
        .catch((thrown: unknown) => onError(CiliumError.from(thrown)))
        .finally(() => {
          this.reading = undefined
        })
    }
    try {
      this.watcher = watch(this.path, () => {
        // kubelet makes several steps of one change: look once, when it is quiet
        this.timer?.cancel()
        this.timer = this.clock.after(100, () => {
          look()
          poll()
        })
      })
      this.watcher.on('error', (error) => onError(CiliumError.from(error)))
    } catch (thrown) {
      onError(CiliumError.from(thrown)) // no file notifications here: the poll does it alone
    }
    const poll = () => {
      if (this.stopped) return
      this.timer = this.clock.after(this.pollMs, () => {
        look()
        poll()
      })
    }
    poll()
  }

  stop(): void {
    this.stopped = true
    this.watcher?.close()
    this.timer?.cancel()
  }

  private async compare(onChange: (change: ConfigChange) => void): Promise<void> {
    const texts = await readConfigDirectory(this.path)
    if (this.stopped) return
    const keys = new Set([...texts.keys(), ...this.texts.keys()])
    const changed = [...keys].filter((key) => texts.get(key) !== this.texts.get(key)).sort()
    if (changed.length === 0) return
    this.texts = texts
    onChange({texts, changed})
  }
}
