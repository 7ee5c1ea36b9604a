/**
 * LB-IPAM: services of type LoadBalancer get addresses of CiliumLoadBalancerIPPools.
 *
 *     pools ────┐
 *     services ─┴─► assignAddresses ─► tables lb-assignments, lb-pools ─► reconcilers ─► status of services and pools
 *                        ▲                    │
 *                        └─ what was given ───┘  and is not in the object yet: nobody else gets it meanwhile
 */
import type {KubeClient} from '../../k8s/client.ts'
import {objects} from '../../k8s/objects.ts'
import {Reflector} from '../../k8s/reflector.ts'
import {type KubeObject, type Resource, resources, type Service} from '../../k8s/resources.ts'
import type {Ip} from '../../model/ip.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {Log} from '../../runtime/log.ts'
import {type ReconcilerMetrics, ReconcilerRunner} from '../../runtime/reconciler.ts'
import {Table} from '../../runtime/table.ts'
import {derive} from '../derive.ts'
import type {OperatorMetrics} from '../metrics.ts'
import {assignAddresses} from './assign.ts'
import {lbServiceRow, type PoolObject, poolRow, type ServiceChoice, satisfiedCondition} from './objects.ts'
import type {Assignment, Condition, LbServiceRow, PoolRow, PoolState} from './rows.ts'

export interface LbIpamOptions {
  readonly client: KubeClient
  readonly choice: ServiceChoice
  readonly clock: Clock
  readonly log: Log
  readonly metrics: ReconcilerMetrics
  readonly counts: OperatorMetrics
}

/** What is to be written, and whether it is there. */
type Written<Row> = Row & {readonly written: boolean}

export class LbIpam {
  readonly services: Table<LbServiceRow>
  readonly pools: Table<PoolRow>
  readonly assignments: Table<Written<Assignment>>
  readonly states: Table<Written<PoolState>>
  private readonly options: LbIpamOptions
  private readonly parts: {start(): void; stop(): Promise<void>}[]
  private end: (() => void) | undefined

  constructor(options: LbIpamOptions) {
    this.options = options
    const byKey = ({namespace, name}: {namespace: string; name: string}) => `${namespace}/${name}`
    const byName = ({name}: {name: string}) => name
    const equal = (a: unknown, b: unknown) => a === b || json(a) === json(b)
    this.services = new Table<LbServiceRow>({name: 'lb-services', key: byKey, equal, sources: ['services']})
    this.pools = new Table<PoolRow>({name: 'lb-pools', key: byName, equal, sources: ['ciliumloadbalancerippools']})
    const sources = ['assignment']
    this.assignments = new Table<Written<Assignment>>({name: 'lb-assignments', key: byKey, equal, sources})
    this.states = new Table<Written<PoolState>>({name: 'lb-pool-states', key: byName, equal, sources})
    const {client, clock, log, metrics, choice} = options
    const services = objects<Service>(client, resources.services)
    const pools = objects<PoolObject>(client, resources.ciliumLoadBalancerIpPools)
    const running = {concurrency: 4, pruneEveryMs: 0, clock, log, metrics}
    this.parts = [
      this.follow(resources.services, this.services, (service: Service) => lbServiceRow(service, choice)),
      this.follow(resources.ciliumLoadBalancerIpPools, this.pools, poolRow),
      new ReconcilerRunner<Written<Assignment>>({
        ...running,
        name: 'lb-services',
        table: this.assignments,
        reconciler: {
          update: async (row) => {
            const service = this.services.get(byKey(row))
            if (service === undefined || row.written) return
            const status = this.serviceStatus(service, row)
            const body = {metadata: {resourceVersion: service.resourceVersion}, status}
            const now = lbServiceRow(await services.mergePatch(service, body, {subresource: 'status'}), choice)
            if (now === undefined) this.services.delete(byKey(row))
            else this.services.upsert(now)
          },
          remove() {}, // the service is gone, its status with it
        },
      }),
      new ReconcilerRunner<Written<PoolState>>({
        ...running,
        name: 'lb-pools',
        table: this.states,
        reconciler: {
          update: async (row) => {
            const pool = this.pools.get(row.name)
            if (pool === undefined || row.written) return
            const body = {
              metadata: {resourceVersion: pool.resourceVersion},
              status: {conditions: this.poolConditions(pool, row)},
            }
            this.pools.upsert(poolRow(await pools.mergePatch(pool, body, {subresource: 'status'})))
          },
          remove() {}, // as above
        },
      }),
    ]
  }

  start(): void {
    for (const part of this.parts) part.start()
    this.end = derive([this.services, this.pools], this.options.clock, () => this.assign())
  }

