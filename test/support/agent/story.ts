/**
 * A story: Kubernetes objects in, rows and map entries out. Runs the agent's reflectors, engines and reconcilers over
 * maps that are plain tables; dumps are sorted lines, so that a difference explains itself.
 */
import type {AddressPlan} from '../../../src/agent/identity/address-rows.ts'
import type {RoutePlan} from '../../../src/agent/node/route-rows.ts'
import {AddressClaimants} from '../../../src/agent/reconcile/address-claimants.ts'
import {addressReconciler} from '../../../src/agent/reconcile/addresses.ts'
import type {AddressMaps, EndpointMap} from '../../../src/agent/reconcile/datapath-door.ts'
import {EndpointIdentity} from '../../../src/agent/reconcile/endpoint-identity.ts'
import {endpointReconciler} from '../../../src/agent/reconcile/endpoints.ts'
import {RouteClaimants} from '../../../src/agent/reconcile/route-claimants.ts'
import {type CiliumEndpointObject, remoteEndpointRow} from '../../../src/agent/reflect/cilium-endpoint.ts'
import {type CiliumIdentityObject, identityRow} from '../../../src/agent/reflect/cilium-identity.ts'
import {type CiliumNodeObject, nodeRow} from '../../../src/agent/reflect/cilium-node.ts'
import {namespaceRow} from '../../../src/agent/reflect/namespace.ts'
import {type PodObject, podRow} from '../../../src/agent/reflect/pod.ts'
import type {AddressRow, EndpointRow} from '../../../src/agent/state/rows.ts'
import {createTables} from '../../../src/agent/state/tables.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {clusterIdentities, type Identity, identity} from '../../../src/model/identity.ts'
import {Ip} from '../../../src/model/ip.ts'
import {LabelFilter} from '../../../src/model/label-filter.ts'
import {silentLog} from '../../../src/runtime/log.ts'
import {type Reconciler, ReconcilerRunner} from '../../../src/runtime/reconciler.ts'
import type {Table} from '../../../src/runtime/table.ts'
import {endpoint} from '../../unit/agent/rows.ts'
import {FakeClock} from '../fake-clock.ts'

export interface StoryFile {
  /** what it shows, in a sentence */
  readonly title: string
  readonly node: {
    readonly name: string
    readonly ips: readonly string[]
    readonly podCidrs: readonly string[]
    readonly mode: 'tunnel' | 'native'
    readonly nativeCidrs?: readonly string[]
    /** addresses that the maps held before the agent started: cidr → identity */
    readonly restored?: Readonly<Record<string, number>>
  }
  readonly steps: readonly StoryStep[]
}

export interface StoryStep {
  readonly does: string
  readonly objects?: readonly StoryObject[]
  readonly deletes?: readonly {readonly kind: string; readonly name: string; readonly namespace?: string}[]
  /** pods that CNI has connected: name → slot */
  readonly connects?: Readonly<Record<string, number>>
  readonly disconnects?: readonly number[]
  /** every source has told all it had */
  readonly synced?: boolean
  readonly expect: {
    readonly addresses?: string
    readonly endpoints?: string
    readonly routes?: string
    /** how often the epoch has moved since the step before, at least once or not at all */
    readonly epoch?: 'moved' | 'same'
  }
}

type StoryObject = {readonly kind: string; readonly metadata: {readonly name: string; readonly namespace?: string}}

