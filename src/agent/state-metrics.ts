/** Metrics that are read where the numbers are, when somebody asks: in tables, pools and the kernel's counters. */
import {COUNTER_DIRECTIONS} from '../datapath/gen/constants.ts'
import type {MapOpener} from '../datapath/maps/open.ts'
import {openCounters} from '../datapath/maps/open.ts'
import {isDrop, reasonText} from '../model/drop-reasons.ts'
import {endpointStates, policyEnforcements} from '../model/endpoint-state.ts'
import {builtInIdentities, identityScope} from '../model/identity.ts'
import type {Gauge, MetricRegistry} from '../runtime/metrics.ts'
import {enforcementOf, type PolicyState} from './api/policy-model.ts'
import {registerLabelSources} from './identity/label-sources.ts'
import type {NodePools} from './ipam/node-pools.ts'
import type {Tables} from './state/tables.ts'

export interface StateMetricsOptions {
  readonly registry: MetricRegistry
  readonly tables: Tables
  readonly pools: NodePools
  /** undefined before the datapath is loaded */
  readonly maps: () => MapOpener | undefined
  /** undefined before the datapath is loaded */
  readonly policy: () => PolicyState | undefined
}

/** Adds them; nothing is kept. */
export function registerStateMetrics({registry, tables, pools, maps, policy}: StateMetricsOptions): void {
  registerEndpoints(registry, tables)
  registerLabelSources(registry, tables)
  registerPolicies(registry, tables, policy)
  registerAddresses(registry, pools)
  registerPackets(registry, maps)
}

function registerEndpoints(registry: MetricRegistry, tables: Tables): void {
  const endpoints = registry.gauge({name: 'cilium_endpoint', help: 'endpoints of this node'}).labels()
  const states = registry.gauge({name: 'cilium_endpoint_state', help: 'endpoints by state', labels: ['endpoint_state']})
  const identities = registry.gauge({name: 'cilium_identity', help: 'identities by type', labels: ['type']})
  const nodes = registry.gauge({name: 'cilium_nodes_all_num', help: 'nodes of the cluster'}).labels()
  const nodeEvents = registry.counter({
    name: 'cilium_nodes_all_events_received_total',
    help: 'nodes that came, changed or went',
    labels: ['event_type', 'source'],
  })
  tables.nodes.subscribe((changes) => {
    for (const {row, old} of changes) {
      const type = row === undefined ? 'delete' : old === undefined ? 'add' : 'update'
      nodeEvents.labels(type, 'custom-resource').inc()
    }
  })
  const terminating = registry
    .counter({
      name: 'cilium_k8s_terminating_endpoints_events_total',
      help: 'changes of EndpointSlices with endpoints that are going',
    })
    .labels()
  tables.endpointSlices.subscribe((changes) => {
    for (const {row} of changes) if (row?.endpoints.some((one) => one.terminating)) terminating.inc()
  })
  registry.onCollect(() => {
    endpoints.set(tables.endpoints.size)
    for (const state of Object.keys(endpointStates)) states.labels(state).set(0)
    for (const {state} of tables.endpoints.values()) states.labels(state).inc()
    identities.labels('cluster_local').set(countCluster(tables))
    identities.labels('reserved').set(builtInIdentities.length)
    identities.labels('remote_node').set(countRemoteNodes(tables))
    nodes.set(tables.nodes.size)
  })
}

