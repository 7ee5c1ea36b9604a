/** Turns nodes and endpoints into rows of the route table as they change. */
import type {Cidr} from '../../model/cidr.ts'
import {endpointRoutes, nodeRoutes, podRangeRoutes, type RoutePlan} from '../node/route-rows.ts'
import type {NodeRow, RouteRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

export class RouteClaimants {
  private readonly tables: Tables
  private readonly plan: RoutePlan
  private readonly byOwner = new Map<string, readonly string[]>()
  private readonly ends: (() => void)[] = []
  private readonly stopping = new AbortController()

  constructor(tables: Tables, plan: RoutePlan) {
    this.tables = tables
    this.plan = plan
  }

  /** @param remembered nodes as they were before a reboot: they count until the cluster has been told */
  start(remembered: readonly NodeRow[] = []): void {
    const {nodes, endpoints, routes} = this.tables
    for (const row of remembered) this.set(`node/${row.name}`, nodeRoutes(row, this.plan))
    this.ends.push(
      endpoints.subscribe(
        (changes) => {
          for (const {key, row} of changes) {
            this.set(`endpoint/${key}`, row === undefined ? [] : endpointRoutes(row, this.plan))
          }
        },
        {initial: true},
      ),
      nodes.subscribe(
        (changes) => {
          for (const {key, row} of changes) {
            this.set(`node/${key}`, row === undefined || row.local ? [] : nodeRoutes(row, this.plan))
          }
        },
        {initial: true},
      ),
    )
    const {signal} = this.stopping
    // a turn later: what the tables delivered last has been claimed by then
    endpoints.whenSynced({signal}).then(
      () => setImmediate(() => routes.markSynced('endpoints')),
      () => {}, // stopped before
    )
    nodes.whenSynced({signal}).then(
      () =>
        setImmediate(() => {
          for (const {name} of remembered) if (!nodes.has(name)) this.set(`node/${name}`, [])
          routes.markSynced('nodes')
        }),
      () => {}, // stopped before
    )
  }

  stop(): void {
    this.stopping.abort()
    for (const end of this.ends) end()
  }

  /** The node's own pod ranges. */
  setPodRanges(cidrs: readonly Cidr[]): void {
    this.set('pod-range', podRangeRoutes(cidrs, this.plan))
  }

  /** Routes that the node always has. */
  setFixed(rows: readonly RouteRow[]): void {
    this.set('fixed', rows)
  }

  /** A destination that two owners want is the later one's; the earlier one does not take it away again. */
  private set(owner: string, rows: readonly RouteRow[]): void {
    const {routes} = this.tables
    const wanted = new Set(rows.map((row) => routes.keyFor(row)))
    for (const key of this.byOwner.get(owner) ?? []) {
      if (!wanted.has(key) && routes.get(key)?.owner === owner) routes.delete(key)
    }
    for (const row of rows) routes.upsert(row)
    if (rows.length === 0) this.byOwner.delete(owner)
    else this.byOwner.set(owner, [...wanted])
  }
}
