/** Objects with versions, a history to watch from, finalizers and owners: what an API server keeps in etcd. */
import {randomUUID} from 'node:crypto'
import type {Resource} from '../../../src/k8s/resources.ts'
import type {FieldOwners, Json} from './patches.ts'

export interface ServedResource extends Resource {
  /** status is written through its own subresource alone */
  readonly hasStatus: boolean
}

export interface StoredEvent {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: Json
  /** the object before, for selectors that it may have left */
  readonly previous: Json | undefined
}

interface Kind {
  readonly resource: ServedResource
  readonly objects: Map<string, Json>
  readonly owners: Map<string, FieldOwners>
  history: StoredEvent[]
  /** events up to this version are forgotten */
  compacted: number
  readonly watchers: Set<(event: StoredEvent) => void>
}

export class ObjectStore {
  private readonly kinds = new Map<string, Kind>()
  private readonly owned = new Map<string, Set<string>>()
  private readonly historyLimit: number
  private counter: number
  private serial = 0

  constructor(options: {historyLimit?: number; firstVersion?: number} = {}) {
    this.historyLimit = options.historyLimit ?? 100_000
    this.counter = options.firstVersion ?? 100
  }

  get version(): number {
    return this.counter
  }

  get resources(): ServedResource[] {
    return [...this.kinds.values()].map((kind) => kind.resource)
  }

  serve(resource: ServedResource): void {
    const id = kindId(resource)
    if (this.kinds.has(id)) return
    this.kinds.set(id, {
      resource,
      objects: new Map(),
      owners: new Map(),
      history: [],
      compacted: this.counter,
      watchers: new Set(),
    })
  }

  unserve(resource: Resource): void {
    this.kinds.delete(kindId(resource))
  }

  serves(resource: Resource): boolean {
    return this.kinds.has(kindId(resource))
  }

  get(resource: Resource, key: string): Json | undefined {
    return this.kind(resource).objects.get(key)
  }

  /** All objects of a namespace (or all), sorted by key. */
  all(resource: Resource, namespace?: string): Json[] {
    const {objects} = this.kind(resource)
    const keys = [...objects.keys()].sort()
    const prefix = namespace === undefined ? '' : `${namespace}/`
    return keys.filter((key) => key.startsWith(prefix)).map((key) => objects.get(key))
  }

  fieldOwners(resource: Resource, key: string): FieldOwners {
    const {owners} = this.kind(resource)
    let found = owners.get(key)
    if (found === undefined) {
      found = new Map()
      owners.set(key, found)
    }
    return found
  }

  /** Puts a new object in and gives it what the server gives. The object must not exist. */
  create(resource: Resource, object: Json): Json {
    const {generateName, ...metadata} = object.metadata
    const stored = {
      ...object,
      metadata: {
        ...metadata,
        name: metadata.name ?? `${generateName}${(++this.serial).toString(36).padStart(5, 'x')}`,
        uid: randomUUID(),
        resourceVersion: this.nextVersion(),
        generation: 1,
        creationTimestamp: new Date().toISOString().replace(/\.\d+Z/, 'Z'),
      },
    }
    this.put(resource, stored, 'ADDED', undefined)
    return stored
  }

  /** Writes a changed object. One that is being deleted and has no finalizer left goes away. */
  update(resource: Resource, object: Json, before: Json): Json {
    const comparable = (value: Json) => JSON.stringify({...value, metadata: {...value.metadata, resourceVersion: ''}})
    if (comparable(object) === comparable(before)) return before // a write that changes nothing makes no version
    const specChanged = JSON.stringify(withoutStatus(object)) !== JSON.stringify(withoutStatus(before))
    const metadata = {
      ...object.metadata,
      uid: before.metadata.uid,
      creationTimestamp: before.metadata.creationTimestamp,
      generation: (before.metadata.generation ?? 1) + (specChanged ? 1 : 0),
      resourceVersion: this.nextVersion(),
    }
    if (metadata.finalizers?.length === 0) delete metadata.finalizers
    const stored = {...object, metadata}
    if (metadata.deletionTimestamp !== undefined && metadata.finalizers === undefined) {
      this.put(resource, stored, 'DELETED', before)
    } else this.put(resource, stored, 'MODIFIED', before)
    return stored
  }

