/**
 * Makes policies true on this node: what Kubernetes says of policies, identities and addresses in, rule sets in the
 * maps and endpoints that point at them out.
 *
 *     policies, groups, services, identities, pods ──► engine ──► rule sets ──► maps ──► endpoint rows
 *                                             prefixes ──► classes ──► address rows ──┘
 *
 * Why the order is safe: 1 a set is complete before an endpoint's row names it, and the row changes in one write, so no
 * packet meets half a policy; 2 the groups of a peer or class are written before a set asks for them or an address says
 * its number, and taken away after both; 3 nothing is changed before every source has told all it has: until then the
 * sets of the life before hold, and the numbers of groups that they name are known from a file.
 */

import {Cidr} from '../../model/cidr.ts'
import {builtInIdentities, identity as identityOf, reservedIdentities, reservedLabels} from '../../model/identity.ts'
import type {CidrSelector} from '../../policy/cidr-selector.ts'
import type {Failsafe} from '../../policy/failsafe.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import type {EnforcementMode} from '../../policy/resolve.ts'
import {objectLabels} from '../../policy/universe.ts'
import {type Clock, every, type Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {TableChange} from '../../runtime/table.ts'
import {apiServerIps} from '../identity/api-server.ts'
import type {EndpointMap} from '../reconcile/datapath-door.ts'
import type {RunnerState} from '../runner-state.ts'
import type {AddressRow, EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {AddressClasses} from './address-classes.ts'
import {HashedNumbers} from './class-numbers.ts'
import type {SetMaps} from './door.ts'
import {PolicyEngine, type Subject} from './engine.ts'
import type {GroupMemory} from './group-memory.ts'
import {HostStanding, type HostStandingOptions} from './host-standing.ts'
import {NamedRules} from './named-rules.ts'
import {PeerRows} from './peer-rows.ts'
import {PortNames} from './port-names.ts'
import {type PolicyNews, refusedPolicies} from './refusal.ts'
import {SetStore} from './set-store.ts'
import {type FormerSets, Standings} from './standings.ts'

/** What host policies need; undefined: there is no host firewall. */
export interface HostPart extends Pick<HostStandingOptions, 'row' | 'former' | 'memory' | 'witnesses' | 'audits'> {
  /** what stays open whatever policies say */
  readonly failsafe: () => Failsafe
}

export interface EnforcerOptions {
  readonly tables: Tables
  readonly maps: SetMaps
  readonly endpointMap: Pick<EndpointMap, 'put'>
  readonly former: FormerSets
  readonly addresses: {
    setClasses(classes: AddressClasses): void
  }
  /** Resolves when the address maps follow the address table. */
  readonly addressesSettled: () => Promise<void>
  readonly memory: GroupMemory
  readonly policyOptions: PolicyOptions
  /** prefixes of Cilium's policies mean nodes, too */
  readonly nodesMatch: boolean
  readonly mode: () => EnforcementMode
  /** Does this endpoint only tell what its sets deny? */
  readonly audits: (row: EndpointRow) => boolean
  /** Keeps an endpoint on disk that is there already. */
  readonly remember: (row: EndpointRow) => void
  readonly news: PolicyNews
  readonly host?: HostPart | undefined
  readonly clock: Clock
  readonly log: Log
}

const tidyMs = 10_000
const retryMs = 1_000

export class PolicyEnforcer {
  readonly engine: PolicyEngine
  readonly store: SetStore
  readonly standings: Standings
  /** undefined: there is no host firewall */
  readonly host: HostStanding | undefined
  private readonly options: EnforcerOptions
  private readonly log: Log
  private readonly ports = new PortNames()
  private readonly rows: PeerRows
  private apiServerHere = false
  private readonly numbers = new HashedNumbers()
  private classes: AddressClasses
  private classCount = 0
  private mode: EnforcementMode
  private readonly ends: (() => void)[] = []
  private tidying: Timer | undefined
  private retry: Timer | undefined
  private readonly stopping = new AbortController()
  private isReady = false
  private classed = false
  private classesStale = false
  private referencesStale = true
  private scheduled = false
  private running: Promise<void> = Promise.resolve()
  private policyRevision = 1
  /** monotonic clock, ms: the first change that no pass has seen */
  private changedAt: number | undefined
  private failing = 0
  private failures = 0
  private successes = 0
  private lastError: string | undefined
  private lastErrorAt: number | undefined
  private lastSuccessAt: number | undefined
  private resolveClassed!: () => void
  /** Addresses have the classes of the policies that there are. */
  readonly whenClassed = new Promise<void>((resolve) => {
    this.resolveClassed = resolve
  })

  constructor(options: EnforcerOptions) {
    const {tables, clock, endpointMap, former, mode} = options
    this.options = options
    this.log = options.log.for('policy')
    this.engine = new PolicyEngine(options.policyOptions, new NamedRules(tables))
    this.rows = new PeerRows(options.maps, this.engine, options.memory)
    this.store = new SetStore(options.maps, () => clock.monotonic())
    this.standings = new Standings({
      tables,
      endpointMap,
      store: this.store,
      engine: this.engine,
      former,
      mode,
      audits: options.audits,
      remember: options.remember,
    })
    this.host = this.hostStanding()
    this.classes = this.classesOf([])
    this.mode = mode()
  }

  /** Counts every change of a policy. */
  get revision(): number {
    return this.policyRevision
  }

  /** How putting policies into force goes: what the status shows. */
  get runnerState(): RunnerState {
    const refused = this.refusals()
    const [first] = refused
    return {
      name: 'policy',
      failing: first === undefined ? this.failing : refused.length,
      lastError:
        first === undefined ? this.lastError : `${this.engine.selecting(first.subject)}: ${first.error.message}`,
      lastErrorAt: this.lastErrorAt,
      lastSuccessAt: this.lastSuccessAt,
      successes: this.successes,
      failures: this.failures,
    }
  }

  /** Follows the tables, from what the life before has left. */
  start(): void {
    const {tables, clock, memory} = this.options
    this.engine.groups.restore(memory.read())
    this.classes = this.classesOf(this.engine.groups.cidrSelectors())
    this.store.restore()
    this.standings.holdFormer()
    this.host?.start()
    for (const id of builtInIdentities) this.setIdentity(id)
    this.follow(tables.policies, ({key, row, old}) => {
      this.policyRevision++
      this.changedAt ??= clock.monotonic()
      if (row !== undefined && row.content === old?.content && row.uid === old.uid) return
      this.engine.setPolicy(key, row?.checked.ok ? row.checked.policy : undefined)
    })
    this.follow(tables.identities, ({key}) => this.setIdentity(Number(key)))
    this.follow(tables.remoteEndpoints, ({key}) => this.setPorts(key))
    this.follow(tables.pods, ({key}) => this.setPorts(key))
    this.follow(tables.endpoints, ({key, row, old}) => {
      this.standings.setEndpoint(key, row)
      for (const one of [row, old]) if (one !== undefined) this.setPorts(`${one.namespace}/${one.pod}`)
    })
    const references = () => {
      this.referencesStale = true
    }
    this.follow(tables.cidrGroups, references)
    this.follow(tables.policyServices, references)
    this.follow(tables.endpointSlices, references)
    this.follow(tables.addresses, () => {})
    if (this.host !== undefined) this.follow(tables.localNode, () => {})
    const sources = [
      ...[tables.policies, tables.cidrGroups, tables.policyServices, tables.endpointSlices, tables.identities],
      ...[tables.remoteEndpoints, tables.pods, tables.nodes, tables.endpoints],
      ...(this.host === undefined ? [] : [tables.localNode]),
    ]
    void Promise.all(sources.map((table) => table.whenSynced({signal: this.stopping.signal}))).then(
      () => {
        this.isReady = true
        this.schedule()
      },
      () => {}, // stopped before
    )
    this.tidying = every(clock, tidyMs, () => this.queue(() => this.tidy()))
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    for (const end of this.ends) end()
    this.tidying?.cancel()
    this.retry?.cancel()
    this.host?.stop()
    await this.running
  }

  /** Works soon, once for all that has come by then. To be called when the mode may have changed. */
  schedule(): void {
    if (this.scheduled || this.stopping.signal.aborted) return
    this.scheduled = true
    setImmediate(() =>
      this.queue(() => {
        this.scheduled = false
        return this.pass()
      }),
    )
  }

  private follow<Row>(
    table: {
      subscribe(listener: (changes: readonly TableChange<Row>[]) => void, options: {initial: true}): () => void
    },
    changed: (change: TableChange<Row>) => void,
  ): void {
    const end = table.subscribe(
      (changes) => {
        for (const change of changes) changed(change)
        this.schedule()
      },
      {initial: true},
    )
    this.ends.push(end)
  }

  private setIdentity(id: number): void {
    const number = identityOf(id)
    const {apiServerHere} = this
    const labels = this.options.tables.identities.get(String(id))?.labels ?? reservedLabels(number, {apiServerHere})
    if (labels === undefined) this.engine.groups.deleteIdentity(id)
    else this.engine.groups.setIdentity({id: number, labels, namedPorts: this.ports.of(id)})
  }

  private setPorts(pod: string): void {
    const {tables} = this.options
    const local = tables.endpoints.by('pod', pod).find(({identity}) => identity !== undefined)
    const remote = tables.remoteEndpoints.get(pod)
    const identity = local?.identity ?? remote?.identity
    const own = local === undefined ? undefined : tables.pods.get(pod)
    const differed = identity !== undefined && this.ports.of(identity) === 'differ'
    const touched = this.ports.set(pod, identity, own?.namedPorts ?? remote?.namedPorts ?? [])
    for (const id of touched) {
      this.setIdentity(id)
      // the addresses of its pods have to tell what their identity no longer does
      if (differed !== (this.ports.of(id) === 'differ')) this.classesStale = true
    }
    // the port names of our own pods are part of what they are
    if (touched.length > 0 && local !== undefined) this.standings.setEndpoint(String(local.id), local)
  }

  /** One after another; a failure is told and tried again. */
  private queue(work: () => Promise<void>): void {
    this.running = this.running.then(async () => {
      if (this.stopping.signal.aborted) return
      try {
        await work()
        this.successes++
        this.failing = 0
        this.lastSuccessAt = this.options.clock.now()
      } catch (thrown) {
        const error = CiliumError.from(thrown)
        this.failures++
        this.failing++
        this.lastError = `${error.code} ${error.message}`
        this.lastErrorAt = this.options.clock.now()
        this.log.error('policies cannot be put into force, will try again', {error})
        this.again()
      }
    })
  }

  private again(): void {
    this.retry?.cancel()
    this.retry = this.options.clock.after(retryMs, () => this.schedule())
  }

  private async pass(): Promise<void> {
    if (!this.isReady) return
    const {mode: modeOf, clock, news} = this.options
    const changedAt = this.changedAt
    this.changedAt = undefined
    const mode = modeOf()
    if (mode !== this.mode) {
      this.standings.followMode()
      this.host?.followMode()
    }
    this.mode = mode
    this.followApiServer()
    this.followNode()
    this.followReferences()
    for (;;) {
      const missing = this.engine.cidrSelectors().filter(({key}) => !this.classes.selectors.has(key))
      if (missing.length === 0 && !this.classesStale && this.classed) break
      this.classesStale = false
      await this.moveClasses([...this.classes.selectors.values(), ...missing])
    }
    const {all} = this.classes
    // an address that came may have made a class
    if (all.length !== this.classCount) this.engine.groups.setClasses(all)
    this.classCount = all.length
    const renamed = this.engine.groups.portNamesChanged
    this.rows.write()
    if (renamed) this.options.maps.moveEpoch()
    const refused = this.standings.enforce(
      () => {
        this.rows.keepGroups()
        this.rows.write()
      },
      this.policyRevision,
      this.host,
    )
    this.rows.dropStale()
    for (const subject of refused) {
      this.log.error(
        'a rule set does not fit: what was in force stays',
        {subject: subject.key, policies: this.engine.selecting(subject)},
        {per: subject.key},
      )
    }
    if (refused.length > 0) this.again()
    else if (changedAt !== undefined) news.enforced((clock.monotonic() - changedAt) / 1000)
    news.refused(refusedPolicies(this.refusals(), (subject) => this.engine.selecting(subject)))
  }

  private refusals(): readonly {readonly subject: Subject; readonly error: CiliumError}[] {
    const host = this.host?.refusal
    return [...this.standings.refusals(), ...(host === undefined ? [] : [host])]
  }

  private hostStanding(): HostStanding | undefined {
    const {host, mode, clock, log} = this.options
    if (host === undefined) return undefined
    return new HostStanding({
      ...host,
      ...{mode, clock, log, store: this.store, engine: this.engine},
      ended: () => this.schedule(),
    })
  }

  /** With the API server on this node its own identity says so. */
  private followApiServer(): void {
    const {tables} = this.options
    const here = apiServerIps(tables).some((ip) => tables.addresses.get(String(Cidr.host(ip)))?.localHost === true)
    if (here === this.apiServerHere) return
    this.apiServerHere = here
    this.setIdentity(reservedIdentities.host)
  }

  /** The node's labels, and where the API server is, may have changed. */
  private followNode(): void {
    const [node] = this.options.tables.localNode.values()
    if (node !== undefined) this.host?.setNode(node.labels, this.options.host!.failsafe())
  }

  /** Gives addresses the classes of these questions. The classes before stay known until no address has one. */
  private async moveClasses(selectors: readonly CidrSelector[]): Promise<void> {
    const {tables, addresses, addressesSettled} = this.options
    const {groups} = this.engine
    const before = this.classes.all
    const next = this.classesOf(selectors)
    // an address may make a class of its own
    for (const row of tables.addresses.values()) next.classOf(row)
    groups.setClasses([...before, ...next.all])
    this.rows.write()
    this.classes = next
    addresses.setClasses(next)
    await addressesSettled()
    groups.setClasses(next.all)
    this.rows.write()
    this.classed = true
    this.resolveClassed()
  }

  private classesOf(selectors: readonly CidrSelector[]): AddressClasses {
    const {tables, nodesMatch} = this.options
    const podOf = ({endpoint, owner}: AddressRow) => {
      if (endpoint === undefined) return owner.slice('pod/'.length)
      const row = tables.endpoints.get(String(endpoint.slot))
      return `${row?.namespace}/${row?.pod}`
    }
    return new AddressClasses(selectors, {
      numbers: this.numbers,
      nodesMatch,
      portsOf: (row) => this.ports.ofPod(podOf(row)),
      differ: (id) => this.ports.of(id) === 'differ',
    })
  }

  private followReferences(): void {
    if (!this.referencesStale) return
    this.referencesStale = false
    const {cidrGroups, policyServices, endpointSlices} = this.options.tables
    this.engine.setReferences({
      cidrGroups: cidrGroups.sorted().map(({name, labels, cidrs}) => ({name, labels: objectLabels(labels), cidrs})),
      services: policyServices.sorted().map(({namespace, name, labels, selector}) => ({
        ...{namespace, name, selector},
        labels: objectLabels(labels),
        backends:
          selector === undefined
            ? endpointSlices.by('service', `${namespace}/${name}`).flatMap(({endpoints}) => endpoints.map(({ip}) => ip))
            : [],
      })),
    })
  }

  /** Takes away what nobody has asked for in a while. */
  private async tidy(): Promise<void> {
    if (!this.isReady) return
    this.store.collect()
    this.engine.groups.retain(this.store.groups())
    this.rows.keepGroups()
    const wanted = new Map(this.engine.cidrSelectors().map((selector) => [selector.key, selector]))
    if ([...this.classes.selectors.keys()].every((key) => wanted.has(key))) return
    await this.moveClasses([...wanted.values()])
  }
}