function registerPolicies(registry: MetricRegistry, tables: Tables, state: () => PolicyState | undefined): void {
  const policies = registry.gauge({name: 'cilium_policy', help: 'policies that are loaded'}).labels()
  const revision = registry.gauge({name: 'cilium_policy_max_revision', help: 'changes of policies so far'}).labels()
  const enforcement = registry.gauge({
    name: 'cilium_policy_endpoint_enforcement_status',
    help: 'endpoints by the directions in which policies are enforced',
    labels: ['enforcement'],
  })
  const matches = registry.gauge({
    name: 'cilium_policy_selector_match_count_max',
    help: 'identities that the largest selector of a class selects',
    labels: ['class'],
  })
  const changes = registry.counter({
    name: 'cilium_policy_change_total',
    help: 'policies that came, changed or went, and whether they could be used',
    labels: ['source', 'operation', 'outcome'],
  })
  tables.policies.subscribe((all) => {
    for (const {row, old} of all) {
      const operation = row === undefined ? 'delete' : old === undefined ? 'create' : 'update'
      changes.labels('k8s', operation, row?.checked.ok === false ? 'fail' : 'success').inc()
    }
  })
  registry.onCollect(() => {
    policies.set([...tables.policies.values()].filter(({checked}) => checked.ok).length)
    revision.set(state()?.revision ?? 1)
    for (const [of, count] of state()?.engine.largestSelections() ?? []) matches.labels(of).set(count)
    for (const one of policyEnforcements) enforcement.labels(one).set(0)
    for (const row of tables.endpoints.values()) {
      enforcement.labels(enforcementOf(state()?.standings.stateOf(row))).inc()
    }
  })
}

/** This node's own labels stand beside them. */
function countRemoteNodes({nodeIdentities}: Tables): number {
  let count = 0
  for (const {id} of nodeIdentities.values()) if (identityScope(id) === 'remote-node') count++
  return count
}

function countCluster(tables: Tables): number {
  let count = 0
  for (const {id} of tables.identities.values()) if (identityScope(id) === 'cluster') count++
  return count
}

function registerAddresses(registry: MetricRegistry, pools: NodePools): void {
  const used = registry.gauge({name: 'cilium_ip_addresses', help: 'addresses in use', labels: ['family']})
  const capacity: Gauge = registry.gauge({
    name: 'cilium_ipam_capacity',
    help: 'addresses of the pod ranges',
    labels: ['family', 'cidr'],
  })
  const events = registry.counter({
    name: 'cilium_ipam_events_total',
    help: 'addresses given and given back',
    labels: ['action', 'family'],
  })
  registry.onCollect(() => {
    capacity.clear()
    for (const pool of pools.pools) {
      const family = `ipv${pool.family}`
      used.labels(family).set(pool.used)
      events.labels('allocate', family).set(pool.allocations)
      events.labels('release', family).set(pool.releases)
      capacity.labels(family, pool.prefixes.join(' ')).set(Number(pool.capacity))
    }
  })
}

const directions = ['UNKNOWN', 'INGRESS', 'EGRESS', 'SERVICE'] as const

/** The kernel's own counters: exact, also for what no event told of. */
function registerPackets(registry: MetricRegistry, maps: () => MapOpener | undefined): void {
  const counter = (name: string, help: string, labels: readonly string[]) => registry.counter({name, help, labels})
  const dropped = {
    packets: counter('cilium_drop_count_total', 'packets that were dropped', ['reason', 'direction']),
    bytes: counter('cilium_drop_bytes_total', 'bytes that were dropped', ['reason', 'direction']),
  }
  const forwarded = {
    packets: counter('cilium_forward_count_total', 'packets that were forwarded', ['direction']),
    bytes: counter('cilium_forward_bytes_total', 'bytes that were forwarded', ['direction']),
  }
  registry.onCollect(() => {
    const open = maps()
    if (open === undefined) return
    using map = openCounters(open)
    for (const [index, perCpu] of map.entries()) {
      const packets = perCpu.reduce((sum, one) => sum + one.packets, 0)
      if (packets === 0) continue
      const bytes = perCpu.reduce((sum, one) => sum + one.bytes, 0)
      const reason = Math.floor(index / COUNTER_DIRECTIONS)
      const direction = directions[index % COUNTER_DIRECTIONS]!
      if (reason !== 0 && !isDrop(reason)) continue
      const into = isDrop(reason) ? dropped : forwarded
      const labels = isDrop(reason) ? [reasonText(reason), direction] : [direction]
      into.packets.labels(...labels).set(packets)
      into.bytes.labels(...labels).set(bytes)
    }
  })
}
