/**
 * Tells the cluster of policies that are not in force on this node, because the datapath has no room for them or, of host
 * policies, because they cut the node off: an Event
 * on the policy, and in the status of Cilium's kinds the condition `Enforced`. The condition is one for all nodes and
 * names the node that wrote it last; only that node takes it back.
 */
import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import type {EventRecorder} from '../../k8s/event-recorder.ts'
import {objects} from '../../k8s/objects.ts'
import {apiVersionOf, type KubeObject, resources} from '../../k8s/resources.ts'
import type {PolicyKind} from '../../policy/rule.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {Refusal} from '../policy/refusal.ts'
import {type PolicyRow, policyKey} from '../policy/rows.ts'
import type {Tables} from '../state/tables.ts'

export interface RefusalReportsOptions {
  readonly policies: Tables['policies']
  readonly statuses: PolicyStatuses
  readonly events: Pick<EventRecorder, 'record'>
  readonly nodeName: string
  readonly clock: Clock
  readonly log: Log
}

export interface Condition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
  readonly reason?: string
  readonly message?: string
}

/** The conditions of policies at the API server. */
export interface PolicyStatuses {
  /** @returns undefined when the policy is gone, or its kind has no status */
  read(policy: PolicyRow): Promise<{readonly version: string; readonly conditions: readonly Condition[]} | undefined>
  /** @returns whether it was written: somebody else may have been faster */
  write(policy: PolicyRow, version: string, conditions: readonly Condition[]): Promise<boolean>
}

export const enforcedCondition = 'Enforced'
const retryMs = 5_000

export class RefusalReports {
  private readonly options: RefusalReportsOptions
  private readonly log: Log
  /** by policy: what was told last */
  private told = new Map<string, Refusal>()
  /** policies whose condition is to be looked at */
  private readonly pending = new Set<string>()
  private writing: Promise<void> | undefined
  private retry: Timer | undefined
  private stopped = false
  private begun = false

  constructor(options: RefusalReportsOptions) {
    this.options = options
    this.log = options.log.for('policy-reports')
  }

  /**
   * What is not in force now, and why. The first call also takes back what a life before has said.
   *
   * @param refused by policy
   */
  tell(refused: ReadonlyMap<string, Refusal>): void {
    const {policies, events, nodeName} = this.options
    if (!this.begun) for (const row of policies.values()) this.pending.add(policyKey(row))
    this.begun = true
    for (const [key, {message: why}] of refused) {
      if (this.told.get(key)?.message === why) continue
      this.pending.add(key)
      const row = policies.get(key)
      if (row === undefined) continue
      const message = `not in force on node ${nodeName}, what was in force stays: ${why}`
      events.record(subjectOf(row), {type: 'Warning', reason: 'PolicyNotEnforced', message})
    }
    for (const key of this.told.keys()) if (!refused.has(key)) this.pending.add(key)
    this.told = new Map(refused)
    this.schedule()
  }

  stop(): void {
    this.stopped = true
    this.retry?.cancel()
  }

  /** Resolves when everything told so far is written, or waits for another try. */
  async whenIdle(): Promise<void> {
    await this.writing
  }

  private schedule(): void {
    if (this.stopped || this.pending.size === 0) return
    this.writing ??= this.work().finally(() => {
      this.writing = undefined
    })
  }

  private async work(): Promise<void> {
    for (const key of [...this.pending]) {
      if (this.stopped) return
      const row = this.options.policies.get(key)
      try {
        if (row === undefined || (await this.update(row, this.told.get(key)))) this.pending.delete(key)
      } catch (thrown) {
        this.log.warn('the status of a policy cannot be written', {policy: key, error: CiliumError.from(thrown)})
      }
    }
    if (this.pending.size === 0) return
    this.retry?.cancel()
    this.retry = this.options.clock.after(retryMs, () => this.schedule())
  }

  private async update(row: PolicyRow, refusal: Refusal | undefined): Promise<boolean> {
    const {statuses, nodeName, clock} = this.options
    const found = await statuses.read(row)
    if (found === undefined) return true
    const next = withEnforcement(found.conditions, {nodeName, refusal, now: new Date(clock.now()).toISOString()})
    return next === undefined || (await statuses.write(row, found.version, next))
  }
}

/** @returns undefined when the conditions say it already */
export function withEnforcement(
  conditions: readonly Condition[],
  {nodeName, refusal, now}: {readonly nodeName: string; readonly refusal: Refusal | undefined; readonly now: string},
): readonly Condition[] | undefined {
  const type = enforcedCondition
  const before = conditions.find((one) => one.type === type)
  const others = conditions.filter((one) => one.type !== type)
  const said = `node ${nodeName}: `
  if (refusal !== undefined) {
    const {reason} = refusal
    const message = `${said}${refusal.message}`
    if (before?.status === 'False' && before.message === message) return undefined
    const since = before?.status === 'False' ? before.lastTransitionTime : undefined
    return [...others, {type, status: 'False', reason, message, lastTransitionTime: since ?? now}]
  }
  if (before?.status !== 'False' || before.message?.startsWith(said) !== true) return undefined
  return [
    ...others,
    {type, status: 'True', reason: 'Enforced', message: `${said}in force again`, lastTransitionTime: now},
  ]
}

/** The real conditions. @throws errors of the Kubernetes client */
export function policyStatuses(client: KubeClient): PolicyStatuses {
  type PolicyObject = KubeObject & {readonly status?: {readonly conditions?: readonly Condition[] | null}}
  const of = (kind: PolicyKind) => {
    const resource = resourceOf(kind)
    return kind === 'NetworkPolicy' ? undefined : objects<PolicyObject>(client, resource)
  }
  const place = ({namespace, name}: PolicyRow) => ({name, namespace: namespace === '' ? undefined : namespace})
  return {
    async read(row) {
      const object = await of(row.kind)?.find(place(row))
      if (object === undefined || object.metadata.uid !== row.uid) return undefined
      return {version: object.metadata.resourceVersion ?? '', conditions: object.status?.conditions ?? []}
    },
    async write(row, resourceVersion, conditions) {
      try {
        await of(row.kind)?.mergePatch(
          place(row),
          {metadata: {resourceVersion}, status: {conditions}},
          {subresource: 'status'},
        )
        return true
      } catch (thrown) {
        if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return true
        if (hasCode(thrown, k8sErrors.K8S_CONFLICT)) return false
        throw thrown
      }
    },
  }
}

function resourceOf(kind: PolicyKind) {
  switch (kind) {
    case 'NetworkPolicy':
      return resources.networkPolicies
    case 'CiliumNetworkPolicy':
      return resources.ciliumNetworkPolicies
    case 'CiliumClusterwideNetworkPolicy':
      return resources.ciliumClusterwideNetworkPolicies
  }
}

function subjectOf({kind, namespace, name, uid}: PolicyRow) {
  return {apiVersion: apiVersionOf(resourceOf(kind)), kind, name, uid, ...(namespace === '' ? {} : {namespace})}
}
