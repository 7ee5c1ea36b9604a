/**
 * Gives every endpoint the identity of its pod's labels, and keeps it so: when labels of the pod or its namespace
 * change, when somebody deletes the identity, after a restart. Level-triggered: each look at an endpoint starts from
 * the tables as they are.
 *
 * Why the order is safe: a new identity exists in the cluster before the endpoint takes it, and a running endpoint
 * waits a grace period in between, so that other nodes know the number before they meet it.
 */
import type {Identity, IdentityRange} from '../../model/identity.ts'
import type {LabelFilter} from '../../model/label-filter.ts'
import type {LabelSet} from '../../model/labels.ts'
import {backoffMs} from '../../runtime/backoff.ts'
import {type Clock, sleep, type Timer} from '../../runtime/clock.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {inState, withIdentity} from '../endpoint/endpoint-row.ts'
import type {EndpointRecords} from '../endpoint/record.ts'
import {codes} from '../errors.ts'
import {busiestLabel, candidateNumbers} from '../identity/identity-number.ts'
import {labelsOf, type PodLabels} from '../identity/pod-identity.ts'
import type {EndpointRow, IdentityRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

/** Identities as objects that nodes share. */
export interface SharedIdentities {
  /** @returns false when the number is taken */
  create(row: IdentityRow): Promise<boolean>
  /** undefined when there is none of this number */
  find(id: Identity): Promise<IdentityRow | undefined>
  /** takes the operator's mark away, which it puts on identities that nobody uses before it removes them */
  unmark(id: Identity): Promise<void>
}

export interface EndpointIdentityOptions {
  readonly tables: Tables
  readonly shared: SharedIdentities
  readonly records: Pick<EndpointRecords, 'write'>
  readonly cluster: string
  readonly filter: LabelFilter
  readonly range: IdentityRange
  readonly graceMs: number
  readonly clock: Clock
  readonly log: Log
}

const retry = {minMs: 200, maxMs: 30_000}

export class EndpointIdentity {
  private readonly options: EndpointIdentityOptions
  private readonly log: Log
  private readonly stopping = new AbortController()
  private readonly ends: (() => void)[] = []
  /** endpoints that are being looked at, and whether to look again afterwards */
  private readonly running = new Map<string, {again: boolean}>()
  private readonly retries = new Map<string, {count: number; timer: Timer}>()
  private readonly allocating = new Map<string, Promise<Identity>>()
  /** marked identities in use here, until their mark is gone */
  private readonly unmarking = new Map<Identity, {count: number; timer?: Timer}>()

  constructor(options: EndpointIdentityOptions) {
    this.options = options
    this.log = options.log.for('identity')
  }

  start(): void {
    const {endpoints, pods, namespaces, identities} = this.options.tables
    this.ends.push(
      endpoints.subscribe(
        (changes) => {
          // what this class itself notes on a row is no reason to look again
          for (const {key, row, old} of changes) {
            if (row?.generation !== old?.generation || row?.identity !== old?.identity) this.look(key)
            if (row?.identity !== undefined && row.identity !== old?.identity) this.keep(row.identity)
          }
        },
        {initial: true},
      ),
      pods.subscribe((changes) => {
        for (const {key} of changes) for (const row of endpoints.by('pod', key)) this.look(String(row.id))
      }),
      namespaces.subscribe((changes) => {
        const names = new Set(changes.map(({key}) => key))
        for (const row of endpoints.values()) if (names.has(row.namespace)) this.look(String(row.id))
      }),
      identities.subscribe((changes) => {
        for (const {row} of changes) if (row?.marked) this.keep(row.id)
        const gone = new Set(changes.filter(({row}) => row === undefined).map(({key}) => Number(key)))
        if (gone.size === 0) return
        for (const row of endpoints.values()) {
          if (row.identity !== undefined && gone.has(row.identity)) this.look(String(row.id))
        }
      }),
    )
    void identities.whenSynced({signal: this.stopping.signal}).then(
      () => {
        for (const row of endpoints.values()) this.look(String(row.id))
      },
      () => {}, // stopped before
    )
  }

  stop(): void {
    this.stopping.abort()
    for (const end of this.ends) end()
    for (const {timer} of this.retries.values()) timer.cancel()
    for (const {timer} of this.unmarking.values()) timer?.cancel()
  }

  private look(key: string): void {
    const running = this.running.get(key)
    if (running !== undefined) {
      running.again = true
      return
    }
    const state = {again: false}
    this.running.set(key, state)
    this.retries.get(key)?.timer.cancel()
    const work = this.decide(key)
    if (work === undefined) this.ended(key, state)
    else {
      work.then(
        () => {
          this.retries.delete(key)
          this.ended(key, state)
        },
        (thrown: unknown) => {
          this.failed(key, CiliumError.from(thrown))
          this.ended(key, state)
        },
      )
    }
  }

  private ended(key: string, state: {again: boolean}): void {
    this.running.delete(key)
    if (state.again && !this.stopping.signal.aborted) this.look(key)
  }

  private failed(key: string, error: CiliumError): void {
    if (this.stopping.signal.aborted) return
    const {endpoints} = this.options.tables
    const count = (this.retries.get(key)?.count ?? 0) + 1
    const row = endpoints.get(key)
    if (row === undefined) return
    this.log.warn('no identity yet, will try again', {endpoint: row.id, pod: nameOf(row), error}, {per: key})
    const text = `${error.code} ${error.message}`
    endpoints.upsert(inState(row, row.state, this.options.clock.now(), text, {ok: false}))
    const timer = this.options.clock.after(backoffMs(retry, count), () => this.look(key))
    this.retries.set(key, {count, timer})
  }

  /** An identity that an endpoint has loses its mark, so that it is not removed under it; until that has worked. */
  private keep(id: Identity): void {
    const {tables, shared, clock} = this.options
    const isInUse = () => [...tables.endpoints.values()].some(({identity}) => identity === id)
    if (this.unmarking.has(id) || tables.identities.get(String(id))?.marked !== true || !isInUse()) return
    const state: {count: number; timer?: Timer} = {count: 0}
    this.unmarking.set(id, state)
    const attempt = (): void => {
      shared.unmark(id).then(
        () => this.unmarking.delete(id),
        (thrown: unknown) => {
          if (this.stopping.signal.aborted) return
          this.log.warn(
            'an identity in use is still marked',
            {identity: id, error: CiliumError.from(thrown)},
            {per: id},
          )
          state.timer = clock.after(backoffMs(retry, ++state.count), attempt)
        },
      )
    }
    attempt()
  }

  /**
   * What an endpoint needs.
   * 1 Labels are those of its pod now; while pod or namespace are not known, those it had.
   * 2 It has them already, and their identity still exists (or nobody can say yet): nothing.
   * 3 Otherwise the identity of the labels, found or made.
   *
   * @returns undefined when nothing has to be waited for
   */
  private decide(key: string): Promise<void> | undefined {
    const {identities, endpoints} = this.options.tables
    const row = endpoints.get(key)
    if (row === undefined || row.kind === 'health') return undefined
    const labels = this.labelsOf(row)
    if (labels === undefined) return undefined
    const same = row.labels?.equals(labels.relevant) === true
    const lost = identities.synced && row.identity !== undefined && !identities.has(String(row.identity))
    if (same && row.identity !== undefined && !lost) {
      if (row.state === 'ready' && row.allLabels?.equals(labels.all) === true) return undefined
      endpoints.upsert(withIdentity(row, labels, row.identity, this.options.clock.now()))
      return undefined
    }
    const known = lowest(identities.by('labels', labels.relevant.canonical))
    if (known !== undefined && row.identity === undefined) {
      endpoints.upsert(withIdentity(row, labels, known, this.options.clock.now()))
      return undefined
    }
    return this.change(row, labels, known)
  }

  private async change(row: EndpointRow, labels: PodLabels, known: Identity | undefined): Promise<void> {
    const {endpoints} = this.options.tables
    const identity = known ?? (await this.allocate(labels.relevant, row.identity))
    if (row.identity !== undefined && identity !== row.identity && this.options.graceMs > 0) {
      await sleep(this.options.clock, this.options.graceMs, this.stopping.signal)
    }
    const now = endpoints.get(String(row.id))
    if (now?.generation !== row.generation) return
    if (this.labelsOf(now)?.relevant.equals(labels.relevant) !== true) return // changed again: the next look
    const changed = withIdentity(now, labels, identity, this.options.clock.now())
    endpoints.upsert(changed)
    // a new endpoint's first record is written by the call that made it
    if (row.identity !== undefined) {
      await this.options.records.write(changed)
      this.log.info('identity changed', {endpoint: row.id, pod: nameOf(row), from: row.identity, to: identity})
    }
  }

  private labelsOf(row: EndpointRow): PodLabels | undefined {
    const {pods, namespaces} = this.options.tables
    const pod = pods.get(nameOf(row))
    const namespace = namespaces.get(row.namespace)
    const sameUid = pod?.uid === row.podUid || row.podUid === ''
    if (pod !== undefined && namespace !== undefined && sameUid) {
      return labelsOf(pod, namespace, this.options.cluster, this.options.filter)
    }
    if (row.labels === undefined || row.allLabels === undefined) return undefined
    return {relevant: row.labels, all: row.allLabels}
  }

  /** One at a time for the same labels, however many pods ask. */
  private allocate(labels: LabelSet, preferred: Identity | undefined): Promise<Identity> {
    const running = this.allocating.get(labels.canonical)
    if (running !== undefined) return running
    const work = this.tryNumbers(labels, preferred).finally(() => this.allocating.delete(labels.canonical))
    this.allocating.set(labels.canonical, work)
    return work
  }

  /** Walks the numbers of these labels until one is theirs: found, made, or made by somebody else at the same time. */
  private async tryNumbers(labels: LabelSet, preferred: Identity | undefined): Promise<Identity> {
    const {tables, shared, range} = this.options
    const {identities} = tables
    await identities.whenSynced({
      signal: this.stopping.signal,
      timeoutMs: 30_000,
      what: 'the identities of the cluster',
    })
    for (const id of numbers(labels, range, preferred)) {
      const known = identities.get(String(id))
      if (known !== undefined) {
        if (known.labels.equals(labels)) return id
        continue
      }
      const row: IdentityRow = {id, labels}
      if (await shared.create(row)) {
        identities.upsert(row) // the watch will say the same
        return id
      }
      const winner = await shared.find(id)
      if (winner === undefined) fail(codes.IDENTITY_UNAVAILABLE, {pod: '', detail: `identity ${id} was just deleted`})
      identities.upsert(winner)
      if (winner.labels.equals(labels)) return id
    }
    const busiest = busiestLabel([...identities.values()].map((row) => row.labels))
    return fail(codes.IDENTITY_EXHAUSTED, {label: busiest?.key, count: busiest?.values})
  }
}

/** The number an endpoint has already comes first, so that a deleted identity comes back as it was. */
function* numbers(labels: LabelSet, range: IdentityRange, preferred: Identity | undefined): Generator<Identity> {
  if (preferred !== undefined) yield preferred
  yield* candidateNumbers(labels, range)
}

/** Of duplicates the lowest number counts, for every agent the same. */
function lowest(rows: readonly IdentityRow[]): Identity | undefined {
  return rows.reduce<Identity | undefined>((least, {id}) => (least === undefined || id < least ? id : least), undefined)
}

function nameOf(row: EndpointRow): string {
  return `${row.namespace}/${row.pod}`
}
