/**
 * The rule sets of the node's own traffic (host policies), and the step from one to the next:
 *
 *     confirmed ── policies changed ──► on trial ── both witnesses ──► confirmed
 *         ▲                                │
 *         └──────── not confirmed ◄────────┘   until policies say something else
 *
 * Only what is confirmed is on disk. An agent that starts and finds other rules in the map was ended in a trial, maybe
 * by it: it goes back at once, to what was confirmed where the maps still have it, else to no rules.
 */
import {nodeLabels} from '../../model/labels.ts'
import type {Failsafe} from '../../policy/failsafe.ts'
import type {EnforcementMode} from '../../policy/resolve.ts'
import {directions} from '../../policy/rule.ts'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {codes} from '../errors.ts'
import type {EndpointSets, HostRow} from '../reconcile/datapath-door.ts'
import type {CompiledSubject, PolicyEngine, Subject} from './engine.ts'
import type {HostMemory} from './host-memory.ts'
import {HostTrial, type TrialWitnesses, trialMs} from './host-trial.ts'
import type {SetStore} from './set-store.ts'

const open = 1
const openSets: EndpointSets = {ingress: open, egress: open}

/** Where the subject stands among the engine's. */
export const hostKey = 'host'

export interface HostStandingOptions {
  readonly row: HostRow
  readonly store: SetStore
  readonly engine: PolicyEngine
  /** what the row says since a life before; undefined: nothing */
  readonly former: EndpointSets | undefined
  readonly memory: HostMemory
  readonly witnesses: TrialWitnesses
  readonly mode: () => EnforcementMode
  readonly audits: () => boolean
  /** A trial has ended: what policies are told has changed. */
  readonly ended: () => void
  readonly clock: Clock
  readonly log: Log
}

/** Sets with the name of their content. */
interface Named {
  readonly sets: EndpointSets
  readonly content: string
}

export type HostPhase = 'confirmed' | 'trial' | 'returned'

export interface HostPolicyState {
  readonly sets: EndpointSets
  readonly phase: HostPhase
  /** wall clock, ms: of a trial */
  readonly until: number | undefined
  readonly refusal: CiliumError | undefined
}

export class HostStanding {
  private readonly options: HostStandingOptions
  private readonly log: Log
  private subject: Subject | undefined
  private facts = ''
  private confirmed: Named = {sets: openSets, content: contentOf('open', 'open')}
  private trial: (Named & {readonly run: HostTrial; readonly until: number}) | undefined
  /** content that was confirmed in a life before: it needs no trial, whether or not the maps still have it */
  private readonly remembered: string | undefined
  /** content that did not pass its trial */
  private rejected: string | undefined
  private refused: CiliumError | undefined

  constructor(options: HostStandingOptions) {
    this.options = options
    this.log = options.log.for('host-policy')
    this.remembered = options.memory.read()
  }

  /** What was confirmed in a life before is in force again, and nothing else. After the store has been restored. */
  start(): void {
    const {former, store} = this.options
    const content = this.remembered
    if (content !== undefined) {
      const [ingress, egress] = content.split(' ').map((hash) => (hash === 'open' ? open : store.numberOf(hash)))
      if (ingress !== undefined && egress !== undefined) this.confirmed = {sets: {ingress, egress}, content}
    }
    this.hold(this.confirmed.sets)
    const {sets} = this.confirmed
    if (former !== undefined && (former.ingress !== sets.ingress || former.egress !== sets.egress)) {
      this.log.warn('rules of this node were on trial when the agent ended: the confirmed ones are back')
    }
    this.put()
  }

  stop(): void {
    this.trial?.run.cancel()
  }

  get state(): HostPolicyState {
    const phase = this.trial !== undefined ? 'trial' : this.rejected !== undefined ? 'returned' : 'confirmed'
    return {sets: this.inForce.sets, phase, until: this.trial?.until, refusal: this.refused}
  }

  /** Whom policies select, for those that are not in force. */
  get refusal(): {readonly subject: Subject; readonly error: CiliumError} | undefined {
    if (this.refused === undefined || this.subject === undefined) return undefined
    return {subject: this.subject, error: this.refused}
  }

