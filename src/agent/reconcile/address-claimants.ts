/**
 * Turns nodes, endpoints and the node's own addresses into rows of the address table as they change. What was restored
 * from before a restart holds until everybody who could know better has spoken.
 */
import type {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import {AddressClaims} from '../identity/address-claims.ts'
import {
  type AddressPlan,
  clusterRows,
  endpointRows,
  hostRows,
  localPodRangeRows,
  nodeRows,
  remoteEndpointRows,
} from '../identity/address-rows.ts'
import type {AddressRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

export class AddressClaimants {
  private readonly tables: Tables
  private readonly plan: AddressPlan
  private readonly claims = new AddressClaims()
  private readonly ends: (() => void)[] = []
  private readonly stopping = new AbortController()

  private readonly isOurs: (nodeIp: Ip) => boolean

  /** @param isOurs is this an address of this node? What it says of its own pods elsewhere is old news here. */
  constructor(tables: Tables, plan: AddressPlan, isOurs: (nodeIp: Ip) => boolean) {
    this.tables = tables
    this.plan = plan
    this.isOurs = isOurs
  }

  /** @param restored what the maps or the disk held when the agent started */
  start(restored: readonly AddressRow[]): void {
    this.set('restored', restored)
    this.set('cluster', clusterRows(this.plan))
    const {nodes, endpoints, remoteEndpoints} = this.tables
    this.ends.push(
      endpoints.subscribe(
        (changes) => {
          for (const {key, row} of changes)
            this.set(`endpoint/${key}`, row === undefined ? [] : endpointRows(row, this.plan))
        },
        {initial: true},
      ),
      nodes.subscribe(
        (changes) => {
          for (const {key, row} of changes) {
            this.set(`node/${key}`, row === undefined || row.local ? [] : nodeRows(row, this.plan))
          }
        },
        {initial: true},
      ),
      remoteEndpoints.subscribe(
        (changes) => {
          for (const {key, row} of changes) {
            const elsewhere = row !== undefined && !(row.nodeIp !== undefined && this.isOurs(row.nodeIp))
            this.set(`pod/${key}`, elsewhere ? remoteEndpointRows(row, this.plan) : [])
          }
        },
        {initial: true},
      ),
    )
    const all = [nodes, endpoints, remoteEndpoints].map((table) => table.whenSynced({signal: this.stopping.signal}))
    void Promise.all(all).then(
      // a turn later: what the tables delivered last has been claimed by then
      () => setImmediate(() => this.forgetRestored()),
      () => {}, // stopped before
    )
  }

  stop(): void {
    this.stopping.abort()
    for (const end of this.ends) end()
  }

  /** The node's own addresses, whenever they change. */
  setHost(ips: readonly Ip[]): void {
    this.set('host', hostRows(ips, this.plan))
  }

  /** The node's pod ranges. */
  setPodRanges(cidrs: readonly Cidr[]): void {
    this.set('pod-range', localPodRangeRows(cidrs, this.plan))
  }

  private forgetRestored(): void {
    if (this.stopping.signal.aborted) return
    this.set('restored', [])
    this.tables.addresses.markSynced('cluster')
  }

  private set(owner: string, rows: readonly AddressRow[]): void {
    for (const [key, row] of this.claims.set(owner, rows)) {
      if (row === undefined) this.tables.addresses.delete(key)
      else this.tables.addresses.upsert(row)
    }
  }
}
