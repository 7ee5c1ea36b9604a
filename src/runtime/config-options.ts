/**
 * Typed options out of the texts of a ConfigMap. A program declares its options once; reading gives the typed values,
 * every problem at once, and the keys nobody asked for.
 */
import {Cidr} from '../model/cidr.ts'
import {parseDuration} from '../model/duration.ts'
import {Ip} from '../model/ip.ts'

/** Reads one text. Throws an Error whose message says what was expected. */
export interface ConfigOption<T> {
  readonly fallback: T
  read(text: string): T
}

export type ConfigSpec = Readonly<Record<string, ConfigOption<unknown>>>
export type ConfigOf<Spec extends ConfigSpec> = {
  readonly [K in keyof Spec]: Spec[K] extends ConfigOption<infer T> ? T : never
}

export interface ConfigProblem {
  readonly key: string
  readonly value: string
  readonly problem: string
}

export interface ReadConfig<Spec extends ConfigSpec> {
  readonly config: ConfigOf<Spec>
  /** keys whose value was not understood; `config` has their fallback */
  readonly problems: readonly ConfigProblem[]
  /** keys that no option has, sorted */
  readonly unknown: readonly string[]
}

/** Reads all options of a spec. A key that is missing, or present with empty text, has its fallback. */
export function readConfig<Spec extends ConfigSpec>(spec: Spec, texts: ReadonlyMap<string, string>): ReadConfig<Spec> {
  const config: Record<string, unknown> = {}
  const problems: ConfigProblem[] = []
  for (const [key, option] of Object.entries(spec)) {
    const text = texts.get(key)?.trim()
    config[key] = option.fallback
    if (text === undefined || text === '') continue
    try {
      config[key] = option.read(text)
    } catch (thrown) {
      problems.push({key, value: text, problem: (thrown as Error).message})
    }
  }
  const unknown = [...texts.keys()].filter((key) => !Object.hasOwn(spec, key)).sort()
  return {config: config as ConfigOf<Spec>, problems, unknown}
}

export function textOption(fallback: string): ConfigOption<string> {
  return {fallback, read: (text) => text}
}

/** Go's spellings: true, false, 1, 0, t, f, in the usual cases. */
export function boolOption(fallback: boolean): ConfigOption<boolean> {
  return {
    fallback,
    read(text) {
      if (/^(true|t|1)$/i.test(text)) return true
      if (/^(false|f|0)$/i.test(text)) return false
      throw new Error('must be true or false')
    },
  }
}

export function numberOption(fallback: number, limits: {min?: number; max?: number} = {}): ConfigOption<number> {
  const {min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY} = limits
  return {
    fallback,
    read(text) {
      const value = Number(text)
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) || value < min || value > max) {
        throw new Error(`must be a number${range(min, max)}`)
      }
      return value
    },
  }
}

export function integerOption(fallback: number, limits: {min?: number; max?: number} = {}): ConfigOption<number> {
  const {min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER} = limits
  return {
    fallback,
    read(text) {
      const value = Number(text)
      if (!/^[-+]?\d+$/.test(text) || value < min || value > max)
        throw new Error(`must be a whole number${range(min, max)}`)
      return value
    },
  }
}

/** A Go duration. @returns milliseconds */
export function durationOption(fallbackMs: number): ConfigOption<number> {
  return {
    fallback: fallbackMs,
    read: (text) => parseDuration(text) ?? expected('a duration such as 30s or 1m30s'),
  }
}

export function choiceOption<T extends string>(fallback: T, choices: readonly T[]): ConfigOption<T> {
  return {
    fallback,
    read: (text) => choices.find((choice) => choice === text.toLowerCase()) ?? expected(`one of ${choices.join(', ')}`),
  }
}

/** Words separated by commas or spaces. */
export function listOption(fallback: readonly string[] = []): ConfigOption<readonly string[]> {
  return {fallback, read: (text) => text.split(/[\s,]+/).filter((word) => word !== '')}
}

export function ipOption(): ConfigOption<Ip | undefined> {
  return {fallback: undefined, read: (text) => Ip.parse(text) ?? expected('an IP address')}
}

export function cidrOption(): ConfigOption<Cidr | undefined> {
  return {fallback: undefined, read: (text) => Cidr.parse(text) ?? expected('a CIDR such as 10.0.0.0/8')}
}

export function cidrListOption(): ConfigOption<readonly Cidr[]> {
  return {
    fallback: [],
    read: (text) =>
      listOption()
        .read(text)
        .map((word) => Cidr.parse(word) ?? expected(`a list of CIDRs (${word} is none)`)),
  }
}

function expected(what: string): never {
  throw new Error(`must be ${what}`)
}

function range(min: number, max: number): string {
  const low = Number.isFinite(min) && min !== Number.MIN_SAFE_INTEGER
  const high = Number.isFinite(max) && max !== Number.MAX_SAFE_INTEGER
  if (low && high) return ` from ${min} to ${max}`
  if (low) return ` of at least ${min}`
  return high ? ` of at most ${max}` : ''
}
