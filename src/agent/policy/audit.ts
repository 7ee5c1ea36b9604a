/**
 * Audit mode: policies are judged and told of, and let everything through. For the whole node by configuration, for
 * one endpoint by its own word, which is kept on disk with it.
 */
import type {EndpointMap, EndpointSets} from '../reconcile/datapath-door.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

export interface AuditOptions {
  readonly tables: Pick<Tables, 'endpoints'>
  readonly nodeWide: () => boolean
  readonly endpointMap: Pick<EndpointMap, 'put'>
  readonly setsOf: (row: EndpointRow) => EndpointSets
  /** Makes every flow's verdict be computed again: those that were only audited are to be refused from now on. */
  readonly moveEpoch: () => void
  /** Writes the row of the node's own traffic again. */
  readonly putHost: () => void
  readonly remember: (row: EndpointRow) => Promise<void>
}

export class Audit {
  private readonly options: AuditOptions
  private nodeWide: boolean

  constructor(options: AuditOptions) {
    this.options = options
    this.nodeWide = options.nodeWide()
  }

  audits({audit}: EndpointRow): boolean {
    return audit ?? this.nodeWide
  }

  /** To be called when the configuration may have changed. Rows first: no flow is judged by what was. */
  follow(): void {
    const {tables, nodeWide, moveEpoch, putHost} = this.options
    if (nodeWide() === this.nodeWide) return
    this.nodeWide = nodeWide()
    for (const row of tables.endpoints.values()) this.put(row)
    putHost()
    moveEpoch()
  }

  /** @throws what keeps the endpoint's record from being written: it holds until a restart then */
  async set(row: EndpointRow, audit: boolean): Promise<void> {
    const {tables, moveEpoch, remember} = this.options
    const changed: EndpointRow = {...row, audit}
    tables.endpoints.upsert(changed)
    this.put(changed)
    moveEpoch()
    await remember(changed)
  }

  private put(row: EndpointRow): void {
    if (row.identity !== undefined) this.options.endpointMap.put(row, this.options.setsOf(row))
  }
}
