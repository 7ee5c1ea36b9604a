/** Turns Services and EndpointSlices into rows of the frontend table as they change. */
import {FrontendClaims} from '../service/claims.ts'
import {frontendsOf, hostPortsOf, type ServicePlan, sctpProblems} from '../service/frontends.ts'
import type {FrontendRow, ServiceRow} from '../service/rows.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

/** An event's text is short: what comes first has to do. */
const maxProblems = 5

/** Services that are looked at before other work gets its turn. */
const atOnce = 500

export class ServiceClaimants {
  private readonly tables: Tables
  private readonly plan: () => ServicePlan
  private readonly claims = new FrontendClaims()
  private readonly ends: (() => void)[] = []
  private readonly stopping = new AbortController()
  /** of the plan that the rows were made with */
  private planned = ''
  private readonly report: (service: ServiceRow, problem: string) => void
  /** what was told of a service last */
  private readonly told = new Map<string, string>()
  /** services that have changed since they were looked at */
  private readonly due = new Set<string>()
  private scheduled = false

  /**
   * @param plan what of the node and its configuration counts; asked anew whenever the node changes
   * @param report told once of everything about a service that is not served as it says
   */
  constructor(tables: Tables, plan: () => ServicePlan, report: (service: ServiceRow, problem: string) => void) {
    this.tables = tables
    this.plan = plan
    this.report = report
  }

  start(): void {
    const {services, endpointSlices, pods, endpoints, localNode, devices} = this.tables
    this.planned = JSON.stringify(this.plan())
    this.ends.push(
      services.subscribe((changes) => this.request(changes.map(({key}) => key)), {initial: true}),
      endpointSlices.subscribe(
        (changes) => this.request(changes.flatMap(({row, old}) => [row?.service, old?.service])),
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
      () => this.markSynced(),
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
    this.request([...this.tables.services.values()].map(({namespace, name}) => `${namespace}/${name}`))
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

  /** A turn later than what the tables delivered last, when all of it has been claimed. */
  private markSynced(): void {
    setImmediate(() => {
      if (this.stopping.signal.aborted) return
      if (this.due.size > 0) this.markSynced()
      else this.tables.frontends.markSynced('services')
    })
  }

  /** A service and its slices change together mostly: both are looked at once, at the end of the turn. */
  private request(keys: readonly (string | undefined)[]): void {
    for (const key of keys) if (key !== undefined) this.due.add(key)
    if (this.scheduled || this.due.size === 0) return
    this.scheduled = true
    queueMicrotask(() => this.compute())
  }

  private compute(): void {
    this.scheduled = false
    if (this.stopping.signal.aborted) return
    const {services, endpointSlices} = this.tables
    const plan = this.plan()
    const keys: string[] = []
    for (const key of this.due) {
      this.due.delete(key)
      const service = services.get(key)
      this.claim(key, service === undefined ? [] : frontendsOf(service, endpointSlices.by('service', key), plan))
      if (keys.push(key) === atOnce) break
    }
    for (const key of keys) this.tell(key)
    if (this.due.size === 0) return
    this.scheduled = true
    setImmediate(() => this.compute())
  }

  private tell(key: string): void {
    const service = this.tables.services.get(key)
    const problems = service === undefined ? [] : [...service.problems]
    const slices = this.tables.endpointSlices.by('service', key)
    if (service?.ports.some(({protocol}) => protocol === 'SCTP') && this.plan().sctp)
      problems.push(...sctpProblems(service, slices))
    for (const slice of slices)
      for (const problem of slice.problems) problems.push(`EndpointSlice ${slice.name}: ${problem}`)
    for (const {frontend, holder} of this.conflicts(key))
      problems.push(
        `${frontend.key} (${frontend.kind}) is served for ${holder.namespace}/${holder.name}, not for this service`,
      )
    const text = problems.slice(0, maxProblems).join('; ')
    if (text === (this.told.get(key) ?? '')) return
    if (text === '' || service === undefined) this.told.delete(key)
    else {
      this.told.set(key, text)
      this.report(service, text)
    }
  }

  /** Says all frontends that an owner wants; others keep theirs where they are stronger. */
  claim(owner: string, rows: readonly FrontendRow[]): void {
    const {frontends} = this.tables
    for (const {key, row} of this.claims.set(owner, rows)) {
      if (row === undefined) frontends.delete(key)
      else frontends.upsert(row)
      // who wanted it too has lost it, or has it again
      for (const other of this.claims.claimants(key)) if (other !== owner) this.tell(other)
    }
  }
}

function podKey({namespace, pod}: EndpointRow): string {
  return `${namespace}/${pod}`
}
