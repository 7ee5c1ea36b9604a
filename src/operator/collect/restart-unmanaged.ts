/** Restarts pods that came before our agent and run in somebody else's network, such as the cluster's DNS. */
import type {KubeClient} from '../../k8s/client.ts'
import {objects} from '../../k8s/objects.ts'
import {resources} from '../../k8s/resources.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {Log} from '../../runtime/log.ts'
import type {OperatorMetrics} from '../metrics.ts'
import {podRow, type StartedPod} from '../reflect/objects.ts'
import type {Tables} from '../reflect/sources.ts'
import {findUnmanagedPods} from './unmanaged-pods.ts'

export interface RestartUnmanagedOptions {
  readonly client: KubeClient
  readonly tables: Pick<Tables, 'pods' | 'endpoints'>
  readonly isCurrent: () => boolean
  /** label selector, as kubectl takes it */
  readonly selector: string
  readonly metrics: OperatorMetrics
  readonly clock: Clock
  readonly log: Log
}

export class RestartUnmanaged {
  private readonly options: RestartUnmanagedOptions
  private readonly log: Log
  private agentReadySince: ReadonlyMap<string, number> = new Map()
  private lastRestartMs = Number.NEGATIVE_INFINITY

  constructor(options: RestartUnmanagedOptions) {
    this.options = options
    this.log = options.log.for('unmanaged-pods')
  }

  async run(signal: AbortSignal): Promise<void> {
    const {client, tables, isCurrent, selector, metrics, clock} = this.options
    const nowMs = clock.now()
    this.agentReadySince = this.readySince(nowMs)
    if (!isCurrent()) return
    const pods = objects<StartedPod>(client, resources.pods)
    const selected = await pods.listAll({labelSelector: selector, signal})
    const {unmanaged, restart} = findUnmanagedPods(
      selected.map((pod) => podRow(pod, '')),
      (key) => tables.endpoints.has(key),
      {nowMs, agentReadySince: this.agentReadySince, lastRestartMs: this.lastRestartMs},
    )
    metrics.unmanagedPods(unmanaged.length)
    if (restart === undefined) return
    const {namespace, name, uid} = restart
    this.lastRestartMs = nowMs
    await pods.delete({namespace, name}, {uid, signal})
    this.log.info('pod outside the network restarted', {pod: `${namespace}/${name}`, node: restart.node}, {per: uid})
  }

  private readySince(nowMs: number): ReadonlyMap<string, number> {
    const since = new Map<string, number>()
    for (const pod of this.options.tables.pods.values()) {
      if (pod.agent && pod.ready && !pod.ended) since.set(pod.node, this.agentReadySince.get(pod.node) ?? nowMs)
    }
    return since
  }
}
