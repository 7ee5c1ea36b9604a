/** The four ways to patch an object, as far as tests need them. */

// biome-ignore lint/suspicious/noExplicitAny: objects of every shape
export type Json = any

export class PatchFailed extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** RFC 7386. */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result: Record<string, Json> = isObject(target) ? {...target} : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

/** RFC 6902. */
export function jsonPatch(target: Json, operations: Json): Json {
  let document = structuredClone(target)
  for (const {op, path, value, from} of operations as {op: string; path: string; value?: Json; from?: string}[]) {
    switch (op) {
      case 'add':
        document = setAt(document, path, value, true)
        break
      case 'replace':
        if (getAt(document, path) === undefined) throw new PatchFailed(422, `nothing to replace at ${path}`)
        document = setAt(document, path, value, false)
        break
      case 'remove':
        if (getAt(document, path) === undefined) throw new PatchFailed(422, `nothing to remove at ${path}`)
        removeAt(document, path)
        break
      case 'move':
      case 'copy': {
        const moved = structuredClone(getAt(document, from ?? ''))
        if (op === 'move') removeAt(document, from ?? '')
        document = setAt(document, path, moved, true)
        break
      }
      case 'test':
        if (JSON.stringify(getAt(document, path)) !== JSON.stringify(value)) {
          throw new PatchFailed(422, `the server rejected our request: testing path ${path} failed`)
        }
        break
      default:
        throw new PatchFailed(400, `unknown operation ${op}`)
    }
  }
  return document
}

/** Merge patch in which lists of objects that have a merge key are merged by it. */
export function strategicPatch(target: Json, patch: Json): Json {
  if (Array.isArray(patch) && Array.isArray(target)) {
    const key = mergeKey([...target, ...patch])
    if (key === undefined) return patch
    const result = [...target]
    for (const item of patch) {
      const index = result.findIndex((old) => old[key] === item[key])
      if (item.$patch === 'delete') {
        if (index >= 0) result.splice(index, 1)
      } else if (index < 0) result.push(item)
      else result[index] = strategicPatch(result[index], item)
    }
    return result
  }
  if (!isObject(patch)) return patch
  const result: Record<string, Json> = isObject(target) ? {...target} : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = strategicPatch(result[key], value)
  }
  return result
}

/** Which fields each manager owns: paths of leaves. */
export type FieldOwners = Map<string, Set<string>>

/**
 * Server-side apply. Lists of objects with a merge key are merged by it, other lists are one value.
 *
 * @throws PatchFailed 409 when another manager owns a field with another value
 */
export function applyPatch(target: Json, config: Json, manager: string, owners: FieldOwners, force: boolean): Json {
  const wanted = leaves(config)
  const present = leaves(target ?? {})
  const conflicts: string[] = []
  for (const [path, value] of wanted) {
    for (const [other, owned] of owners) {
      if (other === manager || !owned.has(path)) continue
      if (JSON.stringify(present.get(path)) === JSON.stringify(value)) continue
      if (force) owned.delete(path)
      else conflicts.push(`conflict with "${other}": ${path.replaceAll('\0', '.')}`)
    }
  }
  if (conflicts.length > 0)
    throw new PatchFailed(409, `Apply failed with ${conflicts.length} conflicts: ${conflicts.join('; ')}`)
  const result = structuredClone(target ?? {})
  for (const path of owners.get(manager) ?? []) {
    const shared = [...owners].some(([other, owned]) => other !== manager && owned.has(path))
    if (!wanted.has(path) && !shared) removeLeaf(result, path.split('\0'))
  }
  for (const [path, value] of wanted) setLeaf(result, path.split('\0'), value)
  owners.set(manager, new Set(wanted.keys()))
  return result
}

/** A plain write takes over the fields it changes. */
export function noteOwner(before: Json, after: Json, manager: string, owners: FieldOwners): void {
  const old = leaves(before ?? {})
  const own = owners.get(manager) ?? new Set<string>()
  for (const [path, value] of leaves(after)) {
    if (JSON.stringify(old.get(path)) === JSON.stringify(value)) continue
    own.add(path)
    for (const [other, owned] of owners) if (other !== manager) owned.delete(path)
  }
  owners.set(manager, own)
}

const identifying = new Set(['apiVersion', 'kind'])
const serverFields = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'generation',
  'managedFields',
])

function leaves(object: Json): Map<string, Json> {
  const found = new Map<string, Json>()
  const visit = (value: Json, path: string[]) => {
    if (path.length === 1 && identifying.has(path[0]!)) return
    if (path.length === 2 && path[0] === 'metadata' && serverFields.has(path[1]!)) return
    if (isObject(value) && Object.keys(value).length > 0) {
      for (const [key, part] of Object.entries(value)) visit(part, [...path, key])
    } else if (Array.isArray(value) && mergeKey(value) !== undefined) {
      const key = mergeKey(value)!
      for (const item of value) visit(item, [...path, `[${key}=${item[key]}]`])
    } else if (path.length > 0) found.set(path.join('\0'), value)
  }
  visit(object, [])
  return found
}

function setLeaf(target: Json, path: readonly string[], value: Json): void {
  let place = target
  for (const [index, step] of path.entries()) {
    const last = index === path.length - 1
    const item = /^\[(\w+)=(.*)\]$/.exec(step)
    if (item !== null) {
      const [, key = '', name] = item
      let found = (place as Json[]).find((one) => String(one[key]) === name)
      if (found === undefined) {
        found = {[key]: name}
        place.push(found)
      }
      place = found
    } else if (last) place[step] = value
    else {
      const list = path[index + 1]!.startsWith('[')
      if (typeof place[step] !== 'object' || place[step] === null) place[step] = list ? [] : {}
      place = place[step]
    }
  }
}

function removeLeaf(target: Json, path: readonly string[]): void {
  const [step, ...rest] = path
  if (step === undefined || typeof target !== 'object' || target === null) return
  const item = /^\[(\w+)=(.*)\]$/.exec(step)
  if (item !== null) {
    const index = (target as Json[]).findIndex((one) => String(one[item[1]!]) === item[2])
    if (index < 0) return
    if (rest.length === 1 && rest[0] === item[1]) target.splice(index, 1)
    else removeLeaf(target[index], rest)
    return
  }
  if (rest.length === 0) delete target[step]
  else removeLeaf(target[step], rest)
  const left = target[step]
  if (rest.length > 0 && left !== undefined && Object.keys(left).length === 0) delete target[step]
}

function mergeKey(list: readonly Json[]): string | undefined {
  if (list.length === 0 || !list.every(isObject)) return undefined
  return ['type', 'name', 'key', 'containerPort', 'ip'].find((key) => list.every((item) => item[key] !== undefined))
}

function getAt(document: Json, pointer: string): Json {
  return steps(pointer).reduce(
    (place, step) => (place === undefined || place === null ? undefined : place[step]),
    document,
  )
}

function setAt(document: Json, pointer: string, value: Json, insert: boolean): Json {
  const path = steps(pointer)
  const last = path.pop()
  if (last === undefined) return value
  const place = path.reduce((at, step) => at?.[step], document)
  if (typeof place !== 'object' || place === null) throw new PatchFailed(422, `there is no ${pointer}`)
  if (!Array.isArray(place)) place[last] = value
  else if (last === '-') place.push(value)
  else place.splice(Number(last), insert ? 0 : 1, value)
  return document
}

function removeAt(document: Json, pointer: string): void {
  const path = steps(pointer)
  const last = path.pop()!
  const place = path.reduce((at, step) => at?.[step], document)
  if (Array.isArray(place)) place.splice(Number(last), 1)
  else delete place[last]
}

function steps(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
