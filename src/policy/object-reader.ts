/** Reading objects that nobody has checked: every surprise becomes a problem with its path, nothing throws. */
import {Cidr} from '../model/cidr.ts'
import {type LabelSelectorObject, noneSelector, parseSelector, type Selector} from '../model/selector.ts'
import type {Problem} from './rule.ts'

export type Fields = Readonly<Record<string, unknown>>

export class ObjectReader {
  readonly problems: Problem[] = []

  refuse(path: string, reason: string): void {
    this.problems.push({path, reason})
  }

  /** An object, or undefined when it is missing. A wrong type is refused and read as missing. */
  object(value: unknown, path: string): Fields | undefined {
    if (value === undefined || value === null) return undefined
    if (typeof value === 'object' && !Array.isArray(value)) return value as Fields
    this.refuse(path, 'must be an object')
    return undefined
  }

  /** A list, or undefined when it is missing: an empty one is not missing. */
  list(parent: Fields, key: string, path: string): readonly unknown[] | undefined {
    const value = own(parent, key)
    if (value === undefined || value === null) return undefined
    if (Array.isArray(value)) return value
    this.refuse(join(path, key), 'must be a list')
    return undefined
  }

  string(parent: Fields, key: string, path: string): string | undefined {
    const value = own(parent, key)
    if (value === undefined || value === null || typeof value === 'string') return value ?? undefined
    this.refuse(join(path, key), 'must be a string')
    return undefined
  }

  boolean(parent: Fields, key: string, path: string): boolean | undefined {
    const value = own(parent, key)
    if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined
    this.refuse(join(path, key), 'must be true or false')
    return undefined
  }

  /** A misspelt field would make a rule wider than its writer meant: refused. */
  onlyFields(object: Fields, known: readonly string[], path: string): void {
    for (const key of Object.keys(object)) {
      if (!known.includes(key)) this.refuse(join(path, key), 'unknown field')
    }
  }

  /** A label selector; undefined when it is missing, and what selects nothing when it is wrong. */
  selector(value: unknown, path: string, defaultSource: string): Selector | undefined {
    if (value === undefined || value === null) return undefined
    const fields = this.object(value, path)
    if (fields === undefined) return noneSelector
    this.onlyFields(fields, ['matchLabels', 'matchExpressions'], path)
    const parsed = parseSelector(fields as LabelSelectorObject, {defaultSource})
    if ('selector' in parsed) return parsed.selector
    this.refuse(join(path, parsed.problem.path), parsed.problem.reason)
    return noneSelector
  }

  /** A prefix; a bare address stands for itself when `bare` says so. */
  cidr(value: unknown, path: string, options: {bare: boolean}): Cidr | undefined {
    const cidr = typeof value !== 'string' ? undefined : options.bare ? Cidr.parseOrHost(value) : Cidr.parse(value)
    if (cidr === undefined) this.refuse(path, `not a prefix: ${show(value)}`)
    return cidr
  }

  /** Prefixes to leave out, each of which must lie inside `within` where that is known. */
  except(parent: Fields, path: string, within: Cidr | undefined, options: {bare: boolean}): Cidr[] {
    const found: Cidr[] = []
    for (const [index, value] of (this.list(parent, 'except', path) ?? []).entries()) {
      const at = `${join(path, 'except')}[${index}]`
      const cidr = this.cidr(value, at, options)
      if (cidr === undefined) continue
      if (within !== undefined && !within.covers(cidr)) this.refuse(at, `${cidr} is not inside ${within}`)
      else found.push(cidr)
    }
    return found
  }
}

/** A field of the object itself, never one that it inherits. */
export function own(object: Fields, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

export function has(object: Fields, key: string): boolean {
  const value = own(object, key)
  return value !== undefined && value !== null
}

export function join(path: string, key: string): string {
  return path === '' ? key : key === '' ? path : `${path}.${key}`
}

/** A value for a message: short, without control characters. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
