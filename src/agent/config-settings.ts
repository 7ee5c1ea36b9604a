/** How the texts of ConfigMap cilium-config become values: one small parser per kind. */
import {Cidr} from '../model/cidr.ts'
import {parseDuration} from '../model/duration.ts'

/** A value, or what would have been allowed. */
export type Parsed<T> = {readonly value: T} | {readonly allowed: string}

export interface Setting<T> {
  readonly initial: T
  readonly parse: (text: string) => Parsed<T>
  /** may change while the agent runs (PATCH /config) */
  readonly mutable: boolean
}

interface Options {
  readonly mutable?: boolean
}

function setting<T>(initial: T, parse: (text: string) => Parsed<T>, options: Options = {}): Setting<T> {
  return {initial, parse, mutable: options.mutable ?? false}
}

export function flag(initial: boolean, options?: Options): Setting<boolean> {
  return setting(
    initial,
    (text) => {
      if (/^(true|1|enabled|yes|on)$/i.test(text)) return {value: true}
      return /^(false|0|disabled|no|off|)$/i.test(text) ? {value: false} : {allowed: 'true or false'}
    },
    options,
  )
}

export function text(initial: string, options?: Options): Setting<string> {
  return setting(initial, (value) => ({value}), options)
}

export function choice<const T extends string>(
  allowed: readonly T[],
  initial: NoInfer<T>,
  options?: Options,
): Setting<T> {
  return setting(
    initial,
    (value) => {
      const found = allowed.find((one) => one === value.toLowerCase())
      return found === undefined ? {allowed: `one of ${allowed.join(', ')}`} : {value: found}
    },
    options,
  )
}

export function number(initial: number, min: number, max: number): Setting<number> {
  return setting(initial, (value) => {
    const parsed = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    return parsed >= min && parsed <= max ? {value: parsed} : {allowed: `a whole number from ${min} to ${max}`}
  })
}

export function fraction(initial: number): Setting<number> {
  return setting(initial, (value) => {
    const parsed = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN
    return parsed >= 0 && parsed <= 1 ? {value: parsed} : {allowed: 'a number from 0 to 1'}
  })
}

/** Milliseconds inside. */
export function duration(initialMs: number): Setting<number> {
  return setting(initialMs, (value) => {
    const parsed = parseDuration(value)
    return parsed === undefined || parsed < 0 ? {allowed: 'a duration such as 30s, 5m or 250ms'} : {value: parsed}
  })
}

/** Words separated by blanks or commas. */
export function words(initial: readonly string[] = []): Setting<readonly string[]> {
  return setting<readonly string[]>(initial, (value) => ({value: value.split(/[\s,]+/).filter((word) => word !== '')}))
}

/** Prefixes separated by blanks or commas, all of one family unless `family` is left out. */
export function cidrs(family?: 4 | 6): Setting<readonly Cidr[]> {
  return setting<readonly Cidr[]>([], (value) => {
    const parsed: Cidr[] = []
    for (const word of value.split(/[\s,]+/).filter((one) => one !== '')) {
      const cidr = Cidr.parse(word)
      if (cidr === undefined || (family !== undefined && cidr.family !== family)) {
        return {
          allowed: `prefixes such as ${family === 6 ? 'fd00::/104' : '10.0.0.0/8'}, ${JSON.stringify(word)} is none`,
        }
      }
      parsed.push(cidr)
    }
    return {value: parsed}
  })
}

/** One prefix, or none when empty. */
export function cidr(family: 4 | 6): Setting<Cidr | undefined> {
  return setting<Cidr | undefined>(undefined, (value) => {
    if (value === '') return {value: undefined}
    const parsed = Cidr.parse(value)
    if (parsed?.family === family) return {value: parsed}
    return {allowed: `an IPv${family} prefix such as ${family === 6 ? 'fd00::/104' : '10.0.0.0/8'}`}
  })
}

/** `key=value` pairs separated by commas. */
export function pairs(options?: Options): Setting<Readonly<Record<string, string>>> {
  return setting<Readonly<Record<string, string>>>(
    {},
    (value) => {
      const entries: [string, string][] = []
      for (const part of value.split(',').filter((one) => one !== '')) {
        const equals = part.indexOf('=')
        if (equals < 1) return {allowed: 'pairs such as format=json,level=info'}
        entries.push([part.slice(0, equals).trim(), part.slice(equals + 1).trim()])
      }
      return {value: Object.fromEntries(entries)}
    },
    options,
  )
}
