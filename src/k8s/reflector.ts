/**
 * Keeps a reader up to date with all objects of a kind: lists them page by page, then watches from there.
 *
 *     list ──► synced ──► watch ──(server ends it, connection lost)──► watch from the last version seen
 *       ▲                   └──(version too old, garbage)──► list again, and tell only what differs
 *       └── backoff ◄── any failure: the reader keeps what it has, `health` says since when it may be stale
 *
 * Ours, because the stock informer keeps whole objects and stops for good on some errors.
 */
import {Backoff} from '../runtime/backoff.ts'
import type {Clock} from '../runtime/clock.ts'
import {sleep, systemClock} from '../runtime/clock.ts'
import {CiliumError, hasCode} from '../runtime/errors.ts'
import {type Log, silentLog} from '../runtime/log.ts'
import {type StatusObject, statusError} from './api-error.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import {type KubeList, type KubeObject, objectKey, pathOf, type Resource} from './resources.ts'
import {connectionError} from './transport.ts'
import {type WatchEvent, watchEvents} from './watch-stream.ts'

/** What a reader is told. `key` is `namespace/name`, or the name in cluster scope. */
export type ReflectorEvent<T> =
  | {readonly type: 'upsert'; readonly key: string; readonly object: T}
  | {readonly type: 'delete'; readonly key: string}

export interface ReflectorOptions<In extends KubeObject, Out> {
  readonly client: KubeClient
  readonly resource: Resource
  /** Takes what is needed out of an object; undefined: as if the object did not exist. Must not throw. */
  readonly trim: (object: In) => Out | undefined
  /** Told in groups; must not throw. */
  readonly onEvents: (events: readonly ReflectorEvent<Out>[]) => void
  /** Called once: everything that existed at some moment after the start has been told. */
  readonly onSynced?: () => void
  /** one namespace alone */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** only metadata is sent by the server */
  readonly metadataOnly?: boolean
  /** the kind may not be served (an API or CRD that is not installed): that counts as no objects, asked again slowly */
  readonly optional?: boolean
  /** objects per page, 500 unless given */
  readonly pageSize?: number
  /** how long the server keeps one watch open, 5-10 minutes at random unless given */
  readonly watchSeconds?: () => number
  readonly clock?: Clock
  readonly log?: Log
  readonly random?: () => number
}

export interface ReflectorHealth {
  readonly state: 'starting' | 'listing' | 'watching' | 'failing' | 'stopped'
  /** everything has been told once */
  readonly synced: boolean
  /** wall clock, ms: until when what was told is known to be complete; undefined before the first list is done */
  readonly freshUntil: number | undefined
  readonly resourceVersion: string | undefined
  readonly objects: number
  readonly lists: number
  readonly watches: number
  /** failures in a row */
  readonly failures: number
  readonly error: CiliumError | undefined
}

/** A watch from which nothing comes for this much longer than the server keeps it open is dead. */
const graceMs = 30_000
/** Pause before a kind that is not served is asked for again. */
const absentMs = 30_000

export class Reflector<In extends KubeObject, Out> {
  private readonly options: ReflectorOptions<In, Out>
  private readonly clock: Clock
  private readonly log: Log
  private readonly backoff: Backoff
  /** version last told, per key: all that is kept of an object */
  private readonly known = new Map<string, string>()
  private readonly stopping = new AbortController()
  private running: Promise<void> | undefined
  private state: ReflectorHealth['state'] = 'starting'
  private synced = false
  /** a watch is open */
  private open = false
  private version: string | undefined
  private freshUntil: number | undefined
  private error: CiliumError | undefined
  private lists = 0
  private watches = 0

  constructor(options: ReflectorOptions<In, Out>) {
    this.options = options
    this.clock = options.clock ?? systemClock
    this.log = (options.log ?? silentLog).for('k8s-reflector', {resource: options.resource.plural})
    this.backoff = new Backoff({
      minMs: 800,
      maxMs: 30_000,
      ...(options.random === undefined ? {} : {random: options.random}),
    })
  }