  /** What selects the node, and what stays open. @param labels of the Node object */
  setNode(labels: Readonly<Record<string, string>>, failsafe: Failsafe): void {
    const facts = JSON.stringify([labels, failsafe])
    if (facts === this.facts) return
    this.facts = facts
    const {mode} = this
    this.subject = {key: hostKey, kind: 'node', labels: nodeLabels(labels), namedPorts: new Map(), failsafe, mode}
    this.options.engine.addSubject(this.subject)
  }

  /** `policyEnforcementMode` has changed. */
  followMode(): void {
    if (this.subject === undefined) return
    this.subject = {...this.subject, mode: this.mode}
    this.options.engine.addSubject(this.subject)
  }

  /** Audit mode has changed. */
  put(): void {
    this.options.row.put({...this.inForce.sets, ...(this.options.audits() ? {audit: true} : {})})
  }

  /** What policies say now. @returns false when it does not fit: what stood stays */
  offer(compiled: CompiledSubject | CiliumError): boolean {
    if (compiled instanceof CiliumError) return this.refuse(compiled)
    const [ingress, egress] = directions.map((direction) => {
      const set = compiled[direction]
      return set === 'open' ? 'open' : set.hash
    })
    const content = contentOf(ingress!, egress!)
    if (content === this.inForce.content) {
      // what was too large, or did not pass, is not asked for any more
      if (this.trial === undefined) this.forgive()
      return true
    }
    if (content === this.rejected) return true
    let sets: EndpointSets
    try {
      sets = this.acquire(compiled)
    } catch (thrown) {
      return this.refuse(CiliumError.from(thrown))
    }
    this.endTrial()
    this.forgive()
    if (content === this.confirmed.content) {
      this.release(sets)
      this.put()
      return true
    }
    // nothing is denied: there is nothing to try
    if (content === this.remembered || content === contentOf('open', 'open')) {
      this.confirm({sets, content})
      return true
    }
    const {witnesses, clock} = this.options
    const run = new HostTrial(witnesses, clock, (missing) => this.judge(missing))
    this.trial = {sets, content, run, until: clock.now() + trialMs}
    this.put()
    this.log.info('rules of this node are on trial', {until: new Date(this.trial.until).toISOString()})
    return true
  }

  private get inForce(): Named {
    return this.trial ?? this.confirmed
  }

  private get mode(): EnforcementMode {
    // `always` is about pods: it would cut a node off before any policy is there
    return this.options.mode() === 'never' ? 'never' : 'default'
  }

  private judge(missing: readonly string[]): void {
    const {trial} = this
    if (trial === undefined) return
    if (missing.length === 0) {
      this.trial = undefined
      this.confirm(trial)
    } else {
      this.rejected = trial.content
      this.refused = new CiliumError(codes.HOST_POLICY_UNCONFIRMED, {detail: missing.join('; ')})
      this.log.error('rules of this node did not pass their trial: the former ones are back', {error: this.refused})
      this.endTrial()
      this.put()
    }
    this.options.ended()
  }

  /** On disk before the row, so that an agent that starts again never takes it for a trial. */
  private confirm(named: Named): void {
    const before = this.confirmed
    this.confirmed = {sets: named.sets, content: named.content}
    this.options.memory.write(named.content)
    this.put()
    this.release(before.sets)
    this.log.info('rules of this node are confirmed', {ingress: named.sets.ingress, egress: named.sets.egress})
  }

  private endTrial(): void {
    const {trial} = this
    this.trial = undefined
    trial?.run.cancel()
    if (trial !== undefined) this.release(trial.sets)
  }

  private forgive(): void {
    this.rejected = undefined
    this.refused = undefined
  }

  private refuse(error: CiliumError): false {
    this.refused = error
    return false
  }

  private acquire(compiled: CompiledSubject): EndpointSets {
    const {store} = this.options
    const {ingress, egress} = compiled
    const sets = {ingress: ingress === 'open' ? open : store.acquire(ingress), egress: open as number}
    try {
      return {...sets, egress: egress === 'open' ? open : store.acquire(egress)}
    } catch (thrown) {
      store.release(sets.ingress)
      throw thrown
    }
  }

  private hold(sets: EndpointSets): void {
    for (const direction of directions) this.options.store.hold(sets[direction])
  }

  private release(sets: EndpointSets): void {
    for (const direction of directions) this.options.store.release(sets[direction])
  }
}

function contentOf(ingress: string, egress: string): string {
  return `${ingress} ${egress}`
}
