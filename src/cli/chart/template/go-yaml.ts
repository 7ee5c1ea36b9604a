/**
 * YAML as Helm reads and writes it: by YAML 1.1's rules for what is a bool or a number, with whole numbers becoming
 * floating ones on the way in (Helm goes through JSON), and block style with lists not indented on the way out.
 */
import {parseDocument, type ScalarTag} from 'yaml'
import {Refusal} from './function.ts'
import {isTree, type Tree, toValue, tree, type Value} from './value.ts'

/** Aliases may blow a small text up; a chart's values need none, a user's few. */
const maxAliases = 100

/**
 * Parses one YAML document.
 *
 * @throws Refusal with the position of what is wrong
 */
export function parseYaml(text: string): Value {
  const document = parseDocument(text, {
    schema: 'failsafe',
    customTags: [nullTag, boolTag, floatTag],
    merge: true,
    uniqueKeys: true,
    strict: true,
    prettyErrors: true,
  })
  const wrong = document.errors[0]
  if (wrong !== undefined) throw new Refusal(wrong.message.split('\n')[0]!.replace(/:$/, ''))
  // mapAsMap keeps keys apart from JavaScript's own property names
  return fromMaps(document.toJS({maxAliasCount: maxAliases, mapAsMap: true}))
}

/** Helm's fromYaml: a map; empty for an empty text. */
export function fromYaml(text: string): Tree {
  const value = parseYaml(text)
  if (value === null) return tree()
  if (!isTree(value)) throw new Refusal('fromYaml: the text is not a map')
  return value
}

/** Helm's fromYamlArray: a list; empty for an empty text. */
export function fromYamlList(text: string): Value[] {
  const value = parseYaml(text)
  if (value === null) return []
  if (!Array.isArray(value)) throw new Refusal('fromYamlArray: the text is not a list')
  return value
}

/** Helm's toYaml: block style, keys sorted, no line feed at the end. */
export function toYaml(value: Value): string {
  return block(value, '').replace(/\n$/, '')
}

function fromMaps(data: unknown): Value {
  if (data instanceof Map) return tree([...data].map(([key, value]) => [String(key ?? 'null'), fromMaps(value)]))
  if (Array.isArray(data)) return data.map(fromMaps)
  return toValue(data)
}

const nullTag: ScalarTag = {
  identify: (value) => value === null,
  default: true,
  tag: 'tag:yaml.org,2002:null',
  test: /^(?:~|[Nn]ull|NULL)?$/,
  resolve: () => null,
}
const boolTag: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:bool',
  test: /^(?:[yY]|yes|Yes|YES|[tT]rue|TRUE|on|On|ON|[nN]|no|No|NO|[fF]alse|FALSE|off|Off|OFF)$/,
  resolve: (text) => /^(?:[yYtT]|on|On|ON)/.test(text),
}
const floatTag: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:float',
  test: /^[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?)$/,
  resolve: (text) => toNumber(text.replaceAll('_', '')),
}

function toNumber(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1
  const digits = text.replace(/^[-+]/, '')
  if (/^0[xX]/.test(digits)) return sign * Number.parseInt(digits.slice(2), 16)
  if (/^0[bB]/.test(digits)) return sign * Number.parseInt(digits.slice(2), 2)
  if (/^0[oO]?[0-7]+$/.test(digits)) return sign * Number.parseInt(digits.replace(/^0[oO]?/, ''), 8)
  return sign * Number(digits)
}

function block(value: Value, indent: string): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]\n'
    return value.map((item) => `${indent}- ${nested(item, `${indent}  `)}`).join('')
  }
  if (isTree(value)) {
    const keys = Object.keys(value).sort(naturalOrder)
    if (keys.length === 0) return '{}\n'
    return keys
      .map((key) => {
        const inner = value[key]!
        const name = scalar(key, true)
        if (isTree(inner) && Object.keys(inner).length > 0) return `${indent}${name}:\n${block(inner, `${indent}  `)}`
        if (Array.isArray(inner) && inner.length > 0) return `${indent}${name}:\n${block(inner, indent)}`
        return `${indent}${name}: ${block(inner, `${indent}  `)}`
      })
      .join('')
  }
  if (typeof value === 'string' && value.includes('\n')) return literal(value, indent)
  return `${typeof value === 'string' ? scalar(value, false) : plain(value)}\n`
}

