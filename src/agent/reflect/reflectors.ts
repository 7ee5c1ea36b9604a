/** Follows the kinds that the agent lives by, each into its table. */
import type {KubeClient} from '../../k8s/client.ts'
import {Reflector, type ReflectorEvent, type ReflectorHealth} from '../../k8s/reflector.ts'
import {type EndpointSlice, type KubeObject, type Resource, resources, type Service} from '../../k8s/resources.ts'
import type {PolicyOptions} from '../../policy/options.ts'
import type {PolicyKind} from '../../policy/rule.ts'
import {type Clock, sleep} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {Table} from '../../runtime/table.ts'
import {l2PolicyRow} from '../l2/policy.ts'
import {localRedirectRow} from '../service/local-redirect.ts'
import type {Tables} from '../state/tables.ts'
import {type CidrGroupObject, cidrGroupRow} from './cidr-group.ts'
import {type CiliumEndpointObject, remoteEndpointRow} from './cilium-endpoint.ts'
import {type CiliumIdentityObject, identityRow} from './cilium-identity.ts'
import {type CiliumNodeObject, nodeRow} from './cilium-node.ts'
import {endpointSliceRow} from './endpoint-slice.ts'
import {namespaceRow} from './namespace.ts'
import {localNodeRow, type NodeObject} from './node.ts'
import {type PodObject, podRow} from './pod.ts'
import {policyRow} from './policy.ts'
import {policyServiceRow} from './policy-service.ts'
import type {ReflectorMetrics} from './reflector-metrics.ts'
import {serviceRow} from './service.ts'

export interface ReflectorsOptions {
  readonly client: KubeClient
  readonly tables: Tables
  readonly nodeName: string
  /** CiliumL2AnnouncementPolicies are followed */
  readonly l2Policies: boolean
  /** CiliumLocalRedirectPolicies are followed */
  readonly localRedirects: boolean
  /** whose services are served; empty: those of no other proxy */
  readonly serviceProxyName: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: ReflectorMetrics
  readonly policyOptions: PolicyOptions
  /** NetworkPolicies of Kubernetes count (`enable-k8s-networkpolicy`) */
  readonly networkPolicies: boolean
}

interface Selection {
  readonly fieldSelector?: string
  /** key of the row for an object's key */
  readonly keyOf?: (key: string) => string
}

interface Target {
  readonly table: {
    /** false: nothing has changed */
    upsert(row: never): boolean
    /** undefined: nothing was there */
    delete(key: string): unknown
    markSynced(source: string): void
  }
  readonly source: string
  readonly translate: (object: KubeObject) => unknown
}

/** How often we look whether the operator has registered our kinds. */
const crdPollMs = 1000

export class Reflectors {
  private readonly options: ReflectorsOptions
  private readonly core: readonly Reflector<KubeObject, unknown>[]
  private readonly own: Reflector<KubeObject, unknown>[]
  private readonly stopping = new AbortController()
  private waiting: Promise<void> | undefined
  private readonly names = new Map<Reflector<KubeObject, unknown>, string>()

  constructor(options: ReflectorsOptions) {
    this.options = options
    const {tables, nodeName} = options
    this.core = [
      this.into(resources.nodes, tables.localNode, 'node', (object) => localNodeRow(object as NodeObject), {
        fieldSelector: `metadata.name=${nodeName}`,
      }),
      this.into(resources.namespaces, tables.namespaces, 'namespaces', namespaceRow),
      this.into(resources.pods, tables.pods, 'pods', (object) => podRow(object as PodObject), {
        fieldSelector: `spec.nodeName=${nodeName}`,
      }),
      // one watch for both: what is served, and what policies mean by a service
      this.follow(resources.services, [
        {
          table: tables.services,
          source: 'services',
          translate: (object) => serviceRow(object as Service, options.serviceProxyName),
        },
        {table: tables.policyServices, source: 'services', translate: (object) => policyServiceRow(object as Service)},
      ]),
      this.into(resources.endpointSlices, tables.endpointSlices, 'endpointslices', (object) =>
        endpointSliceRow(object as EndpointSlice),
      ),
      ...(options.networkPolicies ? [this.policies(resources.networkPolicies, 'NetworkPolicy')] : []),
    ]
    if (!options.networkPolicies) tables.policies.markSynced('networkpolicies')
    this.own = [
      this.into(resources.ciliumNodes, tables.nodes, 'ciliumnodes', (o) => nodeRow(o as CiliumNodeObject, nodeName)),
      this.into(resources.ciliumIdentities, tables.identities, 'ciliumidentities', (o) =>
        identityRow(o as CiliumIdentityObject),
      ),
      this.into(resources.ciliumEndpoints, tables.remoteEndpoints, 'ciliumendpoints', (o) =>
        remoteEndpointRow(o as CiliumEndpointObject),
      ),
      this.policies(resources.ciliumNetworkPolicies, 'CiliumNetworkPolicy'),
      this.policies(resources.ciliumClusterwideNetworkPolicies, 'CiliumClusterwideNetworkPolicy'),
      this.into(resources.ciliumCidrGroups, tables.cidrGroups, 'ciliumcidrgroups', (o) =>
        cidrGroupRow(o as CidrGroupObject),
      ),
    ]
    if (options.localRedirects)
      this.later(resources.ciliumLocalRedirectPolicies, tables.localRedirects, localRedirectRow)
    if (options.l2Policies) this.later(resources.ciliumL2AnnouncementPolicies, tables.l2Policies, l2PolicyRow)
  }