  async stop(): Promise<void> {
    this.end?.()
    for (const part of [...this.parts].reverse()) await part.stop()
  }

  private assign(): void {
    const {counts} = this.options
    const services = [...this.services.values()].map((service) => ({...service, ingress: this.held(service)}))
    const {assignments, pools} = assignAddresses([...this.pools.values()], services)
    this.assignments.replaceAll(
      assignments.map((row) => {
        const service = this.services.get(`${row.namespace}/${row.name}`)!
        const sameIps = sameAddresses(service.ingress, row.ips ?? [])
        const condition = service.conditions.find(({type}) => type === satisfiedCondition)
        const said =
          row.ips === undefined
            ? condition === undefined
            : condition?.status === row.status && condition.reason === row.reason && condition.message === row.message
        return {...row, written: sameIps && said}
      }),
    )
    this.states.replaceAll(
      pools.map((state) => {
        const pool = this.pools.get(state.name)!
        const wanted = this.poolConditions(pool, state)
        return {...state, written: wanted.every((one) => pool.conditions.includes(one))}
      }),
    )
    this.assignments.markSynced('assignment')
    this.states.markSynced('assignment')
    counts.lbPools(pools)
    counts.lbServices(assignments.filter(({ips}) => ips !== undefined))
  }

  /** What a service has: its status, and what was given to it and is not written there yet. */
  private held(service: LbServiceRow): readonly Ip[] {
    const row = this.assignments.get(`${service.namespace}/${service.name}`)
    if (row === undefined || row.written || row.ips === undefined) return service.ingress
    return [...row.ips, ...service.ingress.filter((ip) => !row.ips!.some((one) => one.equals(ip)))]
  }

  private serviceStatus(service: LbServiceRow, {ips, status, reason, message}: Assignment): object {
    const others = service.conditions.filter(({type}) => type !== satisfiedCondition)
    const own = {type: satisfiedCondition, status, reason, message}
    return {
      loadBalancer: {ingress: (ips ?? []).map((ip) => ({ip: String(ip)}))},
      conditions: ips === undefined ? others : [...others, this.dated(service, own)],
    }
  }

  /** Those that are there already are given back as they are. */
  private poolConditions(pool: PoolRow, {conflict, total, used}: PoolState): readonly Condition[] {
    const problems = [
      ...pool.problems,
      ...('problem' in pool.selector
        ? [`serviceSelector.${pool.selector.problem.path} ${pool.selector.problem.reason}`]
        : []),
    ]
    const count = (type: string, value: bigint) => ({
      type,
      status: 'Unknown',
      reason: 'noreason',
      message: String(value),
    })
    const conditions = [
      {
        type: 'cilium.io/PoolConflict',
        status: conflict === '' && problems.length === 0 ? 'False' : 'True',
        reason: problems.length > 0 ? 'invalid' : conflict === '' ? 'resolved' : 'cidr_overlap',
        message: [...problems, conflict].filter((text) => text !== '').join('; '),
      },
      count('cilium.io/IPsTotal', total),
      count('cilium.io/IPsAvailable', total - used),
      count('cilium.io/IPsUsed', used),
    ]
    return conditions.map((one) => this.dated(pool, one))
  }

  private dated(
    {conditions, generation}: {readonly conditions: readonly Condition[]; readonly generation: number},
    wanted: Condition,
  ): Condition {
    const found = conditions.find(({type}) => type === wanted.type)
    const same = found?.status === wanted.status && found.reason === wanted.reason && found.message === wanted.message
    if (same) return found
    const since = found?.status === wanted.status ? found.lastTransitionTime : undefined
    const now = new Date(this.options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    return {...wanted, lastTransitionTime: since ?? now, observedGeneration: generation}
  }

  private follow<In extends KubeObject, Row>(
    resource: Resource,
    table: Table<Row, string>,
    row: (object: In) => Row | undefined,
  ): Reflector<In, Row> {
    const {client, log, clock} = this.options
    return new Reflector<In, Row>({
      client,
      resource,
      trim: row,
      onEvents: (events) => {
        for (const event of events) {
          if (event.type === 'upsert') table.upsert(event.object)
          else table.delete(event.key)
        }
      },
      onSynced: () => table.markSynced(resource.plural),
      log,
      clock,
    })
  }
}

function sameAddresses(a: readonly Ip[], b: readonly Ip[]): boolean {
  return a.length === b.length && a.every((ip) => b.some((one) => one.equals(ip)))
}

function json(value: unknown): string {
  return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one))
}
