/** Merging of values by Helm's rules. Null is a word of its own: it takes a default away. */
import {deepCopy, isTree, type Tree, type Value} from './template/value.ts'

/** Lays `over` upon `under`, changing neither: maps merge, everything else replaces, null included. */
export function overlay(under: Tree, over: Tree): Tree {
  const merged = deepCopy(under)
  for (const key of Object.keys(over)) {
    const [below, above] = [merged[key], over[key]!]
    merged[key] = isTree(above) && isTree(below) ? overlay(below, above) : deepCopy(above)
  }
  return merged
}

/**
 * The values that templates see: the chart's defaults where the user says nothing. A null of the user removes the
 * default; where the chart has no default it stays a null.
 *
 * @returns the values, and what was given in a form that does not fit a default (Helm's warnings)
 */
export function withDefaults(user: Tree, defaults: Tree): {values: Tree; warnings: string[]} {
  const warnings: string[] = []
  return {values: coalesce(user, defaults, '', warnings), warnings}
}

function coalesce(user: Tree, defaults: Tree, prefix: string, warnings: string[]): Tree {
  const merged = deepCopy(user)
  for (const key of Object.keys(defaults)) {
    const path = prefix === '' ? key : `${prefix}.${key}`
    const fallback = defaults[key]!
    if (!(key in merged)) merged[key] = deepCopy(fallback)
    else merged[key] = settle(merged[key]!, fallback, path, warnings)
    // on the top level any null removes, below only one that meets a default
    if (merged[key] === null && key in user && (prefix === '' || fallback !== null)) delete merged[key]
  }
  return merged
}

function settle(mine: Value, fallback: Value, path: string, warnings: string[]): Value {
  if (isTree(mine) && isTree(fallback)) return coalesce(mine, fallback, path, warnings)
  if (isTree(mine) && fallback !== null) warnings.push(`${path} is a map, its default is not`)
  else if (mine !== null && isTree(fallback)) warnings.push(`${path} is not a map, its default is one`)
  return mine
}
