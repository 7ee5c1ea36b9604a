/**
 * Follows the mounted ConfigMap: keys that may change while the agent runs are taken over as soon as kubelet has written
 * them; the others count from the next start, and the log says so.
 */
import type {Clock} from '../runtime/clock.ts'
import {ConfigDirectory, type ConfigTexts} from '../runtime/config-directory.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {Log} from '../runtime/log.ts'
import {formatValue, isKey, mutableKeys, parseConfig} from './config.ts'

export interface ConfigFollowerOptions {
  readonly folder: string
  /** what this process started with, and where keys of the command line are in */
  readonly texts: ConfigTexts
  /** keys of the command line: they stand, whatever the ConfigMap says */
  readonly fixed: ReadonlySet<string>
  /** @throws when a value is wrong */
  readonly change: (changes: ReadonlyMap<string, string>) => void
  readonly clock: Clock
  readonly log: Log
}

export class ConfigFollower {
  private readonly options: ConfigFollowerOptions
  private readonly directory: ConfigDirectory
  private known: ConfigTexts

  constructor(options: ConfigFollowerOptions) {
    this.options = options
    this.directory = new ConfigDirectory(options.folder, {clock: options.clock})
    this.known = options.texts
  }

  /** Also takes over what has changed since the process read it. */
  async start(): Promise<void> {
    this.take(await this.directory.load())
    this.directory.follow(
      ({texts}) => this.take(texts),
      (error) => this.options.log.warn('the configuration cannot be followed', {error}, {per: error.code}),
    )
  }

  stop(): void {
    this.directory.stop()
  }

  private take(texts: ConfigTexts): void {
    const {fixed, log} = this.options
    const changed = [...new Set([...texts.keys(), ...this.known.keys()])]
      .filter((key) => !fixed.has(key) && texts.get(key) !== this.known.get(key))
      .sort()
    this.known = new Map([...texts, ...[...this.known].filter(([key]) => fixed.has(key))])
    const isLive = (key: string) => mutableKeys.some((one) => one === key)
    const later = changed.filter((key) => isKey(key) && !isLive(key))
    if (later.length > 0) log.info('the configuration has changed: these keys count from the next start', {keys: later})
    const live = changed.filter(isLive)
    if (live.length === 0) return
    try {
      this.options.change(new Map(live.map((key) => [key, texts.get(key) ?? withoutIt(key)])))
    } catch (thrown) {
      const error = CiliumError.from(thrown)
      log.warn('the configuration has changed, but not so that it can be taken over', {error})
    }
  }
}

/** What a key is that nobody has set, as a text. */
function withoutIt(key: string): string {
  const {config} = parseConfig(new Map(), 'any')
  return formatValue(config[key as keyof typeof config])
}
