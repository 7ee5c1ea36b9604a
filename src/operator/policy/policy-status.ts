/** Tells in the status of each Cilium policy whether it can be read and enforced, and which field is why not. */
import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {objects} from '../../k8s/objects.ts'
import {Reflector} from '../../k8s/reflector.ts'
import {type KubeObject, resources} from '../../k8s/resources.ts'
import {checkCiliumPolicy} from '../../policy/cilium-policy.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import type {CheckedPolicy} from '../../policy/rule.ts'
import type {Clock} from '../../runtime/clock.ts'
import {hasCode} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {type Reconciler, type ReconcilerMetrics, ReconcilerRunner} from '../../runtime/reconciler.ts'
import {Table} from '../../runtime/table.ts'
import {type Condition, conditionsOf} from './conditions.ts'

const kinds = {
  CiliumNetworkPolicy: resources.ciliumNetworkPolicies,
  CiliumClusterwideNetworkPolicy: resources.ciliumClusterwideNetworkPolicies,
} as const

type Kind = keyof typeof kinds

interface PolicyObject extends KubeObject {
  readonly status?: {readonly conditions?: readonly Condition[] | null}
}

interface PolicyRow {
  readonly kind: Kind
  readonly key: string
  readonly namespace: string | undefined
  readonly name: string
  readonly resourceVersion: string
  readonly checked: CheckedPolicy
  readonly conditions: readonly Condition[]
}

export interface PolicyStatusOptions {
  readonly client: KubeClient
  readonly policyOptions: PolicyOptions
  readonly clock: Clock
  readonly log: Log
  readonly metrics: ReconcilerMetrics
}

export class PolicyStatus {
  private readonly table = new Table<PolicyRow>({
    name: 'policies',
    key: ({kind, key}) => `${kind} ${key}`,
    equal: (a, b) => a.resourceVersion === b.resourceVersion,
    sources: Object.keys(kinds),
  })
  private readonly reflectors: readonly Reflector<PolicyObject, PolicyRow>[]
  private readonly runner: ReconcilerRunner<PolicyRow>

  constructor(options: PolicyStatusOptions) {
    const {client, clock, log, metrics} = options
    this.reflectors = (Object.keys(kinds) as Kind[]).map(
      (kind) =>
        new Reflector<PolicyObject, PolicyRow>({
          client,
          resource: kinds[kind],
          trim: (object) => policyRow(kind, object, options.policyOptions),
          onEvents: (events) => {
            for (const event of events) {
              if (event.type === 'upsert') this.table.upsert(event.object)
              else this.table.delete(`${kind} ${event.key}`)
            }
          },
          onSynced: () => this.table.markSynced(kind),
          clock,
          log,
        }),
    )
    this.runner = new ReconcilerRunner({
      name: 'policy-status',
      table: this.table,
      reconciler: statusReconciler(client, clock),
      concurrency: 4,
      pruneEveryMs: 0,
      clock,
      log,
      metrics,
    })
  }

  start(): void {
    this.runner.start()
    for (const reflector of this.reflectors) reflector.start()
  }

  async stop(): Promise<void> {
    await Promise.all(this.reflectors.map((reflector) => reflector.stop()))
    await this.runner.stop()
  }
}

function policyRow(kind: Kind, object: PolicyObject, options: PolicyOptions): PolicyRow {
  const {namespace, name, resourceVersion = ''} = object.metadata
  return {
    ...{kind, namespace, name, resourceVersion},
    key: namespace === undefined ? name : `${namespace}/${name}`,
    checked: checkCiliumPolicy(kind, object, options),
    conditions: object.status?.conditions ?? [],
  }
}

/** Why writing is safe: the list is replaced only as long as the object is the one it was made from. */
function statusReconciler(client: KubeClient, clock: Clock): Reconciler<PolicyRow> {
  return {
    async update({kind, namespace, name, resourceVersion, checked, conditions}) {
      const next = conditionsOf(checked, conditions, new Date(clock.now()).toISOString())
      if (next === undefined) return
      try {
        await objects<PolicyObject>(client, kinds[kind]).mergePatch(
          {namespace, name},
          {metadata: {resourceVersion}, status: {conditions: next}},
          {subresource: 'status'},
        )
      } catch (thrown) {
        // the watch tells of the newer one, or that it is gone
        if (!hasCode(thrown, k8sErrors.K8S_CONFLICT) && !hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) throw thrown
      }
    },
    remove() {},
  }
}
