/**
 * Which rule sets stand over which endpoints: compiled once for all endpoints of one identity with the same port names,
 * and held in the maps as long as any row may name them.
 */

import {namedPortsText} from '../../policy/cidr-classes.ts'
import type {EnforcementMode} from '../../policy/resolve.ts'
import {type Direction, directions} from '../../policy/rule.ts'
import {PolicyLimit} from '../../policy/rule-set.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'
import type {EndpointMap, EndpointSets} from '../reconcile/datapath-door.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import type {CompiledSubject, PolicyEngine, RecompiledSubject, Subject} from './engine.ts'
import {type HostStanding, hostKey} from './host-standing.ts'
import {namedPorts} from './port-names.ts'
import type {SetStore} from './set-store.ts'

/** Numbers that every endpoint can have. */
const closed = 0
const open = 1
const closedSets: EndpointSets = {ingress: closed, egress: closed}
const openSets: EndpointSets = {ingress: open, egress: open}

export type FormerSets = ReadonlyMap<number, {readonly generation: number} & EndpointSets>

export interface StandingsOptions {
  readonly tables: Pick<Tables, 'endpoints' | 'pods'>
  readonly endpointMap: Pick<EndpointMap, 'put'>
  readonly store: SetStore
  readonly engine: PolicyEngine
  /** sets of the endpoints of the life before, by slot */
  readonly former: FormerSets
  readonly mode: () => EnforcementMode
  /** Does it only tell what its sets deny? */
  readonly audits: (row: EndpointRow) => boolean
  /** Keeps an endpoint on disk that is there already. */
  readonly remember: (row: EndpointRow) => void
}

interface Standing {
  readonly subject: Subject
  /** undefined: not compiled yet */
  sets: EndpointSets | undefined
  /** why the newest policies are not in force here */
  refusal: CiliumError | undefined
  /** of the policies that are in force */
  revision: number
  readonly endpoints: Set<string>
}

export interface EndpointPolicyState {
  readonly sets: EndpointSets
  readonly enforced: {readonly [D in Direction]: boolean}
  /** policies up to this revision are in force; 0: not known yet */
  readonly revision: number
  readonly refusal: CiliumError | undefined
}

/** Open where no policy isolated it, closed where one did: its rules are not known without the API server. */
function rememberedSets({isolated}: EndpointRow): EndpointSets {
  if (isolated === undefined) return closedSets
  return {ingress: isolated.ingress ? closed : open, egress: isolated.egress ? closed : open}
}

export class Standings {
  private readonly options: StandingsOptions
  private readonly bySubject = new Map<string, Standing>()
  /** by endpoint: its subject, and what its row in the map says */
  private readonly byEndpoint = new Map<string, {generation: number; subject: string | undefined; sets: EndpointSets}>()
  /** endpoints that have come to a subject */
  private readonly joined = new Set<string>()
  private formerHeld = false

  constructor(options: StandingsOptions) {
    this.options = options
  }

  /** The sets of the life before stay until every endpoint has its own. */
  holdFormer(): void {
    this.formerHeld = true
    for (const sets of this.options.former.values()) this.hold(sets)
  }

  /** What an endpoint's row has to say now: what it says already until its new sets are complete. */
  setsOf(row: EndpointRow): EndpointSets {
    const {ingress, egress} = this.numbersOf(row)
    return {ingress, egress, ...(this.options.audits(row) ? {audit: true} : {})}
  }

  private numbersOf(row: EndpointRow): EndpointSets {
    if (row.identity === undefined) return closedSets
    if (this.options.mode() === 'never') return openSets
    const known = this.byEndpoint.get(String(row.id))
    if (known?.generation === row.generation) return known.sets
    const former = this.options.former.get(row.id)
    return former?.generation === row.generation ? former : rememberedSets(row)
  }

  /** For listings. */
  stateOf(row: EndpointRow): EndpointPolicyState {
    const sets = this.setsOf(row)
    const known = this.byEndpoint.get(String(row.id))
    const standing = known?.subject === undefined ? undefined : this.bySubject.get(known.subject)
    return {
      sets,
      enforced: {ingress: sets.ingress !== open, egress: sets.egress !== open},
      revision: standing?.revision ?? 0,
      refusal: standing?.refusal,
    }
  }

