/** Functions that make and take texts. Sprig's argument order: the text comes last, so that it can be piped. */
import {createHash} from 'node:crypto'
import {Refusal, type TemplateFunction} from './function.ts'
import {fromYaml, fromYamlList, toYaml} from './go-yaml.ts'
import {compareBytes, format, isTree, kindOf, quote, sortedKeys, type Value} from './value.ts'

const asText: TemplateFunction = {takes: ['any'], call: ([value]) => format(value!)}

export const textFunctions: Readonly<Record<string, TemplateFunction>> = {
  quote: {takes: [], rest: 'any', call: (values) => eachText(values, (text) => quote(text))},
  squote: {takes: [], rest: 'any', call: (values) => eachText(values, (text) => `'${text}'`)},
  toString: asText,
  printf: {takes: ['string'], rest: 'any', call: ([form, ...values]) => printf(form as string, values)},
  trim: {takes: ['string'], call: ([text]) => (text as string).replace(goSpace.start, '').replace(goSpace.end, '')},
  trimSuffix: {takes: ['string', 'string'], call: ([suffix, text]) => trimSuffix(suffix as string, text as string)},
  trimPrefix: {takes: ['string', 'string'], call: ([prefix, text]) => trimPrefix(prefix as string, text as string)},
  lower: {takes: ['string'], call: ([text]) => (text as string).toLowerCase()},
  upper: {takes: ['string'], call: ([text]) => (text as string).toUpperCase()},
  replace: {
    takes: ['string', 'string', 'string'],
    call: ([old, by, text]) => (text as string).split(old as string).join(by as string),
  },
  contains: {takes: ['string', 'string'], call: ([part, text]) => (text as string).includes(part as string)},
  hasPrefix: {takes: ['string', 'string'], call: ([prefix, text]) => (text as string).startsWith(prefix as string)},
  hasSuffix: {takes: ['string', 'string'], call: ([suffix, text]) => (text as string).endsWith(suffix as string)},
  indent: {takes: ['int64', 'string'], call: ([width, text]) => indent(width as bigint, text as string)},
  nindent: {takes: ['int64', 'string'], call: ([width, text]) => `\n${indent(width as bigint, text as string)}`},
  b64enc: {takes: ['string'], call: ([text]) => Buffer.from(text as string).toString('base64')},
  b64dec: {takes: ['string'], call: ([text]) => Buffer.from(text as string, 'base64').toString()},
  sha256sum: {
    takes: ['string'],
    call: ([text]) =>
      createHash('sha256')
        .update(text as string)
        .digest('hex'),
  },
  join: {takes: ['string', 'any'], call: ([between, values]) => textsOf(values!).join(between as string)},
  split: {takes: ['string', 'string'], call: ([by, text]) => splitMap(by as string, text as string)},
  splitList: {takes: ['string', 'string'], call: ([by, text]) => (text as string).split(by as string)},
  sortAlpha: {takes: ['any'], call: ([values]) => textsOf(values!).sort(compareBytes)},
  toYaml: {takes: ['any'], call: ([value]) => toYaml(value!)},
  fromYaml: {takes: ['string'], call: ([text]) => fromYaml(text as string)},
  fromYamlArray: {takes: ['string'], call: ([text]) => fromYamlList(text as string)},
  toJson: {takes: ['any'], call: ([value]) => toJson(value!)},
}

/** White space as Go sees it. */
const goSpace = {
  start: /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/,
  end: /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/,
}

function eachText(values: readonly Value[], write: (text: string) => string): string {
  return values
    .filter((value) => value !== null)
    .map((value) => write(format(value)))
    .join(' ')
}

/** A list as texts; nulls are left out, a single value is a list of one. */
function textsOf(value: Value): string[] {
  if (value === null) return []
  return (Array.isArray(value) ? value : [value]).filter((item) => item !== null).map(format)
}

function trimSuffix(suffix: string, text: string): string {
  return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text
}

function trimPrefix(prefix: string, text: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text
}

function indent(width: bigint, text: string): string {
  const pad = ' '.repeat(Number(width))
  return pad + text.replaceAll('\n', `\n${pad}`)
}

function splitMap(by: string, text: string): Value {
  const parts = Object.create(null) as Record<string, Value>
  for (const [index, part] of text.split(by).entries()) parts[`_${index}`] = part
  return parts
}

/** Go's JSON: keys sorted, no spaces, and what HTML would misread escaped. */
export function toJson(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (isTree(value)) {
    return `{${sortedKeys(value)
      .map((key) => `${jsonText(key)}:${toJson(value[key]!)}`)
      .join(',')}}`
  }
  if (typeof value === 'string') return jsonText(value)
  if (typeof value === 'bigint') return String(value)
  return JSON.stringify(value)
}

function jsonText(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function printf(form: string, values: readonly Value[]): string {
  let next = 0
  const text = form.replace(/%(.?)/gs, (whole, verb: string) => {
    if (verb === '%') return '%'
    if (!'sdvqt'.includes(verb) || verb === '') throw new Refusal(`printf knows %s %d %v %q %t and %%, not "${whole}"`)
    if (next >= values.length) throw new Refusal(`printf "${form}" lacks a value`)
    return formatVerb(verb, values[next++]!)
  })
  if (next < values.length) throw new Refusal(`printf "${form}" has a value too many`)
  return text
}

function formatVerb(verb: string, value: Value): string {
  const kind = kindOf(value)
  const fits =
    verb === 'v' ||
    ((verb === 's' || verb === 'q') && kind === 'string') ||
    (verb === 'd' && kind === 'int64') ||
    (verb === 't' && kind === 'bool')
  if (!fits) throw new Refusal(`printf %${verb} does not fit a ${kind}`)
  return verb === 'q' ? quote(value as string) : format(value)
}
