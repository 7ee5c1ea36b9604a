/**
 * What policies refer to by name: CIDR groups and services, as the tables have them now, and which of them have changed.
 * There may be tens of thousands of services and mostly no policy that refers to one: nothing is made of them before a
 * policy asks.
 */
import {type CidrGroup, objectLabels, type PolicyService, type References} from '../../policy/universe.ts'
import type {TableChange} from '../../runtime/table.ts'
import type {EndpointSliceRow} from '../service/rows.ts'
import type {Tables} from '../state/tables.ts'
import type {CidrGroupRow, PolicyServiceRow} from './rows.ts'

type ReferenceTables = Pick<Tables, 'cidrGroups' | 'policyServices' | 'endpointSlices'>

export class TableReferences implements References {
  readonly #tables: ReferenceTables
  /** as they were before a change and as they are since */
  #groups = new Set<CidrGroupRow>()
  #services = new Set<PolicyServiceRow>()

  constructor(tables: ReferenceTables) {
    this.#tables = tables
  }

  get cidrGroups(): readonly CidrGroup[] {
    return this.#tables.cidrGroups.sorted().map(cidrGroup)
  }

  get services(): readonly PolicyService[] {
    return this.#tables.policyServices.sorted().map((row) => this.#service(row))
  }

  groupChanged({row, old}: TableChange<CidrGroupRow>): void {
    for (const one of [row, old]) if (one !== undefined) this.#groups.add(one)
  }

  serviceChanged({row, old}: TableChange<PolicyServiceRow>): void {
    for (const one of [row, old]) if (one !== undefined) this.#services.add(one)
  }

  /** Those of services that select pods say nothing to policies. */
  slicesChanged({row, old}: TableChange<EndpointSliceRow>): void {
    const service = this.#tables.policyServices.get((row ?? old)!.service)
    if (service !== undefined && service.selector === undefined) this.#services.add(service)
  }

  /** What has changed since the last call; made only when it is read. */
  takeChanges(): References {
    const [groups, services] = [this.#groups, this.#services]
    this.#groups = new Set()
    this.#services = new Set()
    const made: {groups?: CidrGroup[]; services?: PolicyService[]} = {}
    const one = (row: PolicyServiceRow) => this.#service(row)
    return {
      get cidrGroups() {
        made.groups ??= Array.from(groups, cidrGroup)
        return made.groups
      },
      get services() {
        made.services ??= Array.from(services, one)
        return made.services
      },
    }
  }

  #service({namespace, name, labels, selector}: PolicyServiceRow): PolicyService {
    const slices = selector === undefined ? this.#tables.endpointSlices.by('service', `${namespace}/${name}`) : []
    const backends = slices.flatMap(({endpoints}) => endpoints.map(({ip}) => ip))
    return {namespace, name, selector, backends, labels: objectLabels(labels)}
  }
}

function cidrGroup({name, labels, cidrs}: CidrGroupRow): CidrGroup {
  return {name, cidrs, labels: objectLabels(labels)}
}
