/**
 * The policy engine over maps that are plain tables, asked after every single write what a packet would be told: what
 * is wrong only between two writes is seen here.
 */
import type {AddressPlan} from '../../../src/agent/identity/address-rows.ts'
import {NodeIdentities} from '../../../src/agent/identity/node-identities.ts'
import type {RememberedNode} from '../../../src/agent/identity/node-identity-memory.ts'
import type {SetMaps, StoredSet} from '../../../src/agent/policy/door.ts'
import {type HostPart, PolicyEnforcer} from '../../../src/agent/policy/enforcer.ts'
import type {Refusal} from '../../../src/agent/policy/refusal.ts'
import type {FormerSets} from '../../../src/agent/policy/standings.ts'
import {AddressClaimants} from '../../../src/agent/reconcile/address-claimants.ts'
import {addressReconciler} from '../../../src/agent/reconcile/addresses.ts'
import type {EndpointSets} from '../../../src/agent/reconcile/datapath-door.ts'
import {policyRow} from '../../../src/agent/reflect/policy.ts'
import type {AddressRow, EndpointRow} from '../../../src/agent/state/rows.ts'
import {createTables} from '../../../src/agent/state/tables.ts'
import {HOST_SLOT} from '../../../src/datapath/gen/constants.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {identity} from '../../../src/model/identity.ts'
import {Ip} from '../../../src/model/ip.ts'
import {LabelFilter} from '../../../src/model/label-filter.ts'
import {LabelSet} from '../../../src/model/labels.ts'
import {PrefixTable} from '../../../src/model/prefix-table.ts'
import {type Failsafe, noFailsafe} from '../../../src/policy/failsafe.ts'
import {RuleSetLookup} from '../../../src/policy/lookup.ts'
import {defaultPolicyOptions, type PolicyOptions} from '../../../src/policy/options.ts'
import type {NumberedGroup, PeerRow} from '../../../src/policy/peer-groups.ts'
import type {PolicyKind} from '../../../src/policy/rule.ts'
import {silentLog} from '../../../src/runtime/log.ts'
import {ReconcilerRunner} from '../../../src/runtime/reconciler.ts'
import {endpoint} from '../../unit/agent/rows.ts'
import {FakeClock} from '../fake-clock.ts'

/** What outlives an agent. */
export class PlainMaps {
  readonly sets = new Map<number, StoredSet>()
  readonly endpoints = new Map<number, EndpointSets & {readonly generation: number}>()
  readonly addresses = new Map<string, AddressRow>()
  next = 16
  groups: readonly NumberedGroup[] = []
  readonly peers = new Map<string, PeerRow>()
  nodes: readonly RememberedNode[] = []
  /** how often flows were to be judged again */
  epoch = 0
  full = Number.POSITIVE_INFINITY
  writes: string[] = []
  /** called after every write */
  afterWrite: () => void = () => {}

  wrote(what: string): void {
    this.writes.push(what)
    this.afterWrite()
  }
}

interface Pod {
  readonly name: string
  readonly ip: string
  readonly identity: number
  readonly labels: Readonly<Record<string, string>>
  readonly ports?: readonly {readonly name: string; readonly port: number}[]
}

const plan: AddressPlan = {ipv4: true, ipv6: true, tunnel: false, underlay: 4, nativeCidrs: []}

/** What a host firewall meets: its row, its memory on disk, and who witnesses that the node is within reach. */
export class HostRig {
  readonly maps: PlainMaps
  /** on disk */
  confirmed: string | undefined
  apiServer = true
  others = true
  failsafe: Failsafe = noFailsafe
  private readonly listeners = new Set<() => void>()

  constructor(maps: PlainMaps) {
    this.maps = maps
  }

  /** Another node's probe is answered. */
  probe(): void {
    for (const listener of this.listeners) listener()
  }

  part(): HostPart {
    return {
      row: {
        put: (sets) => {
          this.maps.endpoints.set(HOST_SLOT, {...sets, generation: 1})
          this.maps.wrote(`host ${sets.ingress} ${sets.egress}`)
        },
      },
      former: this.maps.endpoints.get(HOST_SLOT),
      memory: {read: () => this.confirmed, write: (content) => void (this.confirmed = content)},
      witnesses: {
        askApiServer: async () => {
          if (!this.apiServer) throw new Error('connect ETIMEDOUT')
        },
        probedByOthers: () => this.others,
        onProbed: (listener) => {
          this.listeners.add(listener)
          return () => this.listeners.delete(listener)
        },
      },
      audits: () => false,
      failsafe: () => this.failsafe,
    }
  }
}