  /** Subjects whose newest policies do not fit. */
  refusals(): {readonly subject: Subject; readonly error: CiliumError}[] {
    return [...this.bySubject.values()].flatMap(({subject, refusal}) =>
      refusal === undefined ? [] : [{subject, error: refusal}],
    )
  }

  /** @param row undefined: the endpoint is gone */
  setEndpoint(key: string, row: EndpointRow | undefined): void {
    const known = this.byEndpoint.get(key)
    const wanted = row === undefined || row.identity === undefined ? undefined : this.subjectOf(row)
    if (row === undefined || known?.generation !== row.generation) {
      if (known?.subject !== undefined) this.leave(key, known.subject)
      if (known !== undefined) this.letGo(known.sets)
      this.byEndpoint.delete(key)
      if (row === undefined) return
      const sets = this.numbersOf(row)
      this.hold(sets)
      this.byEndpoint.set(key, {generation: row.generation, subject: undefined, sets})
    }
    const now = this.byEndpoint.get(key)!
    if (now.subject === wanted?.key) return
    const left = now.subject
    now.subject = wanted?.key
    if (wanted !== undefined) this.join(key, wanted)
    if (left !== undefined) this.leave(key, left)
  }

  /** `policyEnforcementMode` has changed. */
  followMode(): void {
    for (const row of this.options.tables.endpoints.values()) {
      const subject = this.byEndpoint.get(String(row.id))?.subject
      const standing = subject === undefined ? undefined : this.bySubject.get(subject)
      if (standing !== undefined) this.options.engine.addSubject({...standing.subject, mode: this.modeOf(row)})
    }
  }

  /**
   * Compiles what has to be, then turns every endpoint that is concerned, then lets go of what stood before.
   *
   * @param beforeSets called when everything is compiled: what peers are in groups for is to be written before the sets
   * @param revision of the policies that this puts into force
   * @param host the node's own traffic, which is compiled with the others
   * @returns subjects whose sets do not fit: what stood stays
   */
  enforce(beforeSets: () => void, revision: number, host?: HostStanding): readonly Subject[] {
    const {engine} = this.options
    const keys = engine.takeDirty()
    try {
      return this.enforceOver(keys, beforeSets, revision, host)
    } catch (thrown) {
      // what was compiled may not have come into force
      for (const key of keys) engine.touch(key)
      throw thrown
    }
  }

  private enforceOver(
    keys: readonly string[],
    beforeSets: () => void,
    revision: number,
    host: HostStanding | undefined,
  ): readonly Subject[] {
    const {engine} = this.options
    const before: EndpointSets[] = []
    const refused: Subject[] = []
    const turning = new Set(this.joined)
    this.joined.clear()
    const compiled: {standing: Standing; result: RecompiledSubject | CiliumError}[] = []
    let forHost: CompiledSubject | CiliumError | undefined
    for (const key of keys) {
      if (key === hostKey) forHost = withinLimits(() => engine.compile(key))
      const standing = this.bySubject.get(key)
      if (standing !== undefined) compiled.push({standing, result: withinLimits(() => engine.recompile(key))})
    }
    beforeSets()
    for (const {standing, result} of compiled) {
      for (const endpoint of standing.endpoints) turning.add(endpoint)
      try {
        if (result instanceof CiliumError) throw result
        const sets = this.acquire(result, standing.sets ?? closedSets)
        if (standing.sets !== undefined) before.push(standing.sets)
        standing.sets = sets
        standing.refusal = undefined
      } catch (thrown) {
        standing.refusal = CiliumError.from(thrown)
        engine.touch(standing.subject.key)
        refused.push(standing.subject)
      }
    }
    if (forHost !== undefined && host?.offer(forHost) === false) {
      engine.touch(hostKey)
      if (host.refusal !== undefined) refused.push(host.refusal.subject)
    }
    for (const endpoint of turning) this.turn(endpoint)
    for (const sets of before) this.letGo(sets)
    for (const standing of this.bySubject.values()) if (standing.refusal === undefined) standing.revision = revision
    if (this.formerHeld) for (const sets of this.options.former.values()) this.letGo(sets)
    this.formerHeld = false
    return refused
  }

