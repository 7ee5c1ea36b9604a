/** Keeps the taint and the NetworkUnavailable condition of Nodes in step with the agents on them. */
import type {KubeClient} from '../../k8s/client.ts'
import {objects} from '../../k8s/objects.ts'
import {type Node, resources} from '../../k8s/resources.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {Log} from '../../runtime/log.ts'
import {type Reconciler, type ReconcilerMetrics, ReconcilerRunner} from '../../runtime/reconciler.ts'
import {Table} from '../../runtime/table.ts'
import {derive} from '../derive.ts'
import {nodeRow} from '../reflect/objects.ts'
import type {Tables} from '../reflect/sources.ts'
import type {NodeRow} from '../rows.ts'
import {type NodeChange, networkUpReason, nodeChange, type ReadinessPolicy} from './readiness.ts'

export interface NodeReadinessOptions {
  readonly client: KubeClient
  readonly tables: Pick<Tables, 'nodes' | 'pods'>
  readonly policy: ReadinessPolicy
  readonly clock: Clock
  readonly log: Log
  readonly metrics: ReconcilerMetrics
}

export class NodeReadiness {
  /** nodes that differ from what they should be */
  readonly changes = new Table<NodeChange>({
    name: 'node-changes',
    key: ({name}) => name,
    equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    sources: ['readiness'],
  })
  private readonly options: NodeReadinessOptions
  private readonly runner: ReconcilerRunner<NodeChange>
  private end: (() => void) | undefined

  constructor(options: NodeReadinessOptions) {
    this.options = options
    this.runner = new ReconcilerRunner({
      name: 'node-readiness',
      table: this.changes,
      reconciler: nodeReconciler(
        options.client,
        options.tables.nodes,
        options.clock,
        options.log.for('node-readiness'),
      ),
      concurrency: 4,
      pruneEveryMs: 0,
      clock: options.clock,
      log: options.log,
      metrics: options.metrics,
    })
  }

  start(): void {
    const {tables, policy, clock} = this.options
    this.runner.start()
    this.end = derive([tables.nodes, tables.pods], clock, () => {
      const nodes = [...tables.nodes.values()]
      this.changes.replaceAll(
        nodes.flatMap((node) => nodeChange(node, tables.pods.by('agent-node', node.name), policy) ?? []),
      )
      this.changes.markSynced('readiness')
    })
  }

  async stop(): Promise<void> {
    this.end?.()
    await this.runner.stop()
  }
}

/** The condition comes first: a pod that the missing taint lets in finds the network declared up. */
function nodeReconciler(client: KubeClient, table: Table<NodeRow>, clock: Clock, log: Log): Reconciler<NodeChange> {
  const nodes = objects<Node>(client, resources.nodes)
  return {
    async update({name, taints, networkUp}) {
      let node = table.get(name)
      if (node === undefined) return
      if (networkUp) {
        const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
        const condition = {
          type: 'NetworkUnavailable',
          status: 'False',
          reason: networkUpReason,
          message: 'Cilium is running on this node',
          lastHeartbeatTime: now,
          lastTransitionTime: now,
        }
        node = nodeRow(await nodes.strategicPatch({name}, {status: {conditions: [condition]}}, {subresource: 'status'}))
      }
      if (taints !== undefined) {
        // a list without merge: the version makes sure that nobody else's taint is lost
        const body = {metadata: {resourceVersion: node.resourceVersion}, spec: {taints}}
        node = nodeRow(await nodes.mergePatch({name}, body))
      }
      table.upsert(node)
      log.info('node changed', {node: name, taints: taints?.map(({key}) => key).join(','), networkUp}, {per: name})
    },
    remove() {}, // the node is as it should be
  }
}
