/** How an object changes, field by field: what a person wants to know before agreeing to it. */
import {isDeepStrictEqual} from 'node:util'

export interface FieldChange {
  /** spec.template.spec.containers[cilium-agent].image */
  readonly path: string
  /** absent: it was not there */
  readonly before?: unknown
  /** absent: it will not be there */
  readonly after?: unknown
}

/** Fields of an object whose text nobody should read over a shoulder. */
const hidden = '(hidden)'

/**
 * The fields that differ, in the order of the fields before and then the new ones. Lists of things with names are
 * compared by name, so that one more container does not change all behind it.
 *
 * @param secret says what has changed, not to what
 */
export function fieldChanges(before: unknown, after: unknown, secret = false): FieldChange[] {
  const changes = [...compare('', before, after)]
  if (!secret) return changes
  return changes.map((change) => ({
    path: change.path,
    ...('before' in change ? {before: hidden} : {}),
    ...('after' in change ? {after: hidden} : {}),
  }))
}

function* compare(path: string, before: unknown, after: unknown): Generator<FieldChange> {
  if (isDeepStrictEqual(before, after)) return
  const [left, right] = [fieldsOf(before), fieldsOf(after)]
  if (left === undefined || right === undefined) {
    yield {path, ...(before === undefined ? {} : {before}), ...(after === undefined ? {} : {after})}
    return
  }
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    yield* compare(path + key, left.get(key), right.get(key))
  }
}

/** The parts of a value by the words that lead to them; undefined when it has none. */
function fieldsOf(value: unknown): Map<string, unknown> | undefined {
  if (Array.isArray(value)) {
    const names = value.map((item) => (isMap(item) ? (item['name'] ?? item['key'] ?? item['mountPath']) : undefined))
    // a list of plain values reads better whole
    if (names.some((name) => typeof name !== 'string') || new Set(names).size !== names.length) return undefined
    return new Map(value.map((item, index) => [`[${String(names[index])}]`, item]))
  }
  if (!isMap(value)) return undefined
  return new Map(Object.keys(value).map((key) => [word(key), value[key]]))
}

function word(key: string): string {
  return /^[\w-]+$/.test(key) ? `.${key}` : `["${key}"]`
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
