/**
 * Leases of services: of all nodes that may announce one, the holder of its Lease does. All nodes watch the leases, so
 * that one that is let go, or runs out, is taken at once; nobody polls. Nobody trusts another machine's clock: a lease
 * has run out when its record has not changed for its whole duration by our own.
 */
import type {KubeClient} from '../../k8s/client.ts'
import {type Objects, objects} from '../../k8s/objects.ts'
import {Reflector} from '../../k8s/reflector.ts'
import {type Lease, resources} from '../../k8s/resources.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

const prefix = 'cilium-l2announce-'

/** Spread, so that not all nodes reach for a free lease in the same moment. */
const jitterMs = 50

export interface LeasesOptions {
  readonly client: KubeClient
  /** where the leases are */
  readonly namespace: string
  /** who we are: the node's name, so that an agent that starts again goes on with what it had */
  readonly identity: string
  readonly leaseMs: number
  readonly renewDeadlineMs: number
  readonly retryMs: number
  readonly clock: Clock
  readonly log: Log
  /** We lead until then (monotonic clock, ms); undefined: no more. */
  readonly onChange: (lease: string, until: number | undefined) => void
}

interface Seen {
  readonly lease: Lease
  readonly at: number
}

interface Held {
  readonly renewedAt: number
  readonly until: number
}

/** The name of a service's lease. */
export function leaseName({namespace, name}: {readonly namespace: string; readonly name: string}): string {
  return `${prefix}${namespace}-${name}`
}

export class Leases {
  private readonly options: LeasesOptions
  private readonly log: Log
  private readonly leases: Objects<Lease>
  private readonly reflector: Reflector<Lease, Lease>
  private readonly seen = new Map<string, Seen>()
  private readonly held = new Map<string, Held>()
  private readonly timers = new Map<string, Timer>()
  private readonly busy = new Set<string>()
  private wanted: ReadonlySet<string> = new Set()
  private synced = false
  private stopped = false

  constructor(options: LeasesOptions) {
    const {client, namespace, clock, log} = options
    this.options = options
    this.log = log.for('l2-announcer')
    this.leases = objects<Lease>(client, resources.leases)
    this.reflector = new Reflector<Lease, Lease>({
      client,
      resource: resources.leases,
      namespace,
      trim: (lease) => (lease.metadata.name.startsWith(prefix) ? lease : undefined),
      onEvents: (events) => {
        for (const event of events) {
          const name = event.key.slice(event.key.indexOf('/') + 1)
          if (event.type === 'upsert') this.observe(event.object)
          else this.seen.delete(name)
          this.plan(name)
        }
      },
      onSynced: () => {
        this.synced = true
        for (const name of new Set([...this.wanted, ...this.seen.keys()])) this.plan(name)
      },
      clock,
      log,
    })
  }

  start(): void {
    this.reflector.start()
  }

  /** Leases are kept: an agent that comes back within their time goes on, and no client notices. */
  async stop(): Promise<void> {
    this.stopped = true
    for (const timer of this.timers.values()) timer.cancel()
    await this.reflector.stop()
  }

  /** The leases we would like to hold. Those we hold and no longer want are let go. */
  want(names: ReadonlySet<string>): void {
    const before = this.wanted
    this.wanted = names
    for (const name of new Set([...before, ...names])) if (before.has(name) !== names.has(name)) this.plan(name)
  }

