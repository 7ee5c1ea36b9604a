/**
 * Turns nodes, endpoints and the node's own addresses into rows of the address table as they change. What was restored
 * from before a restart holds until everybody who could know better has spoken.
 */
import type {Cidr} from '../../model/cidr.ts'
import {compareIps, type Ip} from '../../model/ip.ts'
import {PrefixTable} from '../../model/prefix-table.ts'
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
import {apiServerIps, apiService} from '../identity/api-server.ts'
import type {NodeIdentities} from '../identity/node-identities.ts'
import type {AddressClasses} from '../policy/address-classes.ts'
import type {AddressRow, NodeRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

export class AddressClaimants {
  private readonly tables: Tables
  private readonly plan: AddressPlan
  private readonly claims = new AddressClaims()
  private readonly ends: (() => void)[] = []
  private readonly stopping = new AbortController()

  private readonly isOurs: (nodeIp: Ip) => boolean
  private readonly whenClassed: Promise<void>
  private readonly nodeIdentities: NodeIdentities | undefined
  /** undefined: policies are not known yet, what the maps say holds */
  private classes: AddressClasses | undefined
  private exempt: readonly Cidr[] = []
  private apiServers: readonly Ip[] = []
  private readonly restoredClasses = new Map<string, number>()

  /**
   * @param isOurs is this an address of this node? What it says of its own pods elsewhere is old news here.
   * @param whenClassed policies are known: what was restored may go
   * @param nodeIdentities nodes are told apart by labels
   */
  constructor(
    tables: Tables,
    plan: AddressPlan,
    isOurs: (nodeIp: Ip) => boolean,
    whenClassed: Promise<void> = Promise.resolve(),
    nodeIdentities?: NodeIdentities,
  ) {
    this.tables = tables
    this.plan = plan
    this.isOurs = isOurs
    this.whenClassed = whenClassed
    this.nodeIdentities = nodeIdentities
  }

  /** @param restored what the maps or the disk held when the agent started */
  start(restored: readonly AddressRow[]): void {
    for (const {cidr, cidrClass} of restored) if (cidrClass !== 0) this.restoredClasses.set(String(cidr), cidrClass)
    this.set('restored', restored)
    const {nodes, endpoints, remoteEndpoints, endpointSlices} = this.tables
    this.claimCluster()
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
            if (row === undefined) this.nodeIdentities?.forget(key)
            this.claimNode(key, row)
          }
        },
        {initial: true},
      ),
      endpointSlices.subscribe(
        (changes) => {
          if (changes.some(({row, old}) => (row ?? old)?.service === apiService)) this.followApiServers()
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
    const end = this.nodeIdentities?.onUsable((names) => {
      for (const name of names) this.claimNode(name, nodes.get(name))
    })
    if (end !== undefined) this.ends.push(end)
    const all = [nodes, endpoints, remoteEndpoints].map((table) => table.whenSynced({signal: this.stopping.signal}))
    void Promise.all([...all, this.whenClassed]).then(
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

  /** Destinations outside that see pods' own addresses. */
  setExempt(cidrs: readonly Cidr[]): void {
    this.exempt = cidrs
    this.claimCluster()
  }

  private claimCluster(): void {
    const plan = {...this.plan, nativeCidrs: [...this.plan.nativeCidrs, ...this.exempt]}
    this.set('cluster', clusterRows(plan, this.apiServers))
  }

  /** The API server has moved. While nobody knows where it is, what was known holds. */
  private followApiServers(): void {
    const now = apiServerIps(this.tables).sort(compareIps)
    if (now.length === 0 || now.join() === this.apiServers.join()) return
    this.apiServers = now
    this.claimCluster()
    for (const row of this.tables.nodes.values()) this.claimNode(row.name, row)
  }

  private claimNode(name: string, node: NodeRow | undefined): void {
    const {plan, apiServers, nodeIdentities} = this
    const rows = node === undefined || node.local ? [] : nodeRows(node, plan, apiServers, nodeIdentities?.of)
    this.set(`node/${name}`, rows)
  }

  private forgetRestored(): void {
    if (this.stopping.signal.aborted) return
    this.set('restored', [])
    this.tables.addresses.markSynced('cluster')
  }

  /** Gives every address its class, and each prefix that policies ask about a row of its own. */
  setClasses(classes: AddressClasses): void {
    this.classes = classes
    this.claimPrefixes()
    for (const row of [...this.tables.addresses.values()]) {
      const cidrClass = classes.classOf(row)
      if (cidrClass !== row.cidrClass) this.tables.addresses.upsert({...row, cidrClass})
    }
  }

  /** A row for a prefix says in all but its class what the prefix around it says. */
  private claimPrefixes(): void {
    if (this.classes === undefined) return
    const covers = this.covers()
    this.set(
      'policy',
      this.classes.prefixes.flatMap((cidr): AddressRow[] => {
        const cover = lastOf(covers.covering(cidr))
        return cover === undefined ? [] : [{...cover, cidr, source: 'policy', owner: 'policy'}]
      }),
    )
  }

  /** What those say about prefixes who have them. */
  private covers(): PrefixTable<AddressRow> {
    return prefixesOf([...this.tables.addresses.values()].filter((row) => !isLoose(row)))
  }

  private set(owner: string, rows: readonly AddressRow[]): void {
    let ranges = false
    for (const [key, row] of this.claims.set(owner, rows)) {
      if (row === undefined) this.tables.addresses.delete(key)
      else this.tables.addresses.upsert({...row, cidrClass: this.classOf(key, row)})
      ranges ||= row === undefined ? !/\/(32|128)$/.test(key) : !isHost(row.cidr)
    }
    if (ranges && owner !== 'policy') this.claimPrefixes()
  }

  private classOf(key: string, row: AddressRow): number {
    if (this.classes !== undefined) return this.classes.classOf(row)
    return this.tables.addresses.get(key)?.cidrClass ?? this.restoredClasses.get(key) ?? 0
  }
}

function prefixesOf(rows: Iterable<AddressRow>): PrefixTable<AddressRow> {
  const table = new PrefixTable<AddressRow>()
  for (const row of rows) if (!isHost(row.cidr)) table.set(row.cidr, row)
  return table
}

/** A row that is there for its class, or until somebody knows better. */
function isLoose({source}: AddressRow): boolean {
  return source === 'policy' || source === 'restored'
}

function isHost(cidr: Cidr): boolean {
  return cidr.length === cidr.network.bits
}

function lastOf(entries: Iterable<{readonly value: AddressRow}>): AddressRow | undefined {
  let last: AddressRow | undefined
  for (const {value} of entries) last = value
  return last
}