  /** @param before what stands now */
  private acquire(compiled: RecompiledSubject, before: EndpointSets): EndpointSets {
    const {store} = this.options
    const numberOf = (direction: Direction) => {
      const set = compiled[direction]
      if (set === 'unchanged') {
        store.hold(before[direction])
        return before[direction]
      }
      return set === 'open' ? open : store.acquire(set)
    }
    const ingress = numberOf('ingress')
    try {
      return {ingress, egress: numberOf('egress')}
    } catch (thrown) {
      store.release(ingress)
      throw thrown
    }
  }

  /** Points an endpoint at its sets: one write. */
  private turn(key: string): void {
    const {tables, endpointMap} = this.options
    const row = tables.endpoints.get(key)
    const known = this.byEndpoint.get(key)
    const standing = known?.subject === undefined ? undefined : this.bySubject.get(known.subject)
    if (row === undefined || known === undefined || standing === undefined) return
    const {sets, refusal} = standing
    if (row.generation !== known.generation) return
    if (sets !== undefined && (known.sets.ingress !== sets.ingress || known.sets.egress !== sets.egress)) {
      this.hold(sets)
      const before = known.sets
      known.sets = sets
      if (row.identity !== undefined) endpointMap.put(row, this.setsOf(row))
      this.letGo(before)
    }
    if (sets !== undefined) this.remember(key, row, sets)
    tables.endpoints.setStatus(
      key,
      'policy',
      refusal === undefined
        ? {state: 'done', retries: 0}
        : {state: 'error', retries: 1, code: refusal.code, message: refusal.message},
    )
  }

  /** Whether policies isolate it is what a reboot without the API server goes by. */
  private remember(key: string, row: EndpointRow, sets: EndpointSets): void {
    const {tables, former, remember} = this.options
    const isolated = {ingress: sets.ingress !== open, egress: sets.egress !== open}
    if (row.isolated?.ingress === isolated.ingress && row.isolated.egress === isolated.egress) return
    // the first record of an endpoint is written by the call that makes it
    const isOnDisk =
      former.get(row.id)?.generation === row.generation || tables.endpoints.status(key, 'policy')?.state === 'done'
    const changed = {...row, isolated}
    tables.endpoints.upsert(changed)
    if (isOnDisk) remember(changed)
  }

  private join(key: string, subject: Subject): void {
    let standing = this.bySubject.get(subject.key)
    if (standing === undefined) {
      standing = {subject, sets: undefined, refusal: undefined, revision: 0, endpoints: new Set()}
      this.bySubject.set(subject.key, standing)
      this.options.engine.addSubject(subject)
    }
    standing.endpoints.add(key)
    this.joined.add(key)
    const {endpoints} = this.options.tables
    // a pod that was here before a reboot goes on with what it had, until policies are known
    const goesOn = this.formerHeld && endpoints.get(key)?.isolated !== undefined
    endpoints.setStatus(key, 'policy', {state: goesOn ? 'done' : 'pending', retries: 0})
  }

  private leave(key: string, subject: string): void {
    const standing = this.bySubject.get(subject)
    if (standing === undefined) return
    standing.endpoints.delete(key)
    if (standing.endpoints.size > 0) return
    this.bySubject.delete(subject)
    this.options.engine.dropSubject(subject)
    if (standing.sets !== undefined) this.letGo(standing.sets)
  }

  private hold(sets: EndpointSets): void {
    for (const direction of directions) this.options.store.hold(sets[direction])
  }

  private letGo(sets: EndpointSets): void {
    for (const direction of directions) this.options.store.release(sets[direction])
  }

  private subjectOf(row: EndpointRow): Subject {
    const ports = namedPorts(this.options.tables.pods.get(`${row.namespace}/${row.pod}`)?.namedPorts ?? [])
    return {
      key: `${row.identity} ${namedPortsText(ports)}`,
      kind: 'endpoint',
      labels: row.labels!,
      namedPorts: ports,
      mode: this.modeOf(row),
    }
  }

  /** `always` is about pods: without the health endpoint nobody could tell a sound node. */
  private modeOf(row: EndpointRow): EnforcementMode {
    const mode = this.options.mode()
    return row.kind === 'health' && mode === 'always' ? 'default' : mode
  }
}

function withinLimits<T>(compile: () => T): T | CiliumError {
  try {
    return compile()
  } catch (thrown) {
    if (!(thrown instanceof PolicyLimit)) throw thrown
    return new CiliumError(codes.POLICY_TOO_LARGE, {detail: thrown.message}, {cause: thrown})
  }
}
