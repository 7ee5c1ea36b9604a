/**
 * Leader election over a Lease. The leader renews; the others watch for a renewal that does not come. Nobody trusts
 * another machine's clock: a lease has run out when its record has not changed for its whole duration by our own
 * monotonic clock (as in client-go).
 */
import {backoffMs} from '../runtime/backoff.ts'
import type {Clock} from '../runtime/clock.ts'
import {sleep, systemClock} from '../runtime/clock.ts'
import {CiliumError, hasCode} from '../runtime/errors.ts'
import {type Log, silentLog} from '../runtime/log.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import {type Objects, objects} from './objects.ts'
import {type Lease, resources} from './resources.ts'

export interface LeaderElectionOptions {
  readonly client: KubeClient
  readonly namespace: string
  /** name of the Lease */
  readonly name: string
  /** who we are; must differ between candidates */
  readonly identity: string
  /** Runs while we lead. Must end soon after the signal is aborted; when it ends by itself, leadership is given up. */
  readonly lead: (signal: AbortSignal) => Promise<void>
  /** how long a silent leader keeps the others waiting, 15 s unless given */
  readonly leaseMs?: number
  /** how long the leader tries to renew before it gives up, 10 s unless given; less than leaseMs */
  readonly renewDeadlineMs?: number
  /** pause between tries, 2 s unless given */
  readonly retryMs?: number
  readonly clock?: Clock
  readonly log?: Log
  readonly random?: () => number
}

export class LeaderElection {
  private readonly options: Required<Omit<LeaderElectionOptions, 'log' | 'clock' | 'random'>>
  private readonly clock: Clock
  private readonly log: Log
  private readonly random: () => number
  private readonly leases: Objects<Lease>
  private readonly stopping = new AbortController()
  private running: Promise<void> | undefined
  private leading = false
  private holder: string | undefined
  /** the record last seen, and when it was first seen so */
  private observed: {readonly record: string; readonly at: number} | undefined

  constructor(options: LeaderElectionOptions) {
    this.options = {leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000, ...options}
    this.clock = options.clock ?? systemClock
    this.log = (options.log ?? silentLog).for('leader-election', {lease: `${options.namespace}/${options.name}`})
    this.random = options.random ?? Math.random
    this.leases = objects<Lease>(options.client, resources.leases)
  }

  get isLeader(): boolean {
    return this.leading
  }

  /** Who leads, as far as we have seen. */
  get leader(): string | undefined {
    return this.holder
  }

  start(): void {
    this.running ??= this.run()
  }

  /** Stops leading, waits for the work to end, and lets the lease go so that another can take it at once. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  private async run(): Promise<void> {
    const {signal} = this.stopping
    while (!signal.aborted) {
      const lease = await this.acquire()
      if (lease === undefined) return
      this.log.info('leading', {identity: this.options.identity})
      const work = new AbortController()
      const end = () => work.abort()
      signal.addEventListener('abort', end, {once: true})
      this.leading = true
      const led = this.options
        .lead(work.signal)
        .catch((thrown: unknown) => {
          if (!work.signal.aborted) this.log.error('the leader failed', {error: CiliumError.from(thrown)})
        })
        .finally(end)
      const lost = await this.renewUntil(work.signal)
      this.leading = false
      work.abort()
      await led
      signal.removeEventListener('abort', end)
      if (lost) this.log.warn('leadership lost', {identity: this.options.identity})
      else await this.release()
    }
  }

  /** Tries until the lease is ours. @returns undefined when stopped */
  private async acquire(): Promise<Lease | undefined> {
    const {signal} = this.stopping
    while (!signal.aborted) {
      try {
        const lease = await this.tryAcquire(signal)
        if (lease !== undefined) return lease
      } catch (thrown) {
        if (signal.aborted) return undefined
        this.log.warn('cannot look at the lease', {error: CiliumError.from(thrown)})
      }
      // spread, so that candidates do not all reach for a free lease at the same moment
      await sleep(this.clock, this.options.retryMs * (1 + 0.2 * this.random()), signal).catch(() => {})
    }
    return undefined
  }