export class PolicyWorld {
  readonly maps: PlainMaps
  readonly tables = createTables()
  readonly clock: FakeClock
  readonly enforcer: PolicyEnforcer
  private readonly claimants: AddressClaimants
  private readonly runner: ReconcilerRunner<AddressRow>
  private readonly options: PolicyOptions
  private version = 0
  mode: 'default' | 'always' | 'never' = 'default'
  /** policies that are not in force, and why */
  refused: ReadonlyMap<string, Refusal> = new Map()
  /** identities that policies have come to know */
  readonly learnt: {readonly scope: string; readonly seconds: number}[] = []
  /** passes that put changes of policies into force */
  enforced = 0

  /**
   * An agent starts, over maps that another may have left.
   *
   * @param more `nodeSelectors`: nodes are told apart by labels
   */
  constructor(maps = new PlainMaps(), clock = new FakeClock(), host?: HostRig, {nodeSelectors = false} = {}) {
    this.maps = maps
    this.options = {...defaultPolicyOptions, nodeSelectors, hostFirewall: host !== undefined}
    this.clock = clock
    const {tables} = this
    const nodeIdentities = nodeSelectors
      ? new NodeIdentities({
          ...{table: tables.nodeIdentities, cluster: 'default', filter: LabelFilter.parseForNodes().filter},
          memory: {write: (nodes) => void (maps.nodes = nodes)},
        })
      : undefined
    nodeIdentities?.restore(maps.nodes)
    const former: FormerSets = new Map([...maps.endpoints].map(([slot, row]) => [slot, {...row}]))
    this.enforcer = new PolicyEnforcer({
      tables,
      maps: setMaps(maps),
      endpointMap: {put: (row, sets) => this.put(row, sets)},
      former,
      addresses: {
        setClasses: (classes) => this.claimants.setClasses(classes),
      },
      addressesSettled: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        await this.runner.whenIdle()
      },
      memory: {
        read: () => maps.groups,
        write: (groups) => {
          maps.groups = groups
        },
      },
      policyOptions: this.options,
      host: host?.part(),
      nodeIdentities,
      nodesMatch: false,
      mode: () => this.mode,
      audits: () => false,
      remember: () => {},
      news: {
        refused: (reasons) => void (this.refused = reasons),
        enforced: () => void this.enforced++,
        learnt: (scope, seconds) => this.learnt.push({scope, seconds}),
      },
      clock,
      log: silentLog,
    })
    this.claimants = new AddressClaimants(tables, plan, () => false, this.enforcer.whenClassed, nodeIdentities)
    const restored = [...maps.addresses.values()].filter((row) => row.endpoint === undefined)
    this.claimants.start(restored.map((row) => ({...row, source: 'restored', owner: 'restored'})))
    this.claimants.setHost([Ip.of('192.0.2.1')])
    this.claimants.setPodRanges([Cidr.of('10.0.1.0/24')])
    this.runner = new ReconcilerRunner({
      name: 'addresses',
      table: tables.addresses,
      reconciler: addressReconciler({
        read: () => [...maps.addresses.values()].map(({cidr}) => cidr),
        put: (row) => {
          const key = String(row.cidr)
          const before = maps.addresses.get(key)
          maps.addresses.set(key, row)
          if (before?.identity !== row.identity) maps.wrote(`address ${key} identity ${row.identity}`)
          if (before?.cidrClass !== row.cidrClass) maps.wrote(`address ${key} class ${row.cidrClass}`)
          return true
        },
        remove: (cidr) => {
          const was = maps.addresses.delete(String(cidr))
          maps.wrote(`address ${cidr} gone`)
          return was
        },
        moveEpoch: () => maps.epoch++,
      }),
      begin: 'now',
      log: silentLog,
    })
    tables.endpoints.markSynced('disk')
    this.runner.start()
    this.enforcer.start()
  }

  /** A pod of this node; its slot is the last part of its address. */
  local(pod: Pod): void {
    this.know(pod)
    this.tables.endpoints.upsert(
      endpoint({
        id: slotOf(pod.ip),
        pod: pod.name,
        ipv4: Ip.of(pod.ip),
        ipv6: undefined,
        identity: identity(pod.identity),
        labels: labelsOf(pod),
        allLabels: labelsOf(pod),
      }),
    )
  }

  remote(pod: Pod): void {
    this.know(pod)
    this.tables.remoteEndpoints.upsert({
      namespace: 'default',
      name: pod.name,
      uid: pod.name,
      identity: identity(pod.identity),
      ips: [Ip.of(pod.ip)],
      nodeIp: Ip.of('192.0.2.2'),
      namedPorts: (pod.ports ?? []).map((port) => ({...port, protocol: 'TCP'})),
    })
  }

  apply(kind: PolicyKind, name: string, spec: object): void {
    this.version++
    const metadata = {name, namespace: 'default', uid: name, resourceVersion: String(this.version)}
    this.tables.policies.upsert(policyRow(kind, {metadata, spec} as never, this.options))
  }

  delete(kind: PolicyKind, name: string): void {
    this.tables.policies.delete(`${kind} default/${name}`)
  }

  /** A clusterwide policy. */
  applyWide(name: string, spec: object): void {
    this.version++
    const metadata = {name, uid: name, resourceVersion: String(this.version)}
    this.tables.policies.upsert(policyRow('CiliumClusterwideNetworkPolicy', {metadata, spec} as never, this.options))
  }

  deleteWide(name: string): void {
    this.tables.policies.delete(`CiliumClusterwideNetworkPolicy ${name}`)
  }

  /** What the Node of this node says. */
  node(labels: Readonly<Record<string, string>>): void {
    this.tables.localNode.upsert({
      ...{name: 'n1', uid: 'n1', internalIps: [], externalIps: [], podCidrs: [], labels, taints: []},
      runtime: undefined,
    })
  }

  /** Another node, at these addresses. */
  otherNode(name: string, ips: readonly string[], labels: Readonly<Record<string, string>>): void {
    this.tables.nodes.upsert({
      ...{name, local: false, externalIps: [], routerIps: [], healthIps: [], podCidrs: [], labels},
      internalIps: ips.map(Ip.of),
      bootId: undefined,
    })
  }

  /** Every source has told all it had. */
  sync(): void {
    const {tables} = this
    for (const table of Object.values(tables)) {
      for (const source of (table as {waitingFor: readonly string[]}).waitingFor) {
        if (source !== 'cluster') (table as {markSynced(source: string): void}).markSynced(source)
      }
    }
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      await this.runner.whenIdle()
    }
  }

  async stop(): Promise<void> {
    await this.enforcer.stop()
    this.claimants.stop()
    await this.runner.stop()
  }

  /** What the datapath would say now: of this endpoint, to a peer at this address. */
  ask(slot: number, direction: 'ingress' | 'egress', peer: string, port: number): 'allow' | 'deny' {
    const set = this.maps.endpoints.get(slot)?.[direction] ?? 0
    if (set < 2) return set === 1 ? 'allow' : 'deny'
    const stored = this.maps.sets.get(set)
    if (stored === undefined) return 'deny'
    const prefixes = new PrefixTable<AddressRow>()
    for (const row of this.maps.addresses.values()) prefixes.set(row.cidr, row)
    const found = prefixes.longest(Ip.of(peer))?.value
    if (found === undefined) return 'deny'
    const {identity, cidrClass} = found
    const rowOf = (kind: string, number: number) => this.maps.peers.get(`${kind} ${number}`)?.groups
    const content = {...stored, hash: '', groups: [], portNames: []}
    return new RuleSetLookup(content, {rowOf}).ask({identity, cidrClass, protocol: 6, port}).verdict
  }

  private know({identity: id, name, ports = [], ...pod}: Pod): void {
    this.tables.identities.upsert({id: identity(id), labels: labelsOf(pod)})
    this.tables.pods.upsert({
      namespace: 'default',
      name,
      uid: `uid${slotOf(pod.ip)}`,
      labels: pod.labels,
      annotations: {},
      serviceAccount: undefined,
      hostNetwork: false,
      phase: 'Running',
      ready: true,
      terminating: false,
      namedPorts: ports.map((port) => ({...port, protocol: 'TCP'})),
      hostPorts: [],
      workload: {name: 'w', kind: 'Pod'},
    })
  }

  private put(row: EndpointRow, sets: EndpointSets): void {
    this.maps.endpoints.set(row.id, {...sets, generation: row.generation})
    this.maps.wrote(`endpoint ${row.id} ${sets.ingress} ${sets.egress}`)
  }
}