/** Runs a story; `check` is given each step with what came of it. */
export async function runStory(
  story: StoryFile,
  check: (step: StoryStep, dump: Required<StoryStep['expect']>) => void,
): Promise<void> {
  const tables = createTables()
  const {node} = story
  const ips = node.ips.map(Ip.of)
  const podCidrs = node.podCidrs.map(Cidr.of)
  const tunnel = node.mode === 'tunnel'
  const maps = new PlainAddressMaps()
  const endpoints = new PlainEndpointMap()
  const restored = Object.entries(node.restored ?? {}).map(([cidr, number]) => restoredRow(cidr, number))
  for (const row of restored) maps.put(row)
  const plan: AddressPlan = {
    ipv4: true,
    ipv6: true,
    tunnel,
    underlay: 4,
    nativeCidrs: (node.nativeCidrs ?? []).map((text) => Cidr.of(text)),
  }
  const routePlan: RoutePlan = {
    ipv4: true,
    ipv6: true,
    mode: node.mode,
    direct: !tunnel,
    overlayDevice: 'cilium_vxlan',
    tunnelMtu: tunnel ? 1450 : undefined,
    routerIps: podCidrs.map((cidr) => cidr.at(1)!),
  }
  const addresses = new AddressClaimants(tables, plan, (ip) => ips.some((own) => own.equals(ip)))
  const routes = new RouteClaimants(tables, routePlan)
  const cluster = new Map<Identity, string>()
  const identities = new EndpointIdentity({
    tables,
    shared: {
      async create(row) {
        if (cluster.has(row.id)) return false
        cluster.set(row.id, row.labels.canonical)
        return true
      },
      find: async () => undefined,
      unmark: async () => {},
    },
    records: {write: async () => {}},
    cluster: 'default',
    filter: LabelFilter.parse().filter,
    range: clusterIdentities(0),
    graceMs: 0,
    clock: new FakeClock(),
    log: silentLog,
  })
  tables.endpoints.markSynced('disk')
  addresses.start(restored)
  addresses.setHost([...ips, ...routePlan.routerIps])
  addresses.setPodRanges(podCidrs)
  routes.start()
  routes.setPodRanges(podCidrs)
  identities.start()
  const runners = [
    follow('addresses', tables.addresses, addressReconciler(maps)),
    follow(
      'endpoints',
      tables.endpoints,
      endpointReconciler(endpoints, () => ({ingress: 1, egress: 1})),
    ),
  ]
  try {
    for (const step of story.steps) {
      const before = maps.epoch
      for (const object of step.objects ?? []) reflect(tables, object, node.name)
      for (const gone of step.deletes ?? []) forget(tables, gone)
      for (const [pod, slot] of Object.entries(step.connects ?? {})) {
        tables.endpoints.upsert(connected(pod, slot, podCidrs))
      }
      for (const slot of step.disconnects ?? []) tables.endpoints.delete(String(slot))
      if (step.synced) sync(tables)
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
      for (const runner of runners) await runner.whenIdle()
      check(step, {
        addresses: maps.dump(),
        endpoints: endpoints.dump(),
        routes: tables.routes
          .sorted()
          .map((row) =>
            [
              row.kind === 'unicast' ? '' : row.kind,
              row.destination,
              via('via', row.gateway),
              via('dev', row.device),
              via('src', row.source),
              via('mtu', row.mtu),
            ]
              .filter((word) => String(word) !== '')
              .join(' '),
          )
          .join('\n'),
        epoch: maps.epoch === before ? 'same' : 'moved',
      })
    }
  } finally {
    identities.stop()
    addresses.stop()
    routes.stop()
    await Promise.all(runners.map((runner) => runner.stop()))
  }
}

function via(word: string, value: unknown): string {
  return value === undefined ? '' : `${word} ${value}`
}

function follow<Row>(name: string, table: Table<Row, string>, reconciler: Reconciler<Row>): ReconcilerRunner<Row> {
  const runner = new ReconcilerRunner<Row>({name, table, reconciler, begin: 'now', log: silentLog})
  runner.start()
  return runner
}

function reflect(tables: ReturnType<typeof createTables>, object: StoryObject, nodeName: string): void {
  switch (object.kind) {
    case 'Pod':
      tables.pods.upsert(podRow(object as PodObject))
      return
    case 'Namespace':
      tables.namespaces.upsert(namespaceRow(object))
      return
    case 'CiliumNode':
      tables.nodes.upsert(nodeRow(object as CiliumNodeObject, nodeName))
      return
    case 'CiliumEndpoint': {
      const row = remoteEndpointRow(object as CiliumEndpointObject)
      if (row !== undefined) tables.remoteEndpoints.upsert(row)
      return
    }
    case 'CiliumIdentity': {
      const row = identityRow(object as CiliumIdentityObject)
      if (row !== undefined) tables.identities.upsert(row)
      return
    }
    default:
      throw new Error(`a story has no ${object.kind}`)
  }
}