  /** Deletes, or marks as being deleted when finalizers are left. Owned objects follow. */
  delete(resource: Resource, key: string): Json {
    const before = this.get(resource, key)
    if (before.metadata.finalizers?.length > 0) {
      if (before.metadata.deletionTimestamp !== undefined) return before
      const deletionTimestamp = new Date().toISOString().replace(/\.\d+Z/, 'Z')
      return this.update(resource, {...before, metadata: {...before.metadata, deletionTimestamp}}, before)
    }
    const last = {...before, metadata: {...before.metadata, resourceVersion: this.nextVersion()}}
    this.put(resource, last, 'DELETED', before)
    return last
  }

  /**
   * Follows changes after `version`.
   *
   * @returns undefined when events since then are forgotten
   */
  watch(resource: Resource, version: number, listener: (event: StoredEvent) => void): (() => void) | undefined {
    const kind = this.kind(resource)
    if (version < kind.compacted) return undefined
    for (const event of kind.history) if (event.version > version) listener(event)
    kind.watchers.add(listener)
    return () => kind.watchers.delete(listener)
  }

  /** Forgets the history: watches that begin before now are too old. */
  compact(): void {
    this.counter++
    for (const kind of this.kinds.values()) {
      kind.history = []
      kind.compacted = this.counter
    }
  }

  private kind(resource: Resource): Kind {
    const kind = this.kinds.get(kindId(resource))
    if (kind === undefined) throw new Error(`${kindId(resource)} is not served`)
    return kind
  }

  private nextVersion(): string {
    return String(++this.counter)
  }

  private put(resource: Resource, object: Json, type: StoredEvent['type'], previous: Json | undefined): void {
    const kind = this.kind(resource)
    const key = keyOf(object)
    if (type === 'DELETED') {
      kind.objects.delete(key)
      kind.owners.delete(key)
    } else kind.objects.set(key, object)
    const event = {version: Number(object.metadata.resourceVersion), type, object, previous}
    kind.history.push(event)
    if (kind.history.length > this.historyLimit) {
      kind.compacted = kind.history[kind.history.length >> 1]!.version
      kind.history = kind.history.slice((kind.history.length >> 1) + 1)
    }
    for (const watcher of [...kind.watchers]) watcher(event)
    this.followOwners(kind, object, type, previous)
  }

  private followOwners(kind: Kind, object: Json, type: StoredEvent['type'], previous: Json | undefined): void {
    const place = `${kindId(kind.resource)} ${keyOf(object)}`
    for (const {uid} of previous?.metadata.ownerReferences ?? []) this.owned.get(uid)?.delete(place)
    if (type !== 'DELETED') {
      for (const {uid} of object.metadata.ownerReferences ?? []) {
        this.owned.set(uid, (this.owned.get(uid) ?? new Set()).add(place))
      }
      return
    }
    const dependents = this.owned.get(object.metadata.uid)
    this.owned.delete(object.metadata.uid)
    for (const dependent of dependents ?? []) {
      const [id = '', key = ''] = dependent.split(' ')
      const found = this.kinds.get(id)
      if (found?.objects.has(key)) this.delete(found.resource, key)
    }
  }
}

/** `namespace/name`, or `name`. */
export function keyOf(object: Json): string {
  const {namespace, name} = object.metadata
  return namespace === undefined ? name : `${namespace}/${name}`
}

function kindId({group, plural}: Resource): string {
  return `${group}/${plural}`
}

function withoutStatus(object: Json): Json {
  const {status: _status, metadata: _metadata, ...rest} = object
  return rest
}