  /** Begins. Returns at once. */
  start(): void {
    this.running ??= this.run()
  }

  /** Ends; nothing is told any more once it resolves. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('the reflector was stopped'))
    await this.running
    this.state = 'stopped'
  }

  get health(): ReflectorHealth {
    return {
      state: this.state,
      synced: this.synced,
      freshUntil: this.open ? this.clock.now() : this.freshUntil,
      resourceVersion: this.version,
      objects: this.known.size,
      lists: this.lists,
      watches: this.watches,
      failures: this.backoff.failures,
      error: this.error,
    }
  }

  private async run(): Promise<void> {
    const {signal} = this.stopping
    while (!signal.aborted) {
      try {
        if (this.version === undefined) await this.list()
        await this.watch()
      } catch (thrown) {
        if (signal.aborted) return
        await this.afterFailure(CiliumError.from(thrown)).catch(() => {}) // stopped while waiting
      }
    }
  }

  private async afterFailure(error: CiliumError): Promise<void> {
    if (hasCode(error, k8sErrors.K8S_EXPIRED)) {
      // normal after a long silence; the first time at once, afterwards no faster than other failures
      this.version = undefined
      this.log.debug('the watched version is too old, listing again')
      if (this.backoff.failures === 0) {
        this.backoff.next()
        return
      }
    }
    // neither the stream nor the version can be trusted after an answer that makes no sense
    if (hasCode(error, k8sErrors.K8S_BAD_ANSWER)) this.version = undefined
    this.state = 'failing'
    this.error = error
    if (this.options.optional && hasCode(error, k8sErrors.K8S_NOT_FOUND)) {
      this.tellGone(new Set())
      this.version = undefined
      this.tellSynced()
      return sleep(this.clock, absentMs, this.stopping.signal)
    }
    const waitMs = Math.round(this.backoff.next())
    this.log.warn('cannot follow the objects, will try again', {error, waitMs, failures: this.backoff.failures})
    await sleep(this.clock, waitMs, this.stopping.signal)
  }

  /** Tells what differs from what was told before. */
  private async list(): Promise<void> {
    const {client, resource, namespace, labelSelector, fieldSelector, pageSize = 500, metadataOnly} = this.options
    if (this.state !== 'failing') this.state = 'listing'
    this.lists++
    const seen = new Set<string>()
    let token: string | undefined
    let limit: number | undefined = pageSize
    const began = this.clock.now()
    for (;;) {
      let page: KubeList<In>
      try {
        page = await client.json<KubeList<In>>({
          path: pathOf(resource, {namespace}),
          query: {limit, continue: token, labelSelector, fieldSelector},
          ...(metadataOnly ? {accept: metadataAccept('PartialObjectMetadataList')} : {}),
          timeoutMs: 60_000,
          signal: this.stopping.signal,
          what: `list ${resource.plural}`,
        })
      } catch (thrown) {
        if (!hasCode(thrown, k8sErrors.K8S_EXPIRED) || token === undefined) throw thrown
        // the list grew old between two pages: once more, in one piece
        token = undefined
        limit = undefined
        seen.clear()
        continue
      }
      this.tell((page.items ?? []).map((object) => this.upsert(object, seen)))
      token = page.metadata.continue || undefined
      if (token !== undefined) continue
      this.tellGone(seen)
      this.version = page.metadata.resourceVersion
      this.freshUntil = began
      this.tellSynced()
      return
    }
  }

