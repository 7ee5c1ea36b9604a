/**
 * What GC does where no runtime calls it, at the start and every minute. It takes down endpoints whose network namespace
 * is gone without a DEL, and those whose pod has been unknown to Kubernetes for so long that its runtime has forgotten
 * it, too; and forgets former endpoints whose pods are gone.
 */
import {type Clock, every, type Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import type {Connections} from './connections.ts'
import type {FormerEndpoints} from './former.ts'
import {hasNamespace} from './restore.ts'

const everyMs = 60_000
/** a kubelet ends pods that the API server no longer has within seconds; a pod deleted by force may live on a little */
const unknownMs = 10 * 60_000

export interface CollectorOptions {
  readonly tables: Tables
  readonly connections: Pick<Connections, 'release' | 'forgetFormer'>
  readonly former: Pick<FormerEndpoints, 'drop'>
  readonly clock: Clock
  readonly log: Log
}

export class EndpointCollector {
  private readonly options: CollectorOptions
  private readonly log: Log
  private readonly stopping = new AbortController()
  private timer: Timer | undefined
  /** endpoints whose pod Kubernetes does not have, and since when (monotonic, ms) */
  private readonly unknownSince = new Map<number, number>()

  constructor(options: CollectorOptions) {
    this.options = options
    this.log = options.log.for('endpoint-gc')
  }

  start(): void {
    const run = () => this.collect().catch((thrown) => this.log.error('failed', {error: CiliumError.from(thrown)}))
    this.timer = every(this.options.clock, everyMs, run)
    this.options.tables.pods.whenSynced({signal: this.stopping.signal}).then(run, () => {}) // stopped before
  }

  stop(): void {
    this.stopping.abort()
    this.timer?.cancel()
  }

  async collect(): Promise<void> {
    const {tables, connections, former} = this.options
    for (const row of [...tables.endpoints.values()]) {
      if (row.kind !== 'pod') continue
      const why = hasNamespace(row)
        ? this.isForgotten(row) && 'its pod is unknown to Kubernetes for 10 minutes'
        : 'its network namespace is gone'
      if (!why) continue
      this.log.info('an endpoint is taken down', {endpoint: row.id, pod: `${row.namespace}/${row.pod}`, cause: why})
      this.unknownSince.delete(row.id)
      await connections.release(row)
    }
    if (!tables.pods.synced) return
    const gone = former.drop((row) => this.isKnown(row))
    for (const row of gone) await connections.forgetFormer(row)
  }

  /** Only what Kubernetes has said counts: while it has not been heard, nothing is forgotten. */
  private isForgotten(row: EndpointRow): boolean {
    const {tables, clock} = this.options
    if (!tables.pods.synced || this.isKnown(row)) {
      this.unknownSince.delete(row.id)
      return false
    }
    const since = this.unknownSince.get(row.id) ?? clock.monotonic()
    this.unknownSince.set(row.id, since)
    return clock.monotonic() - since >= unknownMs
  }

  private isKnown(row: EndpointRow): boolean {
    const pod = this.options.tables.pods.get(`${row.namespace}/${row.pod}`)
    return pod !== undefined && (row.podUid === '' || pod.uid === row.podUid)
  }
}
