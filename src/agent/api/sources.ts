/** What the local API shows, in the agent's words. The agent implements it; parts that are not there yet are undefined. */
import type {HealthStatusResponse} from '../../api/models.ts'
import type {ReflectorHealth} from '../../k8s/reflector.ts'
import type {Sample} from '../../runtime/metrics.ts'
import type {AgentConfig} from '../config.ts'
import type {PodNetwork} from '../endpoint/connections.ts'
import type {NodePools} from '../ipam/node-pools.ts'
import type {NodeFacts} from '../node/facts.ts'
import type {KernelState} from '../node/kernel-state.ts'
import type {FrontendState} from '../reconcile/services.ts'
import type {RunnerState} from '../runner-state.ts'
import type {FrontendRow} from '../service/rows.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import type {PolicyState} from './policy-model.ts'

export interface KubernetesState {
  /** `1.34 (v1.34.4) [linux/amd64]` */
  readonly version: string | undefined
  /** why it cannot be asked */
  readonly error: string | undefined
  /** wall clock, ms: since when this is so */
  readonly since: number
}

export interface DatapathState {
  readonly generation: number
  readonly since: number
  readonly attachMode: 'tcx' | 'tc'
  /** pinned maps by name, with their sizes and paths */
  readonly maps: readonly {readonly name: string; readonly path: string; readonly maxEntries: number}[]
}

export interface FlowsState {
  /** undefined while it does not run */
  readonly counts:
    | {
        readonly flows: number
        readonly capacity: number
        readonly seen: number
        readonly lost: number
        /** of all rings */
        readonly ringBytes: number
        readonly unreadable: number
        readonly uptimeMs: number
      }
    | undefined
  /** why it does not run */
  readonly problem: string | undefined
}

export interface ApiSources {
  /** what the node's kernel lacks; takes a moment when it is asked first */
  readonly kernel?: () => KernelState
  readonly startedAt: number
  readonly tables: Tables
  /** @throws what keeps the endpoint's record from being written */
  setAudit(row: EndpointRow, audit: boolean): Promise<void>
  readonly pools: NodePools
  config(): AgentConfig
  /** texts of the configuration as given */
  texts(): ReadonlyMap<string, string>
  /** @throws CONFIG_KEY_IMMUTABLE, CONFIG_VALUE_INVALID */
  changeConfig(changes: ReadonlyMap<string, string>): void
  facts(): NodeFacts | undefined
  network(): PodNetwork | undefined
  reflectors(): ReadonlyMap<string, ReflectorHealth>
  kubernetes(): KubernetesState
  runners(): readonly RunnerState[]
  cniConfig(): {readonly ok: boolean; readonly message: string} | undefined
  datapath(): DatapathState | undefined
  health(): HealthStatusResponse | undefined
  /** the thread of flows; undefined: flows are not wanted */
  flows(): FlowsState | undefined
  /** what the start still waits for; empty when everything has started */
  waitingFor(): string
  /** what of the services is in the datapath; undefined before it is loaded */
  services(): {stateOf(row: FrontendRow): FrontendState | undefined} | undefined
  /** every metric with its value now */
  metrics(): Promise<readonly Sample[]>
  /** undefined before the datapath is loaded */
  policy(): PolicyState | undefined
  /** ends an endpoint */
  disconnect(row: EndpointRow): Promise<void>
}
