/** Reading and writing objects. Every write that may be repeated is repeated when the server is busy. */

import {backoffMs} from '../runtime/backoff.ts'
import {sleep, systemClock} from '../runtime/clock.ts'
import {CiliumError, hasCode} from '../runtime/errors.ts'
import {ApiError} from './api-error.ts'
import type {KubeClient, KubeRequest} from './client.ts'
import {k8sErrors} from './errors.ts'
import {apiVersionOf, type KubeList, type KubeObject, type NewObject, pathOf, type Resource} from './resources.ts'

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** Which object. The namespace is left out in cluster scope. */
export interface ObjectRef {
  readonly namespace?: string | undefined
  readonly name: string
}

export interface ListOptions extends CallOptions {
  /** all namespaces when absent */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** objects per page, 500 unless given */
  readonly pageSize?: number
}

export interface WriteOptions extends CallOptions {
  /** checked by the server, not stored */
  readonly dryRun?: boolean
  readonly fieldManager?: string
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string
  /** takes fields over from other managers */
  readonly force?: boolean
  readonly subresource?: string
}

export interface DeleteOptions extends CallOptions {
  readonly uid?: string
  readonly resourceVersion?: string
  readonly gracePeriodSeconds?: number
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
  readonly dryRun?: boolean
}

/** How often a call is tried when the server is busy or out of reach for a moment. */
const attempts = 5

/** All operations on one kind, typed. Cheap to make; keep none of it for identity. */
export class Objects<T extends KubeObject> {
  readonly resource: Resource
  private readonly client: KubeClient

  constructor(client: KubeClient, resource: Resource) {
    this.client = client
    this.resource = resource
  }

  /** @throws K8S_NOT_FOUND */
  get(ref: ObjectRef, options: CallOptions = {}): Promise<T> {
    return this.call('get', ref, {path: this.path(ref), ...options})
  }

  /** Like `get`, undefined when there is none. */
  async find(ref: ObjectRef, options: CallOptions = {}): Promise<T | undefined> {
    try {
      return await this.get(ref, options)
    } catch (thrown) {
      if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return undefined
      throw thrown
    }
  }

  /** All objects, page by page. A list that expires while it is read is begun again (some objects then come twice). */
  async *list(options: ListOptions = {}): AsyncGenerator<T> {
    for await (const page of this.pages(options)) yield* page.items
  }

  /** All objects at once. Prefer `list` where there may be many. */
  async listAll(options: ListOptions = {}): Promise<T[]> {
    for (let attempt = 1; ; attempt++) {
      const all: T[] = []
      try {
        for await (const page of this.pages(options)) all.push(...page.items)
        return all
      } catch (thrown) {
        if (!hasCode(thrown, k8sErrors.K8S_EXPIRED) || attempt === 3) throw thrown
      }
    }
  }

  private async *pages(options: ListOptions): AsyncGenerator<KubeList<T>> {
    const {namespace, labelSelector, fieldSelector, pageSize = 500, ...rest} = options
    let token: string | undefined
    do {
      const query = {labelSelector, fieldSelector, limit: pageSize, continue: token}
      const path = pathOf(this.resource, {namespace})
      const page: KubeList<T> = await this.call('list', {namespace, name: ''}, {path, query, ...rest})
      yield page
      token = page.metadata.continue || undefined
    } while (token !== undefined)
  }

  /** @throws K8S_ALREADY_EXISTS, K8S_INVALID */
  create(object: NewObject<T>, options: WriteOptions = {}): Promise<T> {
    const {namespace, name} = object.metadata
    const {dryRun, fieldManager, ...rest} = options
    return this.call(
      'create',
      {namespace, name: name ?? ''},
      {
        method: 'POST',
        path: pathOf(this.resource, {namespace}),
        query: writeQuery({dryRun, fieldManager}),
        body: this.typed(object),
        ...rest,
      },
    )
  }

  /** Replaces an object; its resourceVersion makes sure that nobody changed it meanwhile. @throws K8S_CONFLICT */
  replace(object: T, options: WriteOptions & {readonly subresource?: string} = {}): Promise<T> {
    const {dryRun, fieldManager, subresource, ...rest} = options
    return this.call('update', object.metadata, {
      method: 'PUT',
      path: this.path(object.metadata, subresource),
      query: writeQuery({dryRun, fieldManager}),
      body: this.typed(object),
      ...rest,
    })
  }

