/** Asks every node and its health endpoint in turn whether they answer; the results are rows of the probe table. */
import type {Ip} from '../../model/ip.ts'
import {type Clock, sleep} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {NodeRow, ProbeRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {probeHttp, probeIcmp} from './probe.ts'
import type {ProbeMetrics} from './probe-metrics.ts'

export interface ProberOptions {
  readonly tables: Tables
  readonly port: number
  readonly endpoints: boolean
  readonly families: {readonly ipv4: boolean; readonly ipv6: boolean}
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: ProbeMetrics
}

/** Probes at the same time. */
const concurrency = 16
const baseIntervalMs = 10_000
const firstMs = 1_000

interface Target {
  readonly node: string
  readonly kind: ProbeRow['kind']
  readonly ip: Ip
  readonly primary: boolean
}

export class Prober {
  private readonly options: ProberOptions
  private readonly log: Log
  private readonly stopping = new AbortController()
  private running: Promise<void> | undefined
  private loop: Promise<void> | undefined
  /** wall clock, ms: start of the last cycle that has ended */
  lastCycleAt: number | undefined
  /** how the cycles went for this node itself: its health endpoint answers its own probes */
  readonly self = {
    failing: 0,
    failures: 0,
    successes: 0,
    lastError: undefined as string | undefined,
    lastErrorAt: undefined as number | undefined,
    lastSuccessAt: undefined as number | undefined,
  }

  constructor(options: ProberOptions) {
    this.options = options
    this.log = options.log.for('health')
  }

  start(): void {
    this.loop = this.run()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  /** Grows with the logarithm of the cluster: many nodes must not spend their time asking each other. */
  get intervalMs(): number {
    return Math.round(baseIntervalMs * Math.max(1, Math.log1p(this.options.tables.nodes.size)))
  }

  /** Probes everything once, now. Resolves when all have answered or failed. */
  probe(): Promise<void> {
    this.running ??= this.cycle().finally(() => {
      this.running = undefined
    })
    return this.running
  }

  private async run(): Promise<void> {
    const {clock} = this.options
    const {signal} = this.stopping
    // pods come first
    await sleep(clock, firstMs, signal).catch(() => {}) // stopped before
    while (!signal.aborted) {
      try {
        await this.probe()
        await sleep(clock, this.intervalMs, signal)
      } catch (thrown) {
        if (!signal.aborted) this.log.error('probing failed', {error: CiliumError.from(thrown)})
      }
    }
  }

  private async cycle(): Promise<void> {
    const {tables, clock} = this.options
    const began = clock.now()
    const targets = [...tables.nodes.values()].flatMap((node) => this.targetsOf(node))
    const queue = targets.values()
    const worker = async () => {
      for (const target of queue) if (!this.stopping.signal.aborted) await this.one(target)
    }
    await Promise.all(Array.from({length: concurrency}, worker))
    const wanted = new Set(targets.map((target) => `${target.node} ${target.kind} ${target.ip}`))
    for (const row of [...tables.probes.values()]) {
      if (!wanted.has(`${row.node} ${row.kind} ${row.ip}`)) tables.probes.delete(tables.probes.keyFor(row))
    }
    this.lastCycleAt = began
    this.count()
    this.judgeSelf()
  }

  private judgeSelf(): void {
    const {tables, clock} = this.options
    const local = [...tables.nodes.values()].find((node) => node.local)?.name
    const failed = [...tables.probes.values()].find(
      (row) => row.node === local && row.kind === 'endpoint' && row.protocol === 'http' && row.failure !== '',
    )
    if (failed === undefined) {
      this.self.failing = 0
      this.self.successes++
      this.self.lastSuccessAt = clock.now()
    } else {
      this.self.failing++
      this.self.failures++
      this.self.lastError = `${failed.kind} ${failed.ip} (${failed.protocol}): ${failed.failure}`
      this.self.lastErrorAt = clock.now()
    }
  }

  private targetsOf(node: NodeRow): Target[] {
    const {families, endpoints} = this.options
    const enabled = (ip: Ip) => (ip.family === 4 ? families.ipv4 : families.ipv6)
    const of = (kind: ProbeRow['kind'], ips: readonly Ip[]) =>
      ips.filter(enabled).map((ip, i): Target => ({node: node.name, kind, ip, primary: i === 0}))
    return [...of('host', node.internalIps), ...(endpoints ? of('endpoint', node.healthIps) : [])]
  }

  private async one(target: Target): Promise<void> {
    const {tables, clock, port, metrics} = this.options
    const [http, icmp] = await Promise.all([probeHttp(target.ip, port), probeIcmp(target.ip)])
    const at = clock.now()
    for (const row of [
      {...target, ...http, protocol: 'http', at},
      {...target, ...icmp, protocol: 'icmp', at},
    ] as const) {
      tables.probes.upsert(row)
      if (row.failure === '') metrics?.answered(row)
    }
  }

  private count(): void {
    const {tables, metrics, endpoints} = this.options
    const rows = [...tables.probes.values()]
    const nodes = new Set([...tables.nodes.values()].map(({name}) => name))
    for (const kind of ['host', 'endpoint'] as const) {
      const expected = kind === 'host' || endpoints ? nodes : new Set<string>()
      metrics?.counted(
        kind,
        rows.filter((row) => row.kind === kind),
        expected,
      )
    }
  }
}
