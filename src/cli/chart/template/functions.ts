/**
 * The functions that templates of our chart may call: a choice of Go's, Sprig's and Helm's, each with their meaning.
 * `takes` and `rest` say what kinds of arguments are allowed; what Go would refuse by type is refused here.
 */
import {VALUES_REFUSED} from '../errors.ts'
import {type Functions, Refusal, type TemplateFunction} from './function.ts'
import {dataFunctions} from './functions-data.ts'
import {textFunctions} from './functions-text.ts'
import {format, isTree, isTrue, kindOf, print, type Value} from './value.ts'

const logic: Readonly<Record<string, TemplateFunction>> = {
  // `and` and `or` are run by the evaluator, which stops at the argument that decides
  and: {takes: ['any'], rest: 'any', call: () => null},
  or: {takes: ['any'], rest: 'any', call: () => null},
  not: {takes: ['any'], call: ([value]) => !isTrue(value!)},
  eq: {takes: ['any', 'any'], rest: 'any', call: ([first, ...others]) => others.some((other) => equal(first!, other))},
  ne: {takes: ['any', 'any'], call: ([a, b]) => !equal(a!, b!)},
  lt: {takes: ['any', 'any'], call: ([a, b]) => order(a!, b!) < 0},
  le: {takes: ['any', 'any'], call: ([a, b]) => order(a!, b!) <= 0},
  gt: {takes: ['any', 'any'], call: ([a, b]) => order(a!, b!) > 0},
  ge: {takes: ['any', 'any'], call: ([a, b]) => order(a!, b!) >= 0},
  ternary: {takes: ['any', 'any', 'any'], call: ([yes, no, which]) => ternary(yes!, no!, which!)},
  default: {takes: ['any'], rest: 'any', call: ([fallback, value]) => (isTrue(value ?? null) ? value! : fallback!)},
  coalesce: {takes: [], rest: 'any', call: (values) => values.find(isTrue) ?? null},
  empty: {takes: ['any'], call: ([value]) => !isTrue(value!)},
  kindIs: {takes: ['string', 'any'], call: ([kind, value]) => kindIs(kind as string, value!)},
  fail: {
    takes: ['string'],
    call: ([text]) => {
      throw new Refusal(text as string, VALUES_REFUSED)
    },
  },
  required: {
    takes: ['string', 'any'],
    call: ([text, value]) => {
      if (value === null || value === '') throw new Refusal(text as string, VALUES_REFUSED)
      return value!
    },
  },
  include: {takes: ['string', 'any'], call: ([name, data], context) => context.include(name as string, data!)},
  print: {takes: [], rest: 'any', call: (values) => sprint(values)},
}

/** All functions by name. */
export const templateFunctions: Functions = new Map(
  Object.entries({...logic, ...textFunctions, ...dataFunctions}).sort(([a], [b]) => (a < b ? -1 : 1)),
)

function equal(a: Value, b: Value): boolean {
  if (a === null || b === null) return a === b
  if (Array.isArray(a) || Array.isArray(b) || isTree(a) || isTree(b)) {
    throw new Refusal('lists and maps cannot be compared')
  }
  if (kindOf(a) !== kindOf(b)) throw new Refusal(`a ${kindOf(a)} cannot be compared with a ${kindOf(b)}`)
  return a === b
}

function order(a: Value, b: Value): number {
  if (kindOf(a) !== kindOf(b)) throw new Refusal(`a ${kindOf(a)} cannot be compared with a ${kindOf(b)}`)
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string))
  if (typeof a === 'bigint' || typeof a === 'number') return a < (b as number) ? -1 : a > (b as number) ? 1 : 0
  throw new Refusal(`a ${kindOf(a)} has no order`)
}

function ternary(yes: Value, no: Value, which: Value): Value {
  if (typeof which !== 'boolean') throw new Refusal(`ternary decides by a bool, not a ${kindOf(which)}`)
  return which ? yes : no
}

/** Whole numbers have several kinds in Go that are one here, so asking for one of them has no answer. */
const kinds: ReadonlySet<string> = new Set(['invalid', 'slice', 'map', 'bool', 'string', 'float64'])

function kindIs(kind: string, value: Value): boolean {
  if (!kinds.has(kind)) throw new Refusal(`kindIs knows ${[...kinds].join(', ')}, not ${kind}`)
  return kindOf(value) === kind
}

/** Go's Sprint: a space between two values when neither is a text. */
function sprint(values: readonly Value[]): string {
  let text = ''
  for (const [index, value] of values.entries()) {
    const before = values[index - 1]
    if (index > 0 && typeof before !== 'string' && typeof value !== 'string') text += ' '
    text += value === null ? format(value) : print(value)
  }
  return text
}
