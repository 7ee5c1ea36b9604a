/** What the agent asks of the datapath's service maps, in its own words. Stories answer with plain tables. */
import type {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import type {BackendState, FrontendKind, ServiceProtocol} from './rows.ts'

export interface FrontendEntryKey {
  readonly ip: Ip
  /** 0 with protocol ANY */
  readonly port: number
  readonly protocol: ServiceProtocol | 'ANY'
  /** the row for pods and the node itself */
  readonly inside: boolean
}

export interface FrontendEntry {
  /** what users call the service id; 0 for a row that stands for all ports */
  readonly service: number
  readonly kind: FrontendKind
  /** offset of its list, places that take new connections, places behind them */
  readonly list: number
  readonly count: number
  readonly others: number
  /** its Maglev table: first chunk, and places; size 0: it has none */
  readonly table: number
  readonly tableSize: number
  readonly affinityS: number
  /** the inside has a row of its own */
  readonly scopes: boolean
  readonly sourceRanges: boolean
  readonly denyRanges: boolean
  /** all backends are on this node: they see the client; without one there is silence */
  readonly local: boolean
  readonly internalOnly: boolean
  /** backends on other nodes answer clients from outside themselves */
  readonly direct: boolean
  /** of the inside's row: its own backends go by the outside's */
  readonly sparesBackends: boolean
}

export interface BackendEntry {
  /** undefined: free */
  readonly ip: Ip | undefined
  readonly port: number
  readonly protocol: ServiceProtocol
  readonly state: BackendState | 'free'
  readonly generation: number
}

export interface ServiceMaps {
  readonly frontendCapacity: number
  readonly listCapacity: number
  readonly backendCapacity: number
  frontends(): Iterable<readonly [FrontendEntryKey, FrontendEntry]>
  backends(): Iterable<readonly [number, BackendEntry]>
  /** All places of all lists, as they are now. */
  lists(): Uint32Array
  /** One step: packets see the old row or the new one. @throws LB_MAP_FULL */
  putFrontend(key: FrontendEntryKey, entry: FrontendEntry): void
  deleteFrontend(key: FrontendEntryKey): void
  writeList(offset: number, refs: readonly number[]): void
  /** chunks that Maglev tables may have, and places in one */
  readonly tableCapacity: number
  readonly tableChunkPlaces: number
  /** what tables are made with; 12 bytes, the same on every node */
  readonly tableSeed: Uint8Array
  /** Tables of before were made with this seed: they may be kept. */
  readonly tablesHold: boolean
  writeTable(chunk: number, places: Uint16Array): void
  putBackend(index: number, entry: BackendEntry): void
  ranges(): Iterable<readonly [service: number, cidr: Cidr]>
  putRange(service: number, cidr: Cidr): void
  deleteRange(service: number, cidr: Cidr): void
  /** Makes every flow look again at what it rests on. */
  moveEpoch(): void
}