  private async watch(): Promise<void> {
    const {client, resource, namespace, labelSelector, fieldSelector, metadataOnly, random = Math.random} = this.options
    const seconds = this.options.watchSeconds?.() ?? 300 + Math.floor(300 * random())
    const abort = new AbortController()
    const end = () => abort.abort(this.stopping.signal.reason)
    this.stopping.signal.addEventListener('abort', end, {once: true})
    let dead = false
    const deadline = this.clock.after(seconds * 1000 + graceMs, () => {
      dead = true
      abort.abort()
    })
    const began = this.clock.monotonic()
    let events = 0
    try {
      const {body} = await client.stream({
        path: pathOf(resource, {namespace}),
        query: {
          watch: true,
          resourceVersion: this.version,
          allowWatchBookmarks: true,
          timeoutSeconds: seconds,
          labelSelector,
          fieldSelector,
        },
        ...(metadataOnly ? {accept: metadataAccept('PartialObjectMetadata')} : {}),
        signal: abort.signal,
        what: `watch ${resource.plural}`,
      })
      this.watches++
      this.open = true
      this.state = 'watching'
      this.error = undefined
      for await (const group of watchEvents(body)) {
        if (this.stopping.signal.aborted) return
        events += group.length
        this.handle(group)
        this.backoff.reset()
      }
    } catch (thrown) {
      const request = `watch ${resource.plural}`
      const server = client.server.origin
      if (dead) throw new CiliumError(k8sErrors.K8S_TIMEOUT, {server, request, timeoutMs: seconds * 1000 + graceMs})
      throw connectionError(server, thrown)
    } finally {
      deadline.cancel()
      this.stopping.signal.removeEventListener('abort', end)
      abort.abort()
      if (this.open) this.freshUntil = this.clock.now()
      this.open = false
    }
    // ended by the server in good order: at once from where we are, unless it does nothing else
    if (events === 0 && this.clock.monotonic() - began < 1000) {
      await sleep(this.clock, this.backoff.next(), this.stopping.signal)
    } else this.backoff.reset()
  }

  private handle(group: readonly WatchEvent[]): void {
    const told: (ReflectorEvent<Out> | undefined)[] = []
    let failure: CiliumError | undefined
    let lost = false
    for (const {type, object} of group) {
      if (type === 'ERROR') {
        failure = statusError(`watch ${this.options.resource.plural}`, object as StatusObject)
        // what the server cannot go on from, we cannot either; a busy server can be asked again
        if (!hasCode(failure, k8sErrors.K8S_THROTTLED)) lost = true
        break
      }
      const typed = object as In
      const version = typed.metadata?.resourceVersion
      if (version === undefined) continue
      if (type === 'DELETED') told.push(this.forget(objectKey(typed)))
      else if (type !== 'BOOKMARK') told.push(this.upsert(typed))
      this.version = version
    }
    this.tell(told)
    if (lost) this.version = undefined
    if (failure !== undefined) throw failure
  }

  private upsert(object: In, seen?: Set<string>): ReflectorEvent<Out> | undefined {
    const key = objectKey(object)
    const version = object.metadata.resourceVersion ?? ''
    const trimmed = this.options.trim(object)
    if (trimmed === undefined) return this.forget(key)
    seen?.add(key)
    if (this.known.get(key) === version && version !== '') return undefined
    this.known.set(key, version)
    return {type: 'upsert', key, object: trimmed}
  }

  private forget(key: string): ReflectorEvent<Out> | undefined {
    return this.known.delete(key) ? {type: 'delete', key} : undefined
  }

  /** Tells that whatever a complete list did not name is gone. */
  private tellGone(seen: ReadonlySet<string>): void {
    const gone = [...this.known.keys()].filter((key) => !seen.has(key))
    this.tell(gone.map((key) => this.forget(key)))
  }

  private tell(events: readonly (ReflectorEvent<Out> | undefined)[]): void {
    const news = events.filter((event) => event !== undefined)
    if (news.length > 0) this.options.onEvents(news)
  }

  private tellSynced(): void {
    if (this.synced) return
    this.synced = true
    this.options.onSynced?.()
  }
}

function metadataAccept(kind: string): string {
  return `application/json;as=${kind};g=meta.k8s.io;v=v1`
}
