/**
 * Keeps every CiliumNode supplied with its prefixes (ipam: cluster-pool).
 *
 *     nodes ─────────┐
 *     ciliumnodes ───┼─► assignPodCidrs ─► table pod-cidrs ─► reconciler ─► spec.ipam.podCIDRs, operator-status
 *     service ranges ┘        ▲                  │
 *                             └── what was given ┘   and is not in the object yet: nobody else gets it meanwhile
 */
import type {KubeClient} from '../../k8s/client.ts'
import {objects} from '../../k8s/objects.ts'
import {type CiliumNode, resources} from '../../k8s/resources.ts'
import {Cidr} from '../../model/cidr.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {Log} from '../../runtime/log.ts'
import {type Reconciler, type ReconcilerMetrics, ReconcilerRunner} from '../../runtime/reconciler.ts'
import {Table} from '../../runtime/table.ts'
import {derive} from '../derive.ts'
import {ciliumNodeRow} from '../reflect/objects.ts'
import type {Tables} from '../reflect/sources.ts'
import type {CiliumNodeRow} from '../rows.ts'
import {assignPodCidrs, type FamilyPools, type Occupied, type PodCidrs} from './pod-cidrs.ts'

export interface PodCidrAllocationOptions {
  readonly client: KubeClient
  readonly tables: Pick<Tables, 'nodes' | 'ciliumNodes'>
  readonly families: readonly FamilyPools[]
  /** what services use, as far as it is known */
  readonly serviceRanges: () => readonly Occupied[]
  readonly clock: Clock
  readonly log: Log
  readonly metrics: ReconcilerMetrics
}

/** What a CiliumNode should say, and whether it does. */
export interface PodCidrRow extends PodCidrs {
  readonly written: boolean
}

export class PodCidrAllocation {
  readonly assignments = new Table<PodCidrRow>({
    name: 'pod-cidrs',
    key: ({name}) => name,
    equal: (a, b) => a.written === b.written && a.error === b.error && sameTexts(a.podCidrs, b.podCidrs),
    sources: ['allocation'],
  })
  private readonly options: PodCidrAllocationOptions
  private readonly log: Log
  private readonly runner: ReconcilerRunner<PodCidrRow>
  private end: (() => void) | undefined

  constructor(options: PodCidrAllocationOptions) {
    this.options = options
    this.log = options.log.for('ipam')
    this.runner = new ReconcilerRunner({
      name: 'pod-cidrs',
      table: this.assignments,
      reconciler: podCidrReconciler(options.client, options.tables.ciliumNodes),
      concurrency: 4,
      pruneEveryMs: 0,
      clock: options.clock,
      log: options.log,
      metrics: options.metrics,
    })
  }

  start(): void {
    const {nodes, ciliumNodes} = this.options.tables
    this.runner.start()
    this.end = derive([nodes, ciliumNodes], this.options.clock, () => this.assign())
  }

  async stop(): Promise<void> {
    this.end?.()
    await this.runner.stop()
  }

  /** Assigns anew: the service ranges have changed. */
  assign(): void {
    const {tables, families, serviceRanges} = this.options
    if (!tables.nodes.synced || !tables.ciliumNodes.synced) return
    const holders = [...tables.ciliumNodes.values()].map((node) => ({...node, podCidrs: this.held(node)}))
    const assigned = assignPodCidrs(holders, families, [...this.nodeAddresses(), ...serviceRanges()])
    const rows = assigned.map((row): PodCidrRow => {
      const node = tables.ciliumNodes.get(row.name)!
      if (row.error !== '' && row.error !== this.assignments.get(row.name)?.error) {
        this.log.warn('a node has no usable pod CIDR', {node: row.name, problem: row.error}, {per: row.name})
      }
      return {...row, written: node.error === row.error && sameTexts(node.podCidrs, row.podCidrs)}
    })
    this.assignments.replaceAll(rows)
    this.assignments.markSynced('allocation')
  }

  /** What a node has: what its object says, and for families it says nothing of, what was given and not written yet. */
  private held(node: CiliumNodeRow): readonly string[] {
    const families = new Set(node.podCidrs.map((text) => Cidr.parse(text)?.family))
    const given = this.assignments.get(node.name)?.podCidrs ?? []
    const unwritten = given.filter((text) => {
      const family = Cidr.parse(text)?.family
      return family !== undefined && !families.has(family)
    })
    return [...node.podCidrs, ...unwritten]
  }

  private nodeAddresses(): Occupied[] {
    return [...this.options.tables.nodes.values()].flatMap(({name, addresses}) =>
      addresses.map((ip) => ({cidr: Cidr.host(ip), owner: `address of node ${name}`})),
    )
  }
}

/**
 * Writes the prefixes first and the error after it. Both patches name the version that was decided upon: when somebody
 * else wrote meanwhile they fail, and the retry sees the newer object. The answer goes into the table at once, so that
 * the next decision does not wait for the watch.
 */
function podCidrReconciler(client: KubeClient, table: Table<CiliumNodeRow>): Reconciler<PodCidrRow> {
  const ciliumNodes = objects<CiliumNode>(client, resources.ciliumNodes)
  return {
    async update(row) {
      let node = table.get(row.name)
      if (node === undefined) return
      const patch = async (content: object, subresource?: string) => {
        const body = {metadata: {resourceVersion: node!.resourceVersion}, ...content}
        const written = await ciliumNodes.mergePatch(
          {name: row.name},
          body,
          subresource === undefined ? {} : {subresource},
        )
        node = ciliumNodeRow(written)
        table.upsert(node)
      }
      if (!sameTexts(node.podCidrs, row.podCidrs)) await patch({spec: {ipam: {podCIDRs: row.podCidrs}}})
      if (node.error !== row.error) {
        await patch({status: {ipam: {'operator-status': {error: row.error === '' ? null : row.error}}}}, 'status')
      }
    },
    remove() {}, // the CiliumNode is gone: nothing is left to be written
  }
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}