function setMaps(maps: PlainMaps): SetMaps {
  return {
    read: () => new Map(maps.sets),
    take: () => maps.next++,
    write(number, set) {
      if (maps.sets.has(number)) throw new Error(`set ${number} is there`)
      maps.sets.set(number, set)
      maps.wrote(`set ${number}`)
    },
    remove(number) {
      maps.sets.delete(number)
      maps.wrote(`set ${number} gone`)
    },
    sweep() {},
    readPeers: () => maps.peers.values(),
    writePeers(rows) {
      for (const row of rows) {
        const key = `${row.kind} ${row.number}`
        if (row.groups === undefined) maps.peers.delete(key)
        else maps.peers.set(key, {...row, groups: row.groups.slice()})
        maps.wrote(`peer ${key}`)
      }
    },
    moveEpoch: () => maps.epoch++,
    get maxEntries() {
      return maps.full
    },
    maxBlocks: 1000,
    maxParts: 1000,
  }
}

function slotOf(ip: string): number {
  return Number(ip.split('.').at(-1))
}

function labelsOf({labels}: Pick<Pod, 'labels'>): LabelSet {
  return LabelSet.fromRecord({
    ...labels,
    'io.kubernetes.pod.namespace': 'default',
    'io.cilium.k8s.policy.cluster': 'default',
  })
}
