/**
 * Removes what nobody stands behind: endpoints without a pod, CiliumNodes without a Node, identities without users.
 * Engines decide on tables; before anything is deleted the API server is asked once more, and the deletion is bound to
 * the object that was judged.
 */
import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {objects} from '../../k8s/objects.ts'
import {
  type CiliumEndpoint,
  type CiliumIdentity,
  type CiliumNode,
  type Node,
  type Pod,
  resources,
} from '../../k8s/resources.ts'
import {heartbeatAnnotation} from '../../model/identity.ts'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {OperatorMetrics} from '../metrics.ts'
import {podRow} from '../reflect/objects.ts'
import type {Tables} from '../reflect/sources.ts'
import type {CiliumNodeRow, EndpointRow, IdentityRow} from '../rows.ts'
import {orphanedEndpoints, orphanedNodes} from './orphans.ts'
import {collectIdentities} from './unused-identities.ts'

export interface GarbageOptions {
  readonly client: KubeClient
  readonly tables: Tables
  /** false while a table may be older than the cluster: nothing is removed then */
  readonly isCurrent: () => boolean
  readonly identityTimes: {readonly heartbeatTimeoutMs: number; readonly intervalMs: number}
  readonly metrics: OperatorMetrics
  readonly clock: Clock
  readonly log: Log
}

/** How many deletions are under way at a time. */
const concurrency = 8

export class Garbage {
  private readonly options: GarbageOptions
  private readonly log: Log
  private suspectedEndpoints: ReadonlySet<string> = new Set()
  private suspectedNodes: ReadonlySet<string> = new Set()
  private unusedSince: ReadonlyMap<string, number> = new Map()

  constructor(options: GarbageOptions) {
    this.options = options
    this.log = options.log.for('garbage')
  }

  async collectEndpoints(signal: AbortSignal): Promise<void> {
    const {client, tables, metrics, isCurrent} = this.options
    if (!isCurrent()) return
    const {remove, suspects} = orphanedEndpoints(
      [...tables.endpoints.values()],
      (key) => tables.pods.get(key),
      this.suspectedEndpoints,
    )
    this.suspectedEndpoints = suspects
    const pods = objects<Pod>(client, resources.pods)
    const endpoints = objects<CiliumEndpoint>(client, resources.ciliumEndpoints)
    await this.each(remove, signal, async (endpoint: EndpointRow) => {
      const {namespace, name, uid} = endpoint
      const pod = await pods.find({namespace, name}, {signal})
      const row = pod === undefined ? undefined : podRow(pod, '')
      if (orphanedEndpoints([endpoint], () => row, new Set([uid])).remove.length === 0) return
      try {
        await endpoints.delete({namespace, name}, {uid, signal})
        metrics.endpointsCollected('success')
        this.log.info('endpoint without a pod removed', {endpoint: `${namespace}/${name}`}, {per: uid})
      } catch (thrown) {
        metrics.endpointsCollected('fail')
        throw thrown
      }
    })
  }

  async collectNodes(signal: AbortSignal): Promise<void> {
    const {client, tables, isCurrent} = this.options
    if (!isCurrent()) return
    const {remove, suspects} = orphanedNodes(
      [...tables.ciliumNodes.values()],
      (name) => tables.nodes.get(name),
      this.suspectedNodes,
    )
    this.suspectedNodes = suspects
    const nodes = objects<Node>(client, resources.nodes)
    const ciliumNodes = objects<CiliumNode>(client, resources.ciliumNodes)
    await this.each(remove, signal, async ({name, uid}: CiliumNodeRow) => {
      if ((await nodes.find({name}, {signal})) !== undefined) return
      await ciliumNodes.delete({name}, {uid, signal})
      this.log.info('CiliumNode without a Node removed', {node: name}, {per: uid})
    })
  }

  async collectIdentities(signal: AbortSignal): Promise<void> {
    const {client, tables, isCurrent, clock, identityTimes, metrics} = this.options
    if (!isCurrent()) return
    const began = clock.monotonic()
    const inUse = new Set<number>()
    for (const {identity} of tables.endpoints.values()) if (identity !== undefined) inUse.add(identity)
    const found = collectIdentities([...tables.identities.values()], inUse, this.unusedSince, {
      ...identityTimes,
      nowMs: clock.now(),
    })
    this.unusedSince = found.unusedSince

    const identities = objects<CiliumIdentity>(client, resources.ciliumIdentities)
    const annotate = async ({name, resourceVersion}: IdentityRow, value: string | null) => {
      const metadata = {resourceVersion, annotations: {[heartbeatAnnotation]: value}}
      await unlessChanged(identities.mergePatch({name}, {metadata}, {signal}))
    }
    let removed = 0
    try {
      await this.each(found.unmark, signal, (identity) => annotate(identity, null))
      await this.each(found.mark, signal, (identity) => annotate(identity, new Date(clock.now()).toISOString()))
      await this.each(found.remove, signal, async ({name, uid, resourceVersion}) => {
        const deleted = await unlessChanged(identities.delete({name}, {uid, resourceVersion, signal}))
        if (deleted !== true) return
        removed++
        this.log.info('unused identity removed', {identity: name}, {per: name})
      })
      metrics.identitiesCollected({outcome: 'success', alive: found.alive, removed, ms: clock.monotonic() - began})
    } catch (thrown) {
      metrics.identitiesCollected({outcome: 'fail', alive: found.alive, removed, ms: clock.monotonic() - began})
      throw thrown
    }
  }

  /** All of them, a few at a time; the first error is thrown when the others are done. */
  private async each<Row>(rows: readonly Row[], signal: AbortSignal, work: (row: Row) => Promise<void>): Promise<void> {
    const queue = rows.values()
    const errors: unknown[] = []
    const worker = async () => {
      for (const row of queue) {
        if (signal.aborted) return
        try {
          await work(row)
        } catch (thrown) {
          errors.push(thrown)
        }
      }
    }
    await Promise.all(Array.from({length: concurrency}, worker))
    if (errors.length > 0 && !signal.aborted) throw CiliumError.from(errors[0])
  }
}

/** Somebody wrote to the object meanwhile, an agent that takes it into use for one: it is judged again next time. */
async function unlessChanged<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write
  } catch (thrown) {
    if (hasCode(thrown, k8sErrors.K8S_CONFLICT) || hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return undefined
    throw thrown
  }
}
