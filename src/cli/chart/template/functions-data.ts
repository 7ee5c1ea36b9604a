/** Functions over numbers, lists and maps. Maps are changed in place by `set` and `unset`, as Sprig does. */
import {Refusal, type TemplateFunction} from './function.ts'
import {satisfies} from './semver.ts'
import {deepCopy, isTree, kindOf, type Tree, tree, type Value} from './value.ts'

export const dataFunctions: Readonly<Record<string, TemplateFunction>> = {
  int: {takes: ['any'], call: ([value]) => toInteger(value!)},
  int64: {takes: ['any'], call: ([value]) => toInteger(value!)},
  add: {takes: [], rest: 'any', call: (values) => values.reduce<bigint>((sum, value) => sum + toInteger(value), 0n)},
  sub: {takes: ['any', 'any'], call: ([a, b]) => toInteger(a!) - toInteger(b!)},
  len: {takes: ['any'], call: ([value]) => BigInt(lengthOf(value!))},
  list: {takes: [], rest: 'any', call: (values) => [...values]},
  first: {takes: ['slice'], call: ([list]) => (list as Value[])[0] ?? null},
  last: {takes: ['slice'], call: ([list]) => (list as Value[]).at(-1) ?? null},
  initial: {takes: ['slice'], call: ([list]) => (list as Value[]).slice(0, -1)},
  rest: {takes: ['slice'], call: ([list]) => (list as Value[]).slice(1)},
  append: {takes: ['slice', 'any'], call: ([list, value]) => [...(list as Value[]), value!]},
  concat: {takes: [], rest: 'slice', call: (lists) => (lists as Value[][]).flat()},
  has: {takes: ['any', 'slice'], call: ([value, list]) => (list as Value[]).some((item) => same(item, value!))},
  dict: {takes: [], rest: 'any', call: (values) => dict(values)},
  get: {
    takes: ['map', 'string'],
    call: ([map, key]) => (map as Tree)[key as string] ?? absent(map as Tree, key as string),
  },
  set: {takes: ['map', 'string', 'any'], call: ([map, key, value]) => setKey(map as Tree, key as string, value!)},
  unset: {takes: ['map', 'string'], call: ([map, key]) => unsetKey(map as Tree, key as string)},
  hasKey: {takes: ['map', 'string'], call: ([map, key]) => (key as string) in (map as Tree)},
  keys: {takes: ['map'], rest: 'map', call: (maps) => (maps as Tree[]).flatMap((map) => Object.keys(map))},
  merge: {takes: ['map'], rest: 'map', call: ([into, ...others]) => merge(into as Tree, others as Tree[])},
  deepCopy: {takes: ['any'], call: ([value]) => deepCopy(value!)},
  // nothing is read from a cluster while rendering: what is there would decide what is installed
  lookup: {takes: ['string', 'string', 'string', 'string'], call: () => tree()},
  semverCompare: {
    takes: ['string', 'string'],
    call: ([range, version]) => satisfiesOrRefuse(range as string, version as string),
  },
}

/** Whole part of a number or of a text that is one; 0 for anything else, as Sprig casts. */
function toInteger(value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'string' && /^[+-]?(0|[1-9][0-9]*)$/.test(value)) return BigInt(value.replace('+', ''))
  if (typeof value === 'string') throw new Refusal(`"${value}" is not a whole number`)
  return 0n
}

function lengthOf(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Array.isArray(value)) return value.length
  if (isTree(value)) return Object.keys(value).length
  throw new Refusal(`a ${kindOf(value)} has no length`)
}

/** Go's DeepEqual: kinds count, so 1 and 1.0 differ. */
function same(a: Value, b: Value): boolean {
  if (kindOf(a) !== kindOf(b)) return false
  if (Array.isArray(a)) {
    const other = b as Value[]
    return a.length === other.length && a.every((item, index) => same(item, other[index]!))
  }
  if (isTree(a)) {
    const other = b as Tree
    const keys = Object.keys(a)
    return keys.length === Object.keys(other).length && keys.every((key) => key in other && same(a[key]!, other[key]!))
  }
  return a === b
}

function dict(values: readonly Value[]): Tree {
  const made = tree()
  for (let index = 0; index < values.length; index += 2) {
    const key = values[index]!
    if (typeof key !== 'string') throw new Refusal(`dict: key ${index / 2 + 1} is a ${kindOf(key)}`)
    made[key] = values[index + 1] ?? ''
  }
  return made
}

/** A key that is there with null stays null; one that is not there is the empty text, as in Sprig. */
function absent(map: Tree, key: string): Value {
  return key in map ? null : ''
}

function setKey(map: Tree, key: string, value: Value): Tree {
  map[key] = value
  return map
}

function unsetKey(map: Tree, key: string): Tree {
  delete map[key]
  return map
}

/** Fills gaps of the first map from the others, deeply; what is set and not empty stays. */
function merge(into: Tree, others: readonly Tree[]): Tree {
  for (const other of others) {
    for (const key of Object.keys(other)) {
      const mine = into[key]
      const theirs = other[key]!
      if (isTree(mine) && isTree(theirs)) merge(mine, [theirs])
      else if (mine === undefined || mine === null || mine === '' || mine === false) into[key] = deepCopy(theirs)
    }
  }
  return into
}

function satisfiesOrRefuse(range: string, version: string): boolean {
  const result = satisfies(range, version)
  if (result === undefined) throw new Refusal(`semverCompare "${range}" "${version}" is not understood`)
  return result
}