  private async tryAcquire(signal: AbortSignal): Promise<Lease | undefined> {
    const {namespace, name, identity, leaseMs, renewDeadlineMs} = this.options
    const call = {timeoutMs: renewDeadlineMs, signal}
    const found = await this.leases.find({namespace, name}, call)
    try {
      if (found === undefined) {
        const created = await this.leases.create({metadata: {namespace, name}, spec: this.record(undefined)}, call)
        this.observe(created)
        return created
      }
      this.observe(found)
      const holder = found.spec?.holderIdentity
      const expired = this.clock.monotonic() - this.observed!.at >= leaseMs
      if (holder && holder !== identity && !expired) return undefined
      const taken = await this.leases.replace({...found, spec: this.record(found)}, call)
      this.observe(taken)
      return taken
    } catch (thrown) {
      // another candidate was faster
      if (hasCode(thrown, k8sErrors.K8S_CONFLICT) || hasCode(thrown, k8sErrors.K8S_ALREADY_EXISTS)) return undefined
      throw thrown
    }
  }

  /** Renews the lease. @returns true when it was lost, false when the signal ended it */
  private async renewUntil(signal: AbortSignal): Promise<boolean> {
    const {renewDeadlineMs, retryMs} = this.options
    let renewedAt = this.clock.monotonic()
    for (let failures = 0; !signal.aborted; ) {
      const pause = failures === 0 ? retryMs : backoffMs({minMs: retryMs / 8, maxMs: retryMs}, failures)
      await sleep(this.clock, pause, signal).catch(() => {})
      if (signal.aborted) return false
      const left = renewDeadlineMs - (this.clock.monotonic() - renewedAt)
      if (left <= 0) return true
      try {
        const renewed = await withDeadline(this.clock, left, signal, (limit) => this.tryAcquire(limit))
        if (renewed === undefined) return !signal.aborted
        renewedAt = this.clock.monotonic()
        failures = 0
      } catch (thrown) {
        if (signal.aborted) return false
        failures++
        this.log.warn('cannot renew the lease', {error: CiliumError.from(thrown)})
      }
    }
    return false
  }

  private async release(): Promise<void> {
    const {namespace, name, identity} = this.options
    try {
      await this.leases.modify(
        {namespace, name},
        (lease) => {
          if (lease.spec?.holderIdentity !== identity) return undefined
          return {...lease, spec: {...this.record(lease), holderIdentity: '', leaseDurationSeconds: 1}}
        },
        {timeoutMs: 3_000},
      )
    } catch (thrown) {
      this.log.warn('cannot let the lease go, it will run out', {error: CiliumError.from(thrown)})
    }
  }

  private record(before: Lease | undefined): NonNullable<Lease['spec']> {
    const {identity, leaseMs} = this.options
    const now = microTime(this.clock.now())
    const same = before?.spec?.holderIdentity === identity
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: same ? (before.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (same || before === undefined ? 0 : 1),
    }
  }

  private observe(lease: Lease): void {
    const record = JSON.stringify(lease.spec ?? {})
    if (this.observed?.record !== record) this.observed = {record, at: this.clock.monotonic()}
    this.holder = lease.spec?.holderIdentity || undefined
  }
}

/** Runs `work` with a signal that is aborted when the time is up or the outer signal is. */
async function withDeadline<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController()
  const end = () => abort.abort(outer.reason)
  outer.addEventListener('abort', end, {once: true})
  const timer = clock.after(ms, () => abort.abort(new Error('the API server did not answer in time')))
  try {
    return await work(abort.signal)
  } finally {
    timer.cancel()
    outer.removeEventListener('abort', end)
  }
}

/** Kubernetes' MicroTime. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
