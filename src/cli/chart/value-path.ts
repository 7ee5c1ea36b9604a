/** Values by dotted path, as users write and read them. */
import {toJson} from './template/functions-text.ts'
import {isTree, type Tree, tree, type Value} from './template/value.ts'

/** The value at the path; undefined when nothing is there. */
export function getPath(values: Tree, path: string): Value | undefined {
  let at: Value | undefined = values
  for (const part of path.split('.')) at = isTree(at) ? at[part] : undefined
  return at
}

/** Sets the value at the path, making maps on the way. */
export function putPath(values: Tree, path: string, value: Value): void {
  const parts = path.split('.')
  let at = values
  for (const part of parts.slice(0, -1)) {
    const inner = at[part]
    at = isTree(inner) ? inner : (at[part] = tree())
  }
  at[parts.at(-1)!] = value
}

/** Takes the value at the path away, with maps that are empty then. */
export function removePath(values: Tree, path: string): void {
  const [first, ...rest] = path.split('.') as [string, ...string[]]
  const inner = values[first]
  if (rest.length === 0) {
    delete values[first]
  } else if (isTree(inner)) {
    removePath(inner, rest.join('.'))
    if (Object.keys(inner).length === 0) delete values[first]
  }
}

/** A value in one line: texts as they are, the rest as JSON. */
export function showValue(value: Value): string {
  return typeof value === 'string' ? value : toJson(value)
}

/** All leaves as path and value; lists and empty maps count as leaves. */
export function* leaves(values: Tree, prefix = ''): Generator<[path: string, value: Value]> {
  for (const key of Object.keys(values)) {
    const path = prefix === '' ? key : `${prefix}.${key}`
    const value = values[key]!
    if (isTree(value) && Object.keys(value).length > 0) yield* leaves(value, path)
    else yield [path, value]
  }
}
