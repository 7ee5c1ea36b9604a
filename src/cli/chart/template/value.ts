/**
 * The values that templates work with, as Go has them: an integer (bigint) and a floating number (number) are different
 * kinds, and YAML knows only the second. Maps have no prototype, so no key of a user means anything special.
 */
export type Value = null | boolean | bigint | number | string | Value[] | Tree
export interface Tree {
  [key: string]: Value
}

/** A map without prototype. */
export function tree(entries: Iterable<readonly [string, Value]> = []): Tree {
  const made = Object.create(null) as Tree
  for (const [key, value] of entries) made[key] = value
  return made
}

export function isTree(value: Value | undefined): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Turns plain data (parsed JSON or YAML, numbers becoming floating) into values. */
export function toValue(data: unknown): Value {
  if (data === null || data === undefined) return null
  if (Array.isArray(data)) return data.map(toValue)
  if (typeof data === 'object') return tree(Object.entries(data).map(([key, value]) => [key, toValue(value)]))
  if (typeof data === 'boolean' || typeof data === 'number' || typeof data === 'string' || typeof data === 'bigint') {
    return data
  }
  throw new TypeError(`no template value can be made of ${typeof data}`)
}

/** Turns values into plain data; integers become numbers. */
export function toPlain(value: Value): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(toPlain)
  if (isTree(value)) {
    const plain = Object.create(null) as Record<string, unknown>
    for (const key of Object.keys(value)) plain[key] = toPlain(value[key]!)
    return plain
  }
  return value
}

export function deepCopy<T extends Value>(value: T): T {
  if (Array.isArray(value)) return value.map(deepCopy) as T
  if (isTree(value)) return tree(Object.keys(value).map((key) => [key, deepCopy(value[key]!)])) as T
  return value
}

/** Go's name of the value's kind (reflect.Kind). */
export function kindOf(value: Value): string {
  if (value === null) return 'invalid'
  if (Array.isArray(value)) return 'slice'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int64'
    case 'number':
      return 'float64'
    case 'string':
      return 'string'
    default:
      return 'map'
  }
}

/** What `if` takes for true: anything but the kind's zero. */
export function isTrue(value: Value): boolean {
  if (value === null) return false
  if (Array.isArray(value)) return value.length > 0
  if (isTree(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Keys in the order that Go templates walk a map: by byte. */
export function sortedKeys(map: Tree): string[] {
  return Object.keys(map).sort(compareBytes)
}

/** Compares texts as Go does: by UTF-8 bytes, which is by code point. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** A floating number as Go's %v prints it: shortest digits, an exponent below 1e-4 and from 1e6 on. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  if (value === 0) return '0'
  const [digits, exponentText] = value.toExponential().split('e') as [string, string]
  const exponent = Number(exponentText)
  if (exponent >= -4 && exponent < 6) return String(value)
  const sign = exponent < 0 ? '-' : '+'
  return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** How a template prints a value (Go's %v). A null prints nothing: Helm takes Go's `<no value>` out. */
export function print(value: Value): string {
  if (value === null) return ''
  return format(value)
}

/** Go's %v, also of what is inside lists and maps. */
export function format(value: Value): string {
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(format).join(' ')}]`
  if (isTree(value)) {
    return `map[${sortedKeys(value)
      .map((key) => `${key}:${format(value[key]!)}`)
      .join(' ')}]`
  }
  if (typeof value === 'number') return formatFloat(value)
  return String(value)
}

/** A text as Go's %q writes it. */
export function quote(text: string): string {
  let quoted = '"'
  for (const char of text) quoted += escapes[char] ?? (isPrintable(char) ? char : escapeRune(char))
  return `${quoted}"`
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

function isPrintable(char: string): boolean {
  return char === ' ' || !/[\p{C}\p{Z}]/u.test(char)
}

function escapeRune(char: string): string {
  const code = char.codePointAt(0)!
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}
