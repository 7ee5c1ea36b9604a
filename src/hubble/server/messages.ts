/** What the agent and its thread of flows tell each other. Plain values only: they are copied. */
import type {AgentEvent, FlowFilter} from '../../api/gen/flow.ts'
import type {NameChanges} from '../flow/name-table.ts'
import type {TlsFiles} from './listen.ts'
import type {Peer} from './peers.ts'

export interface WorkerOptions {
  readonly clusterName: string
  readonly nodeName: string
  readonly version: string
  readonly capacity: number
  /** folder of the datapath's pins */
  readonly pinRoot: string
  readonly socketPath: string
  /** of `cilium-dbg monitor`; empty: none */
  readonly monitorPath: string
  /** empty: no port */
  readonly listenAddress: string
  readonly tls: TlsFiles | undefined
  /** undefined: flows are written nowhere */
  readonly exported?:
    | {
        /** `stdout`: to the log of the agent */
        readonly path: string
        readonly maxMegabytes: number
        readonly backups: number
        readonly compress: boolean
        readonly fieldMask: readonly string[]
        readonly allow: readonly FlowFilter[]
        readonly deny: readonly FlowFilter[]
      }
    | undefined
  /** undefined: nothing is counted */
  readonly metrics?: {
    readonly specs: readonly string[]
    /** such as :9965 */
    readonly address: string
  }
}

export type ToWorker =
  | {readonly kind: 'names'; readonly changes: NameChanges}
  | {readonly kind: 'peers'; readonly peers: readonly Peer[]}
  | {readonly kind: 'agent-event'; readonly time: bigint; readonly event: AgentEvent}
  | {readonly kind: 'stop'}

export interface WorkerCounts {
  readonly flows: number
  readonly capacity: number
  /** stored since the start */
  readonly seen: number
  /** found no room in a ring since the start */
  readonly lost: number
  readonly rate: number
  /** who listen to the monitor */
  readonly listeners: number
  /** records of a version that is not ours */
  readonly unreadable: number
  /** ms since it started */
  readonly uptimeMs: number
}

export type FromWorker =
  | {readonly kind: 'ready'}
  | {readonly kind: 'counts'; readonly counts: WorkerCounts}
  /** something goes wrong that ends nothing */
  | {readonly kind: 'trouble'; readonly message: string}
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly fields: Readonly<Record<string, string>>
      readonly message: string
    }