  /** Until when we lead each lease that we hold. */
  get leading(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.held, ([name, {until}]) => [name, until]))
  }

  private observe(lease: Lease): void {
    const {name} = lease.metadata
    const before = this.seen.get(name)
    const same = JSON.stringify(before?.lease.spec) === JSON.stringify(lease.spec)
    this.seen.set(name, {lease, at: same ? before!.at : this.options.clock.monotonic()})
  }

  /** When to look at a lease next: now, when it has to be renewed, or when another's runs out. */
  private plan(name: string): void {
    this.timers.get(name)?.cancel()
    this.timers.delete(name)
    if (this.stopped || !this.synced || this.busy.has(name)) return
    const {clock, identity, retryMs} = this.options
    const now = clock.monotonic()
    const seen = this.seen.get(name)
    const holder = seen?.lease.spec?.holderIdentity ?? ''
    const held = this.held.get(name)
    if (held !== undefined && holder !== identity && seen !== undefined) {
      this.lose(name, `${holder || 'nobody'} has the lease now`)
      this.plan(name)
      return
    }
    let waitMs: number
    if (!this.wanted.has(name)) {
      if (holder !== identity) return
      waitMs = 0
    } else if (held !== undefined) waitMs = held.renewedAt + retryMs - now
    else if (holder === '' || holder === identity) waitMs = Math.random() * jitterMs
    else waitMs = seen!.at + durationMs(seen!.lease) - now + Math.random() * jitterMs
    this.timers.set(
      name,
      clock.after(Math.max(0, waitMs), () => void this.act(name)),
    )
  }

  private async act(name: string): Promise<void> {
    const {clock, identity, retryMs, renewDeadlineMs} = this.options
    this.timers.delete(name)
    this.busy.add(name)
    const began = clock.monotonic()
    let failed = false
    try {
      if (this.wanted.has(name)) await this.take(name, began)
      else await this.letGo(name)
    } catch (thrown) {
      failed = true
      const {code} = CiliumError.from(thrown)
      // another was faster: the watch tells who
      if (code !== 'K8S_CONFLICT' && code !== 'K8S_ALREADY_EXISTS')
        this.log.warn(
          'cannot write the lease of a service',
          {lease: name, error: CiliumError.from(thrown)},
          {per: name},
        )
    } finally {
      this.busy.delete(name)
    }
    const held = this.held.get(name)
    if (failed && held !== undefined && clock.monotonic() - held.renewedAt >= renewDeadlineMs)
      this.lose(name, 'it could not be renewed in time')
    if (!failed) return this.plan(name)
    if (this.stopped) return
    const again = Math.min(retryMs, renewDeadlineMs) / 4
    this.timers.get(name)?.cancel()
    this.timers.set(
      name,
      clock.after(again, () => {
        const holder = this.seen.get(name)?.lease.spec?.holderIdentity ?? ''
        if (this.held.has(name) && holder === identity) void this.act(name)
        else this.plan(name)
      }),
    )
  }

  private async take(name: string, began: number): Promise<void> {
    const {namespace, leaseMs, renewDeadlineMs} = this.options
    const seen = this.seen.get(name)
    const call = {timeoutMs: Math.max(500, Math.min(renewDeadlineMs, leaseMs) / 2)}
    const written =
      seen === undefined
        ? await this.leases.create({metadata: {namespace, name}, spec: this.record(undefined)}, call)
        : await this.leases.replace({...seen.lease, spec: this.record(seen.lease)}, call)
    this.observe(written)
    if (!this.held.has(name)) this.log.info('leading', {lease: name})
    // others count from when they see the record, which is later
    const until = began + leaseMs
    this.held.set(name, {renewedAt: began, until})
    this.options.onChange(name, until)
  }

  private async letGo(name: string): Promise<void> {
    this.lose(name, 'the service is not announced from here any more')
    const seen = this.seen.get(name)
    if (seen === undefined) return
    const spec = {...this.record(seen.lease), holderIdentity: ''}
    this.observe(await this.leases.replace({...seen.lease, spec}))
  }

  private lose(name: string, why: string): void {
    if (!this.held.delete(name)) return
    this.log.info('no longer leading', {lease: name, why})
    this.options.onChange(name, undefined)
  }

  private record(before: Lease | undefined): NonNullable<Lease['spec']> {
    const {identity, leaseMs, clock} = this.options
    const now = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const same = before?.spec?.holderIdentity === identity
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: same ? (before.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (same || before === undefined ? 0 : 1),
    }
  }
}

function durationMs({spec}: Lease): number {
  return (spec?.leaseDurationSeconds ?? 15) * 1000
}
