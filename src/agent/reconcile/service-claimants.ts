/** Turns Services and EndpointSlices into rows of the frontend table as they change. */
import {FrontendClaims} from '../service/claims.ts'
import {frontendsOf, hostPortsOf, type ServicePlan} from '../service/frontends.ts'
import type {FrontendRow} from '../service/rows.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

export class ServiceClaimants {
  private readonly tables: Tables
  private readonly plan: () => ServicePlan
  private readonly claims = new FrontendClaims()
  private readonly ends: (() => void)[] = []
  private readonly stopping = new AbortController()
  /** of the plan that the rows were made with */
  private planned = ''

  /** @param plan what of the node and its configuration counts; asked anew whenever the node changes */
  constructor(tables: Tables, plan: () => ServicePlan) {
    this.tables = tables
    this.plan = plan
  }

  start(): void {
    const {services, endpointSlices, pods, endpoints, localNode, devices} = this.tables
    this.planned = JSON.stringify(this.plan())
    this.ends.push(
      services.subscribe((changes) => this.compute(changes.map(({key}) => key)), {initial: true}),
      endpointSlices.subscribe(
        (changes) => this.compute(changes.flatMap(({row, old}) => [row?.service, old?.service])),
        {initial: true},
      ),
      pods.subscribe((changes) => this.computePods(changes.map(({key}) => key)), {initial: true}),
      endpoints.subscribe(
        (changes) => this.computePods(changes.flatMap(({row, old}) => [row, old].map((one) => one && podKey(one)))),
        {initial: true},
      ),
      localNode.subscribe(() => this.replan()),
      devices.subscribe(() => this.replan()),
    )
    const all = [services, endpointSlices, pods, endpoints, localNode].map((table) =>
      table.whenSynced({signal: this.stopping.signal}),
    )
    void Promise.all(all).then(
      // a turn later: what the tables delivered last has been claimed by then
      () => setImmediate(() => this.stopping.signal.aborted || this.tables.frontends.markSynced('services')),
      () => {}, // stopped before
    )
  }

  stop(): void {
    this.stopping.abort()
    for (const end of this.ends) end()
  }

  /** Frontends that a service wants and another has. */
  conflicts(service: string): ReturnType<FrontendClaims['conflicts']> {
    return this.claims.conflicts(service)
  }

  private replan(): void {
    const planned = JSON.stringify(this.plan())
    if (planned === this.planned) return
    this.planned = planned
    this.compute([...this.tables.services.values()].map(({namespace, name}) => `${namespace}/${name}`))
    this.computePods([...this.tables.pods.values()].map(({namespace, name}) => `${namespace}/${name}`))
  }

  /** Ports of the node that lead to its own pods. */
  private computePods(keys: readonly (string | undefined)[]): void {
    const {pods, endpoints} = this.tables
    const plan = this.plan()
    for (const key of new Set(keys)) {
      if (key === undefined) continue
      const pod = pods.get(key)
      const ips = endpoints
        .by('pod', key)
        .flatMap(({ipv4, ipv6}) => [ipv4, ipv6])
        .filter((ip) => ip !== undefined)
      this.claim(`pod/${key}`, pod === undefined ? [] : hostPortsOf(pod, ips, plan))
    }
  }

  private compute(keys: readonly (string | undefined)[]): void {
    const {services, endpointSlices} = this.tables
    const plan = this.plan()
    for (const key of new Set(keys)) {
      if (key === undefined) continue
      const service = services.get(key)
      const rows: readonly FrontendRow[] =
        service === undefined ? [] : frontendsOf(service, endpointSlices.by('service', key), plan)
      this.claim(key, rows)
    }
  }

  private claim(owner: string, rows: readonly FrontendRow[]): void {
    const {frontends} = this.tables
    for (const {key, row} of this.claims.set(owner, rows)) {
      if (row === undefined) frontends.delete(key)
      else frontends.upsert(row)
    }
  }
}

function podKey({namespace, pod}: EndpointRow): string {
  return `${namespace}/${pod}`
}