/** A list's item: its first line stands behind the dash. */
function nested(item: Value, indent: string): string {
  const text = block(item, indent)
  return text.startsWith(indent) ? text.slice(indent.length) : text
}

function plain(value: null | boolean | bigint | number): string {
  if (value === null) return 'null'
  if (typeof value === 'number' && !Number.isInteger(value)) return String(value).replace(/e([-+])(\d)$/, 'e$10$2')
  if (typeof value === 'number') return BigInt(value).toString()
  return String(value)
}

/** A text over several lines, in the style that keeps line feeds where that is possible. */
function literal(text: string, indent: string): string {
  const keepsStyle = !/[ \t]\n|[ \t]$|[^\n\t\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd]/.test(text)
  if (!keepsStyle) return `${doubleQuoted(text)}\n`
  const chomp = !text.endsWith('\n') ? '-' : text.endsWith('\n\n') || text === '\n' ? '+' : ''
  const body = text.endsWith('\n') ? text.slice(0, -1) : text
  const hint = /^[ \n]/.test(text) ? '2' : ''
  const pad = indent === '' ? '  ' : indent
  return `|${hint}${chomp}\n${body
    .split('\n')
    .map((line) => (line === '' ? '' : pad + line))
    .join('\n')}\n`
}

function scalar(text: string, isKey: boolean): string {
  if (text.includes('\n')) return doubleQuoted(text)
  if (/[^\t\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd]/.test(text) || text.includes('\t') || text.includes('\ufeff')) {
    return doubleQuoted(text)
  }
  if (looksLikeOther(text)) return doubleQuoted(text)
  const needsQuotes =
    /^[#,[\]{}&*!|>'"%@`]|^[?:-](?:\s|$)|^---|^\.\.\.|^\s|\s$|:(?:\s|$)|\s#/.test(text) || (isKey && text === '')
  return needsQuotes ? `'${text.replaceAll("'", "''")}'` : text
}

/** Would the text be read as something else than a text? */
function looksLikeOther(text: string): boolean {
  if (nullTag.test!.test(text) || boolTag.test!.test(text) || floatTag.test!.test(text)) return true
  if (/^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$|^<<$/.test(text)) return true
  // base 60 and dates: nobody here reads them so, others do
  return (
    /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/.test(text) || /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?$/.test(text)
  )
}

function doubleQuoted(text: string): string {
  return JSON.stringify(text)
}

/** The order of keys: like texts, but with numbers inside them by size, and letters behind everything else. */
function naturalOrder(a: string, b: string): number {
  const [left, right] = [[...a], [...b]]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [one, other] = [left[index]!, right[index]!]
    if (one === other) continue
    const [isLetter, otherIsLetter] = [/\p{L}/u.test(one), /\p{L}/u.test(other)]
    if (isLetter && otherIsLetter) return one.codePointAt(0)! - other.codePointAt(0)!
    if (isLetter !== otherIsLetter) return otherIsLetter ? -1 : 1
    const [digits, otherDigits] = [digitsAt(left, index), digitsAt(right, index)]
    const difference = Number(digits || 0) - Number(otherDigits || 0)
    if (difference !== 0) return difference
    if (digits.length !== otherDigits.length) return digits.length - otherDigits.length
    return one.codePointAt(0)! - other.codePointAt(0)!
  }
  return left.length - right.length
}

function digitsAt(chars: readonly string[], from: number): string {
  return /^\d*/.exec(chars.slice(from).join(''))![0]
}