  /**
   * Reads, changes and writes back until nobody else wrote in between.
   *
   * @param change gives the new object, or undefined when nothing is to be changed
   */
  async modify(
    ref: ObjectRef,
    change: (object: T) => T | undefined,
    options: WriteOptions & {readonly subresource?: string} = {},
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const before = await this.get(ref, options)
      const after = change(before)
      if (after === undefined) return before
      try {
        return await this.replace(after, options)
      } catch (thrown) {
        if (!hasCode(thrown, k8sErrors.K8S_CONFLICT) || attempt === attempts) throw thrown
      }
    }
  }

  /** JSON merge patch (RFC 7386): null removes a field, lists are replaced as a whole. */
  mergePatch(ref: ObjectRef, patch: object, options: WriteOptions & {readonly subresource?: string} = {}): Promise<T> {
    return this.patch(ref, 'application/merge-patch+json', patch, options)
  }

  /** JSON patch (RFC 6902). A failing `test` is K8S_INVALID. */
  jsonPatch(
    ref: ObjectRef,
    operations: readonly {op: string; path: string; value?: unknown; from?: string}[],
    options: WriteOptions & {readonly subresource?: string} = {},
  ): Promise<T> {
    return this.patch(ref, 'application/json-patch+json', operations, options)
  }

  /** Merges lists of built-in kinds by their keys (conditions by type); custom resources do not have it. */
  strategicPatch(
    ref: ObjectRef,
    patch: object,
    options: WriteOptions & {readonly subresource?: string} = {},
  ): Promise<T> {
    return this.patch(ref, 'application/strategic-merge-patch+json', patch, options)
  }

  /** Server-side apply: creates or changes exactly the fields given. @throws K8S_CONFLICT naming the other manager */
  apply(object: NewObject<T>, options: ApplyOptions): Promise<T> {
    const {dryRun, fieldManager, force, subresource, ...rest} = options
    const {namespace, name = ''} = object.metadata
    return this.call(
      'apply',
      {namespace, name},
      {
        method: 'PATCH',
        path: this.path({namespace, name}, subresource),
        query: writeQuery({dryRun, fieldManager, force}),
        contentType: 'application/apply-patch+yaml', // JSON is YAML
        body: this.typed(object),
        ...rest,
      },
    )
  }

  /** @returns whether it was there */
  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const {uid, resourceVersion, gracePeriodSeconds, propagation, dryRun, ...rest} = options
    const preconditions = {
      ...(uid === undefined ? {} : {uid}),
      ...(resourceVersion === undefined ? {} : {resourceVersion}),
    }
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...(gracePeriodSeconds === undefined ? {} : {gracePeriodSeconds}),
      ...(propagation === undefined ? {} : {propagationPolicy: propagation}),
      ...(Object.keys(preconditions).length === 0 ? {} : {preconditions}),
      ...(dryRun ? {dryRun: ['All']} : {}),
    }
    try {
      await this.call('delete', ref, {method: 'DELETE', path: this.path(ref), body, ...rest})
      return true
    } catch (thrown) {
      if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return false
      throw thrown
    }
  }

  private patch(
    ref: ObjectRef,
    contentType: string,
    body: unknown,
    options: WriteOptions & {readonly subresource?: string},
  ): Promise<T> {
    const {dryRun, fieldManager, subresource, ...rest} = options
    return this.call('patch', ref, {
      method: 'PATCH',
      path: this.path(ref, subresource),
      query: writeQuery({dryRun, fieldManager}),
      contentType,
      body,
      ...rest,
    })
  }

  private path(ref: ObjectRef, subresource?: string): string {
    return pathOf(this.resource, {namespace: ref.namespace, name: ref.name, subresource})
  }

  private typed(object: object): object {
    return {apiVersion: apiVersionOf(this.resource), kind: this.resource.kind, ...object}
  }

  private call<R>(verb: string, {namespace, name}: ObjectRef, request: KubeRequest): Promise<R> {
    const {plural, group} = this.resource
    const kind = group === '' ? plural : `${plural}.${group}`
    const where = [namespace, name].filter((part) => part !== undefined && part !== '').join('/')
    const what = where === '' ? `${verb} ${kind}` : `${verb} ${kind} ${where}`
    return retrying(() => this.client.json<R>({...request, what}), request)
  }
}

/** All operations on one kind. */
export function objects<T extends KubeObject>(client: KubeClient, resource: Resource): Objects<T> {
  return new Objects<T>(client, resource)
}

/**
 * Repeats a call that the server refused because it is busy, and one that got no answer if doing it twice does no
 * harm. A `create` without an answer may have been done: it is not repeated.
 */
async function retrying<R>(call: () => Promise<R>, request: KubeRequest): Promise<R> {
  const repeatable = request.method !== 'POST'
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (thrown) {
      if (attempt === attempts || !mayRepeat(thrown, repeatable)) throw thrown
      const asked = thrown instanceof ApiError ? thrown.retryAfterMs : undefined
      const waitMs = asked ?? backoffMs({minMs: 100, maxMs: 5000}, attempt)
      await sleep(systemClock, Math.min(waitMs, 30_000), request.signal)
    }
  }
}

function mayRepeat(thrown: unknown, repeatable: boolean): boolean {
  if (thrown instanceof ApiError) {
    if (thrown.httpStatus === 429) return true
    return thrown.httpStatus >= 500 && (repeatable || thrown.retryAfterMs !== undefined)
  }
  if (!(thrown instanceof CiliumError) || thrown.code !== k8sErrors.K8S_UNREACHABLE) return false
  // never sent at all, or harmless to send twice
  return repeatable || (thrown.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED'
}

function writeQuery(options: {
  dryRun?: boolean | undefined
  fieldManager?: string | undefined
  force?: boolean | undefined
}): Record<string, string | boolean | undefined> {
  return {
    dryRun: options.dryRun ? 'All' : undefined,
    fieldManager: options.fieldManager,
    force: options.force,
    fieldValidation: options.dryRun ? 'Strict' : undefined,
  }
}
