/**
 * Takes down endpoints whose network namespace is gone without a DEL, and forgets former endpoints whose pods are gone:
 * at the start, when the pods of this node are known, and every minute.
 */
import {type Clock, every, type Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {Tables} from '../state/tables.ts'
import type {Connections} from './connections.ts'
import type {FormerEndpoints} from './former.ts'
import {hasNamespace} from './restore.ts'

const everyMs = 60_000

export interface CollectorOptions {
  readonly tables: Tables
  readonly connections: Connections
  readonly former: FormerEndpoints
  readonly clock: Clock
  readonly log: Log
}

export class EndpointCollector {
  private readonly options: CollectorOptions
  private readonly log: Log
  private readonly stopping = new AbortController()
  private timer: Timer | undefined

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
      if (row.kind !== 'pod' || hasNamespace(row)) continue
      this.log.info('the network namespace of an endpoint is gone', {
        endpoint: row.id,
        pod: `${row.namespace}/${row.pod}`,
      })
      await connections.release(row)
    }
    if (!tables.pods.synced) return
    const gone = former.drop((row) => {
      const pod = tables.pods.get(`${row.namespace}/${row.pod}`)
      return pod !== undefined && (row.podUid === '' || pod.uid === row.podUid)
    })
    for (const row of gone) await connections.forgetFormer(row)
  }
}