function forget(tables: ReturnType<typeof createTables>, gone: NonNullable<StoryStep['deletes']>[number]): void {
  const key = gone.namespace === undefined ? gone.name : `${gone.namespace}/${gone.name}`
  const byKind = {
    Pod: tables.pods,
    CiliumNode: tables.nodes,
    CiliumEndpoint: tables.remoteEndpoints,
    CiliumIdentity: tables.identities,
  } as Record<string, {delete(key: string): unknown}>
  byKind[gone.kind]!.delete(key)
}

function sync(tables: ReturnType<typeof createTables>): void {
  tables.pods.markSynced('pods')
  tables.namespaces.markSynced('namespaces')
  tables.identities.markSynced('ciliumidentities')
  tables.nodes.markSynced('ciliumnodes')
  tables.remoteEndpoints.markSynced('ciliumendpoints')
}

/** A pod's attachment as CNI leaves it: the slot is also the last part of its addresses. */
function connected(pod: string, slot: number, podCidrs: readonly Cidr[]): EndpointRow {
  const [namespace = 'default', name = pod] = pod.split('/')
  return endpoint({
    id: slot,
    namespace,
    pod: name,
    podUid: '',
    state: 'waiting-for-identity',
    identity: undefined,
    labels: undefined,
    allLabels: undefined,
    ipv4: podCidrs.find((cidr) => cidr.family === 4)?.at(slot),
    ipv6: podCidrs.find((cidr) => cidr.family === 6)?.at(slot),
  })
}

function restoredRow(cidr: string, number: number): AddressRow {
  return {
    cidr: Cidr.of(cidr),
    source: 'restored',
    owner: 'restored',
    identity: identity(number),
    cidrClass: 0,
    endpoint: undefined,
    localHost: false,
    remoteNode: false,
    native: false,
    tunnel: undefined,
  }
}

class PlainAddressMaps implements AddressMaps {
  epoch = 0
  private readonly rows = new Map<string, {readonly cidr: Cidr; readonly text: string}>()

  read(): Iterable<Cidr> {
    return [...this.rows.values()].map(({cidr}) => cidr)
  }

  put(row: AddressRow): boolean {
    const text = [
      row.identity,
      row.localHost ? 'host' : '',
      row.remoteNode ? 'node' : '',
      row.native ? 'native' : '',
      row.endpoint === undefined ? '' : `slot ${row.endpoint.slot}`,
      via('tunnel', row.tunnel),
    ]
      .filter((word) => word !== '')
      .join(' ')
    const key = row.cidr.toString()
    if (this.rows.get(key)?.text === text) return false
    this.rows.set(key, {cidr: row.cidr, text})
    return true
  }

  remove(cidr: Cidr): boolean {
    return this.rows.delete(cidr.toString())
  }

  moveEpoch(): void {
    this.epoch++
  }

  dump(): string {
    return [...this.rows]
      .map(([key, {text}]) => `${key} ${text}`)
      .sort()
      .join('\n')
  }
}

class PlainEndpointMap implements EndpointMap {
  private readonly rows = new Map<number, {generation: number; ifindex: number; text: string}>()

  read() {
    return [...this.rows].map(([slot, row]) => ({slot, ...row, ips: []}))
  }

  get(slot: number) {
    return this.rows.get(slot)
  }

  put(row: EndpointRow, sets: {ingress: number; egress: number}): void {
    const text = `${row.identity ?? 0} ${row.ipv4} ${row.ipv6} ${sets.ingress === 0 ? 'closed' : 'open'}`
    this.rows.set(row.id, {generation: row.generation, ifindex: row.ifindex, text})
  }

  close(slot: number, generation: number): void {
    this.rows.set(slot, {generation, ifindex: 0, text: 'free'})
  }

  dump(): string {
    return [...this.rows]
      .map(([slot, {text}]) => `${slot} ${text}`)
      .sort()
      .join('\n')
  }
}
