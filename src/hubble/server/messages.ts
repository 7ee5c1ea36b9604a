/** What the agent and its thread of flows tell each other. Plain values only: they are copied. */
import type {AgentEvent} from '../../api/gen/flow.ts'
import type {ExportPlan} from '../export/export-config.ts'
import type {NameChanges} from '../flow/name-table.ts'
import type {RedactionWishes} from '../flow/redaction.ts'
import type {AccessRecord} from '../observe/access-record.ts'
import type {DropNotice, DropNoticeWishes} from '../observe/drop-notices.ts'
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
  /** where flows are handed on to */
  readonly exports: readonly ExportPlan[]
  /** file with more of them, which may change; empty: none */
  readonly flowLogsPath: string
  /** undefined: records of layer 7 are told as they are */
  readonly redact?: RedactionWishes
  /** events carry the first bytes of their packets */
  readonly payload?: boolean
  /** undefined: nobody is told of drops but those who ask for flows */
  readonly drops?: DropNoticeWishes
  /** undefined: nothing is counted */
  readonly metrics?: {
    readonly specs: readonly string[]
    /** such as :9965 */
    readonly address: string
    /** file with more of them, which may change; empty: none */
    readonly path?: string
    readonly openMetrics?: boolean
    readonly tls?: TlsFiles | undefined
  }
}

export type ToWorker =
  | {readonly kind: 'names'; readonly changes: NameChanges}
  | {readonly kind: 'peers'; readonly peers: readonly Peer[]}
  | {readonly kind: 'agent-event'; readonly time: bigint; readonly event: AgentEvent}
  /** what proxies saw: requests and answers of DNS and HTTP */
  | {readonly kind: 'access'; readonly records: readonly AccessRecord[]}
  | {readonly kind: 'stop'}

export interface WorkerCounts {
  readonly flows: number
  readonly capacity: number
  /** stored since the start */
  readonly seen: number
  /** found no room in a ring since the start */
  readonly lost: number
  /** that all rings hold */
  readonly ringBytes: number
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
  /** for Kubernetes events */
  | {readonly kind: 'drops'; readonly notices: readonly DropNotice[]}
  | {readonly kind: 'counts'; readonly counts: WorkerCounts}
  /** something goes wrong that ends nothing */
  | {readonly kind: 'trouble'; readonly message: string}
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly fields: Readonly<Record<string, string>>
      readonly message: string
    }
