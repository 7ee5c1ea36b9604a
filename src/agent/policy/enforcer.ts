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

import type {Failsafe} from '../../policy/failsafe.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import type {EnforcementMode} from '../../policy/resolve.ts'
import {type Clock, every, type Timer} from '../../runtime/clock.ts'
import type {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {TableChange} from '../../runtime/table.ts'
import type {NodeIdentities} from '../identity/node-identities.ts'
import type {EndpointMap} from '../reconcile/datapath-door.ts'
import type {RunnerState} from '../runner-state.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {Arrivals} from './arrivals.ts'
import {ClassMoves, type ClassMovesOptions} from './class-moves.ts'
import type {SetMaps} from './door.ts'
import {PolicyEngine, type Subject} from './engine.ts'
import type {GroupMemory} from './group-memory.ts'
import {HostStanding, type HostStandingOptions} from './host-standing.ts'
import {NamedRules} from './named-rules.ts'
import {PeerIdentities} from './peer-identities.ts'
import {PeerRows} from './peer-rows.ts'
import {PortNames} from './port-names.ts'
import {TableReferences} from './references.ts'
import {type PolicyNews, refusedPolicies} from './refusal.ts'
import {SetStore} from './set-store.ts'
import {type FormerSets, Standings} from './standings.ts'
import {Turns} from './turns.ts'

/** What host policies need; undefined: there is no host firewall. */
export interface HostPart extends Pick<HostStandingOptions, 'row' | 'former' | 'memory' | 'witnesses' | 'audits'> {
  /** what stays open whatever policies say */
  readonly failsafe: () => Failsafe
}

export interface EnforcerOptions extends Pick<ClassMovesOptions, 'addresses' | 'addressesSettled' | 'nodesMatch'> {
  readonly tables: Tables
  readonly maps: SetMaps
  readonly endpointMap: Pick<EndpointMap, 'put'>
  readonly former: FormerSets
  readonly memory: GroupMemory
  readonly policyOptions: PolicyOptions
  readonly mode: () => EnforcementMode
  /** Does this endpoint only tell what its sets deny? */
  readonly audits: (row: EndpointRow) => boolean
  /** Keeps an endpoint on disk that is there already. */
  readonly remember: (row: EndpointRow) => void
  readonly news: PolicyNews
  readonly host?: HostPart | undefined
  /** nodes are told apart by labels */
  readonly nodeIdentities?: Pick<NodeIdentities, 'setHost' | 'written' | 'tidy'> | undefined
  readonly clock: Clock
  readonly log: Log
}

const tidyMs = 10_000

export class PolicyEnforcer {
  readonly engine: PolicyEngine
  readonly store: SetStore
  readonly standings: Standings
  /** undefined: there is no host firewall */
  readonly host: HostStanding | undefined
  private readonly options: EnforcerOptions
  private readonly log: Log
  private readonly rows: PeerRows
  private readonly identities: PeerIdentities
  private readonly classes: ClassMoves
  private readonly references: TableReferences
  private readonly turns: Turns
  private mode: EnforcementMode
  private readonly ends: (() => void)[] = []
  private tidying: Timer | undefined
  private readonly stopping = new AbortController()
  private isReady = false
  private scheduled = false
  private policyRevision = 1
  /** monotonic clock, ms: the first change that no pass has seen */
  private changedAt: number | undefined
  private readonly arrivals: Arrivals

  constructor(options: EnforcerOptions) {
    const {tables, clock, endpointMap, former, mode} = options
    this.options = options
    this.log = options.log.for('policy')
    const {log} = this
    this.turns = new Turns({clock, log, again: () => this.schedule()})
    this.references = new TableReferences(tables)
    this.engine = new PolicyEngine(options.policyOptions, this.references, new NamedRules(tables))
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
    const {engine, rows} = this
    const ports = new PortNames()
    this.classes = new ClassMoves({...options, engine, rows, ports})
    this.identities = new PeerIdentities({tables, engine, ports, disagreed: () => this.classes.invalidate()})
    this.mode = mode()
    this.arrivals = new Arrivals(() => clock.monotonic())
  }

  /** Addresses have the classes of the policies that there are. */
  get whenClassed(): Promise<void> {
    return this.classes.whenMoved
  }

  /** Counts every change of a policy. */
  get revision(): number {
    return this.policyRevision
  }

  /** How putting policies into force goes: what the status shows. */
  get runnerState(): RunnerState {
    const refused = this.refusals()
    const [first] = refused
    const {state} = this.turns
    if (first === undefined) return {name: 'policy', ...state}
    const lastError = `${this.engine.selecting(first.subject)}: ${first.error.message}`
    return {name: 'policy', ...state, failing: refused.length, lastError}
  }

  /** Follows the tables, from what the life before has left. */
  start(): void {
    const {tables, clock, memory} = this.options
    this.engine.groups.restore(memory.read())
    this.classes.restore(this.engine.groups.cidrSelectors())
    this.store.restore()
    this.standings.holdFormer()
    this.host?.start()
    this.identities.setBuiltIn()
    this.follow(tables.policies, ({key, row, old}) => {
      this.policyRevision++
      this.changedAt ??= clock.monotonic()
      if (row !== undefined && row.content === old?.content && row.uid === old.uid) return
      this.engine.setPolicy(key, row?.checked.ok ? row.checked.policy : undefined)
    })
    for (const table of [tables.identities, tables.nodeIdentities]) {
      this.follow(table, ({key, row, old}) => {
        if (row !== undefined && old === undefined) this.arrivals.note(row.id)
        this.identities.set(Number(key))
      })
    }
    this.follow(tables.remoteEndpoints, ({key}) => this.setPorts(key))
    this.follow(tables.pods, ({key}) => this.setPorts(key))
    this.follow(tables.endpoints, ({key, row, old}) => {
      this.standings.setEndpoint(key, row)
      for (const one of [row, old]) if (one !== undefined) this.setPorts(`${one.namespace}/${one.pod}`)
    })
    this.follow(tables.cidrGroups, (change) => this.references.groupChanged(change))
    this.follow(tables.policyServices, (change) => this.references.serviceChanged(change))
    this.follow(tables.endpointSlices, (change) => this.references.slicesChanged(change))
    this.follow(tables.addresses, () => {})
    const followsNode = this.host !== undefined || this.options.nodeIdentities !== undefined
    if (followsNode) {
      this.follow(tables.localNode, ({row}) => {
        if (row !== undefined) this.options.nodeIdentities?.setHost(row.labels)
      })
    }
    const sources = [
      ...[tables.policies, tables.cidrGroups, tables.policyServices, tables.endpointSlices, tables.identities],
      ...[tables.remoteEndpoints, tables.pods, tables.nodes, tables.endpoints],
      ...(followsNode ? [tables.localNode] : []),
    ]
    void Promise.all(sources.map((table) => table.whenSynced({signal: this.stopping.signal}))).then(
      () => {
        this.isReady = true
        this.schedule()
      },
      () => {}, // stopped before
    )
    this.tidying = every(clock, tidyMs, () => this.turns.take(() => this.tidy()))
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    for (const end of this.ends) end()
    this.tidying?.cancel()
    this.host?.stop()
    await this.turns.stop()
  }

  /** Works soon, once for all that has come by then. To be called when the mode may have changed. */
  schedule(): void {
    if (this.scheduled || this.stopping.signal.aborted) return
    this.scheduled = true
    setImmediate(() =>
      this.turns.take(() => {
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

  private setPorts(pod: string): void {
    if (!this.identities.setPorts(pod)) return
    const local = this.options.tables.endpoints.by('pod', pod).find(({identity}) => identity !== undefined)
    // the port names of our own pods are part of what they are
    if (local !== undefined) this.standings.setEndpoint(String(local.id), local)
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
    this.identities.followApiServer()
    this.followNode()
    this.engine.followReferences(this.references.takeChanges())
    await this.classes.follow()
    const renamed = this.engine.groups.portNamesChanged || this.identities.takeRelabelled()
    this.rows.write()
    if (renamed) this.options.maps.moveEpoch()
    this.arrivals.tell(news)
    this.options.nodeIdentities?.written((id) => this.engine.groups.identity(id) !== undefined)
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
    if (refused.length > 0) this.turns.retryLater()
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

  /** The node's labels, and where the API server is, may have changed. */
  private followNode(): void {
    const [node] = this.options.tables.localNode.values()
    if (node !== undefined) this.host?.setNode(node.labels, this.options.host!.failsafe())
  }

  /** Takes away what nobody has asked for in a while. */
  private async tidy(): Promise<void> {
    if (!this.isReady) return
    this.store.collect()
    this.engine.groups.retain(this.store.groups())
    this.rows.keepGroups()
    this.options.nodeIdentities?.tidy()
    await this.classes.tidy()
  }
}
