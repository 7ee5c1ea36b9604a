/**
 * What was known of the rest of the cluster, on disk: a node that was rebooted while the API server is away reaches the
 * other nodes' pods by it. Written a while after a change, never more often than that; a restart alone does not need it,
 * as maps and routes outlive the agent.
 */
import {join} from 'node:path'
import {Cidr} from '../../model/cidr.ts'
import {identity, identityScope, reservedIdentities} from '../../model/identity.ts'
import {Ip} from '../../model/ip.ts'
import {readState} from '../../runtime/atomic-file.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {KeptFile} from '../../runtime/kept-file.ts'
import type {Log} from '../../runtime/log.ts'
import type {AddressRow, NodeRow} from './rows.ts'
import type {Tables} from './tables.ts'

export interface Remembered {
  readonly nodes: readonly NodeRow[]
  readonly addresses: readonly AddressRow[]
}

interface StoredNode {
  readonly name: string
  readonly internalIps: readonly string[]
  readonly externalIps: readonly string[]
  readonly routerIps: readonly string[]
  readonly healthIps: readonly string[]
  readonly podCidrs: readonly string[]
}

/** cidr, identity, is a node's, is native, tunnel: a line each, as there may be tens of thousands. */
type StoredAddress = readonly [string, number, 0 | 1, 0 | 1, string | null]

interface Stored {
  readonly nodes: readonly StoredNode[]
  readonly addresses: readonly StoredAddress[]
}

const version = 1
const quietMs = 15_000

export class ClusterMemory {
  private readonly path: string
  private readonly tables: Tables
  private readonly clock: Clock
  private readonly log: Log
  private readonly ends: (() => void)[] = []
  private timer: Timer | undefined
  private readonly file: KeptFile

  constructor(libDir: string, tables: Tables, clock: Clock, log: Log) {
    this.path = join(libDir, 'cluster.json')
    this.tables = tables
    this.clock = clock
    this.log = log.for('cluster-memory')
    this.file = new KeptFile({path: this.path, version, clock, log: this.log})
  }

  /** Nothing when there is no file, or none that can be read. */
  async read(): Promise<Remembered> {
    try {
      const stored = await readState<Stored>(this.path, {version})
      if (stored !== undefined)
        return {nodes: stored.nodes.map(restoreNode), addresses: stored.addresses.map(restoreAddress)}
    } catch (thrown) {
      this.log.warn('what was known of the cluster cannot be read', {error: CiliumError.from(thrown)})
    }
    return {nodes: [], addresses: []}
  }

  /** Begins to write what changes. */
  start(): void {
    const changed = () => {
      this.timer ??= this.clock.after(quietMs, () => {
        this.timer = undefined
        this.write()
      })
    }
    this.ends.push(this.tables.nodes.subscribe(changed), this.tables.addresses.subscribe(changed))
  }

  async stop(): Promise<void> {
    for (const end of this.ends) end()
    if (this.timer !== undefined) {
      this.timer.cancel()
      this.write()
    }
    await this.file.stop()
  }

  /** Half of the truth would look like the whole one: nothing is written before everything has been told. */
  private write(): void {
    const {nodes, addresses} = this.tables
    if (!nodes.synced || !addresses.synced) return
    const content: Stored = {
      nodes: nodes
        .sorted()
        .filter((row) => !row.local)
        .map(storeNode),
      addresses: addresses
        .sorted()
        .filter(({source}) => source === 'node' || source === 'remote-endpoint')
        .map(storeAddress),
    }
    this.file.put(content)
  }
}

function storeNode(row: NodeRow): StoredNode {
  const {name, internalIps, externalIps, routerIps, healthIps, podCidrs} = row
  return {
    name,
    internalIps: internalIps.map(String),
    externalIps: externalIps.map(String),
    routerIps: routerIps.map(String),
    healthIps: healthIps.map(String),
    podCidrs: podCidrs.map(String),
  }
}

function restoreNode(stored: StoredNode): NodeRow {
  return {
    name: stored.name,
    local: false,
    internalIps: stored.internalIps.map(Ip.of),
    externalIps: stored.externalIps.map(Ip.of),
    routerIps: stored.routerIps.map(Ip.of),
    healthIps: stored.healthIps.map(Ip.of),
    podCidrs: stored.podCidrs.map((text) => Cidr.of(text)),
    bootId: undefined,
    labels: {},
  }
}

function storeAddress(row: AddressRow): StoredAddress {
  return [String(row.cidr), row.identity, row.remoteNode ? 1 : 0, row.native ? 1 : 0, row.tunnel?.toString() ?? null]
}

function restoreAddress([cidr, number, remoteNode, native, tunnel]: StoredAddress): AddressRow {
  return {
    cidr: Cidr.of(cidr),
    source: 'restored',
    owner: 'restored',
    // what a node's labels are known by means nothing after a reboot
    identity: identityScope(identity(number)) === 'remote-node' ? reservedIdentities['remote-node'] : identity(number),
    cidrClass: 0,
    endpoint: undefined,
    localHost: false,
    remoteNode: remoteNode === 1,
    native: native === 1,
    tunnel: tunnel === null ? undefined : Ip.of(tunnel),
  }
}