  /** A kind of ours that a feature asks for. */
  private later<Row>(
    resource: Resource,
    table: Table<Row, string>,
    row: (object: KubeObject) => Row | undefined,
  ): void {
    table.addSource(resource.plural)
    this.own.push(this.into(resource, table, resource.plural, row))
  }

  /** Begins; our own kinds as soon as the operator has registered them. Returns at once. */
  start(): void {
    for (const reflector of this.core) reflector.start()
    this.waiting = this.whenRegistered().then(
      () => {
        for (const reflector of this.own) reflector.start()
      },
      () => {}, // stopped before
    )
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.waiting
    await Promise.all([...this.core, ...this.own].map((reflector) => reflector.stop()))
  }

  /** By plural name. */
  health(): ReadonlyMap<string, ReflectorHealth> {
    return new Map([...this.core, ...this.own].map((reflector) => [this.names.get(reflector)!, reflector.health]))
  }

  private policies(resource: Resource, kind: PolicyKind): Reflector<KubeObject, unknown> {
    const {tables, policyOptions} = this.options
    return this.into(resource, tables.policies, resource.plural, (object) => policyRow(kind, object, policyOptions), {
      keyOf: (key) => `${kind} ${key}`,
    })
  }

  private into<Row>(
    resource: Resource,
    table: Table<Row, string>,
    source: string,
    translate: (object: KubeObject) => Row | undefined,
    more: Selection = {},
  ): Reflector<KubeObject, unknown> {
    return this.follow(resource, [{table, source, translate}], more)
  }

  /** Each object becomes a row of every target, or none where the target has no use for it. */
  private follow(
    resource: Resource,
    targets: readonly Target[],
    {keyOf = (key) => key, ...more}: Selection = {},
  ): Reflector<KubeObject, unknown> {
    const {client, clock, log} = this.options
    const metrics = this.options.metrics?.of(resource.kind)
    const began = clock.monotonic()
    const reflector = new Reflector<KubeObject, unknown>({
      client,
      resource,
      clock,
      log,
      trim: (object) => {
        const rows = targets.map(({translate}) => translate(object))
        return rows.every((row) => row === undefined) ? undefined : rows
      },
      onEvents: (group: readonly ReflectorEvent<unknown>[]) => {
        for (const event of group) {
          const rows = event.type === 'upsert' ? (event.object as readonly unknown[]) : []
          let equal = true
          for (const [index, {table}] of targets.entries()) {
            const row = rows[index]
            const isNews = row === undefined ? table.delete(keyOf(event.key)) !== undefined : table.upsert(row as never)
            equal &&= !isNews
          }
          const valid = event.type === 'delete' || rows.some((row) => row !== undefined)
          metrics?.event(event.type, {valid, equal}, clock.now())
        }
      },
      onSynced: () => {
        for (const {table, source} of targets) table.markSynced(source)
        metrics?.synced(clock.monotonic() - began)
      },
      ...more,
    })
    this.names.set(reflector, resource.plural)
    return reflector
  }

  private async whenRegistered(): Promise<void> {
    const {client, clock} = this.options
    const log = this.options.log.for('k8s')
    const wanted = [
      ...[resources.ciliumNodes, resources.ciliumIdentities, resources.ciliumEndpoints],
      ...[resources.ciliumNetworkPolicies, resources.ciliumClusterwideNetworkPolicies, resources.ciliumCidrGroups],
    ].map((r) => r.plural)
    const {signal} = this.stopping
    for (let told = ''; ; ) {
      let missing: string
      try {
        const served = await client.json<{resources?: readonly {name: string}[]}>({
          path: '/apis/cilium.io/v2',
          what: 'look for our kinds',
          timeoutMs: 10_000,
          signal,
        })
        const names = new Set(served.resources?.map(({name}) => name))
        missing = wanted.filter((name) => !names.has(name)).join(', ')
        if (missing === '') return
      } catch (thrown) {
        if (signal.aborted) throw thrown
        missing = CiliumError.from(thrown).code
      }
      if (missing !== told) log.info('waiting for the custom resources that the operator registers', {missing})
      told = missing
      await sleep(clock, crdPollMs, signal)
    }
  }
}
