/** Turns CiliumLocalRedirectPolicies into claims of frontends, as policies, services and pods of this node change. */
import {Cidr} from '../../model/cidr.ts'
import type {Ip, IpFamily} from '../../model/ip.ts'
import {frontendKey} from '../service/frontends.ts'
import type {LocalRedirectRow} from '../service/local-redirect.ts'
import {redirectsOf} from '../service/local-redirect.ts'
import type {FrontendRow} from '../service/rows.ts'
import type {Tables} from '../state/tables.ts'

export interface LocalRedirectsOptions {
  readonly tables: Tables
  readonly node: string
  readonly families: readonly IpFamily[]
  readonly allowed: readonly Cidr[]
  readonly claim: (owner: string, rows: readonly FrontendRow[]) => void
  /** told once of everything that keeps a policy from being followed */
  readonly report: (policy: LocalRedirectRow, problem: string) => void
}

export class LocalRedirects {
  private readonly options: LocalRedirectsOptions
  private readonly ends: (() => void)[] = []
  private readonly stopping = new AbortController()
  private readonly claimed = new Set<string>()
  private readonly told = new Map<string, string>()
  private readonly markSynced: () => void
  private scheduled = false

  constructor(options: LocalRedirectsOptions) {
    this.options = options
    // what a policy redirects is no leftover before policies are known
    this.markSynced = options.tables.frontends.addSource('local-redirects')
  }

  start(): void {
    const {services, pods, endpoints, localRedirects, addresses} = this.options.tables
    const tables = [services, pods, endpoints, localRedirects]
    const soon = () => {
      if (this.scheduled) return
      this.scheduled = true
      setImmediate(() => this.compute())
    }
    for (const table of [...tables, addresses]) this.ends.push(table.subscribe(soon))
    const synced = tables.map((table) => table.whenSynced({signal: this.stopping.signal}))
    void Promise.all(synced).then(
      () => {
        this.compute()
        this.markSynced()
      },
      () => {}, // stopped before
    )
  }

  stop(): void {
    this.stopping.abort()
    for (const end of this.ends) end()
  }

  private compute(): void {
    this.scheduled = false
    const {tables, node, families, allowed, claim, report} = this.options
    const {services, pods, endpoints, localRedirects} = tables
    if (this.stopping.signal.aborted || ![services, pods, endpoints, localRedirects].every(({synced}) => synced)) return
    const gone = new Set(this.claimed)
    for (const policy of localRedirects.sorted()) {
      const key = `${policy.namespace}/${policy.name}`
      const {rows, problems} = redirectsOf(policy, {
        node,
        families,
        allowed,
        service: (name) => services.get(name),
        pods: function* (namespace) {
          for (const pod of pods.values()) {
            if (pod.namespace !== namespace) continue
            const own = endpoints.by('pod', `${pod.namespace}/${pod.name}`)
            yield {pod, ips: own.flatMap(({ipv4, ipv6}) => [ipv4, ipv6]).filter((ip) => ip !== undefined)}
          }
        },
        owner: (ip, namespace) => this.ownerOf(ip, namespace),
      })
      claim(`lrp/${key}`, rows)
      gone.delete(key)
      this.claimed.add(key)
      const text = problems.join('; ')
      if (text !== '' && text !== this.told.get(key)) report(policy, text)
      this.told.set(key, text)
    }
    for (const key of gone) {
      claim(`lrp/${key}`, [])
      this.claimed.delete(key)
      this.told.delete(key)
    }
  }

  /** Foreign services, nodes and foreign pods: a policy must not take what is theirs. */
  private ownerOf(ip: Ip, namespace: string): string | undefined {
    const {frontends, addresses} = this.options.tables
    const service = frontends.get(frontendKey(ip, 0, 'ANY'))
    if (service !== undefined && service.namespace !== namespace) return `service ${service.namespace}/${service.name}`
    const address = addresses.get(String(Cidr.host(ip)))
    if (address === undefined || address.source === 'cluster') return undefined
    const own = address.owner.startsWith(`pod/${namespace}/`)
    return own ? undefined : address.owner
  }
}
