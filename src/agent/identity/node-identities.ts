/**
 * What nodes are known by when policies tell them apart by labels (`nodeSelectorLabels`): one number for each set of
 * labels, of this node's own making (scope 0x02); and the labels of this node's own identity.
 *
 * Why the order is safe: an address takes a number only when the row that says which groups it is in is in the maps
 * (`usable`); until then the node is known as before. A number that no node has any more keeps its row for a while.
 */
import {createHash} from 'node:crypto'
import {type Identity, identity, remoteNodeIdentities, reservedIdentities} from '../../model/identity.ts'
import type {LabelFilter} from '../../model/label-filter.ts'
import {LabelSet, nodePeerLabels} from '../../model/labels.ts'
import type {NodeRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {plainIdentity} from './address-rows.ts'
import type {NodeIdentityMemory, RememberedNode} from './node-identity-memory.ts'

export interface NodeIdentitiesOptions {
  readonly table: Tables['nodeIdentities']
  readonly cluster: string
  /** which labels count */
  readonly filter: LabelFilter
  readonly memory: Pick<NodeIdentityMemory, 'write'>
}

interface Known {
  readonly id: Identity
  readonly labels: LabelSet
  /** its row is in the maps */
  usable: boolean
  /** nobody had it at the last look */
  idle: boolean
}

/** One node as it is known: what its addresses have, and what they are to have. */
interface Use {
  readonly node: string
  now: Identity
  wanted: Known | undefined
}

export class NodeIdentities {
  readonly #options: NodeIdentitiesOptions
  readonly #byLabels = new Map<string, Known>()
  readonly #taken = new Set<number>()
  /** by node, and whether the API server answers at the address */
  readonly #uses = new Map<string, Use>()
  readonly #listeners = new Set<(nodes: readonly string[]) => void>()
  readonly #read = new WeakMap<NodeRow['labels'], Map<boolean, LabelSet>>()
  #remembering = false

  constructor(options: NodeIdentitiesOptions) {
    this.#options = options
  }

  /** What was in force in the life before. */
  restore(remembered: readonly RememberedNode[]): void {
    for (const {node, apiServer, id, labels} of remembered) {
      // the maps have its row: addresses may have it at once
      this.#keep({id: identity(id), labels: LabelSet.parse(labels), usable: true, idle: false})
      this.#uses.set(useKey(node, apiServer), {node, now: identity(id), wanted: undefined})
    }
  }

  /** What addresses of a node have now. */
  readonly of = (row: NodeRow, apiServer: boolean): Identity => {
    const wanted = this.#known(this.#peerLabels(row, apiServer))
    const key = useKey(row.name, apiServer)
    let use = this.#uses.get(key)
    if (use === undefined) this.#uses.set(key, (use = {node: row.name, now: plainIdentity(row, apiServer), wanted}))
    use.wanted = wanted
    if (wanted.usable && use.now !== wanted.id) {
      use.now = wanted.id
      this.#remember()
    }
    return use.now
  }

  /** A node is gone. */
  forget(node: string): void {
    const had = [true, false].map((apiServer) => this.#uses.delete(useKey(node, apiServer)))
    if (had.includes(true)) this.#remember()
  }

  /** The labels of this node. */
  setHost(labels: Readonly<Record<string, string>>): void {
    this.#options.table.upsert({id: reservedIdentities.host, labels: this.#labelsOf(labels, ['host'])})
  }

  /** Calls back when addresses of nodes may take their numbers. @returns how to end that */
  onUsable(listener: (nodes: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Rows of peers have been written. @param isWritten is that of this number among them? */
  written(isWritten: (id: number) => boolean): void {
    const usable = new Set<Known>()
    for (const known of this.#byLabels.values()) {
      if (known.usable || !isWritten(known.id)) continue
      known.usable = true
      usable.add(known)
    }
    if (usable.size === 0) return
    const nodes = new Set<string>()
    for (const {node, wanted} of this.#uses.values()) if (wanted !== undefined && usable.has(wanted)) nodes.add(node)
    for (const listener of [...this.#listeners]) listener([...nodes])
  }

  /** Gives up numbers that nobody has had since the last call. Once all nodes are known. */
  tidy(): void {
    for (const [key, {wanted}] of this.#uses) if (wanted === undefined) this.#uses.delete(key)
    const used = new Set([...this.#uses.values()].flatMap(({now, wanted}) => [now, ...(wanted ? [wanted.id] : [])]))
    for (const known of [...this.#byLabels.values()]) {
      const wasIdle = known.idle
      known.idle = !used.has(known.id)
      if (!known.idle || !wasIdle) continue
      this.#byLabels.delete(known.labels.canonical)
      this.#taken.delete(known.id)
      this.#options.table.delete(String(known.id))
    }
  }

  /** A node has several addresses: its labels are read once for all of them. */
  #peerLabels({labels}: NodeRow, apiServer: boolean): LabelSet {
    let sets = this.#read.get(labels)
    if (sets === undefined) this.#read.set(labels, (sets = new Map()))
    let set = sets.get(apiServer)
    if (set === undefined) {
      set = this.#labelsOf(labels, ['remote-node', ...(apiServer ? ['kube-apiserver'] : [])])
      sets.set(apiServer, set)
    }
    return set
  }

  #labelsOf(labels: Readonly<Record<string, string>>, reserved: readonly string[]): LabelSet {
    const {cluster, filter} = this.#options
    return nodePeerLabels(labels, {cluster, reserved, accepts: (label) => filter.accepts(label)})
  }

  #known(labels: LabelSet): Known {
    const known =
      this.#byLabels.get(labels.canonical) ?? this.#keep({id: this.#take(labels), labels, usable: false, idle: false})
    known.idle = false
    return known
  }

  #keep(known: Known): Known {
    const {id, labels} = known
    this.#byLabels.set(labels.canonical, known)
    this.#taken.add(id)
    this.#options.table.upsert({id, labels})
    return known
  }

  /** Of equal labels the same, life after life, as a rule; where two sets meet, what is remembered decides. */
  #take(labels: LabelSet): Identity {
    const digest = createHash('sha256').update(labels.canonical).digest()
    const {first, last} = remoteNodeIdentities
    const size = last - first + 1
    let at = digest.readUInt32LE(0) % size
    while (this.#taken.has(first + at)) at = (at + 1) % size
    return identity(first + at)
  }

  /** Once for all changes of a turn. */
  #remember(): void {
    if (this.#remembering) return
    this.#remembering = true
    queueMicrotask(() => {
      this.#remembering = false
      this.#options.memory.write(this.#inForce())
    })
  }

  #inForce(): RememberedNode[] {
    return [...this.#uses].flatMap(([key, {node, now}]) => {
      const labels = this.#options.table.get(String(now))?.labels.toStrings()
      return labels === undefined ? [] : [{node, apiServer: key === useKey(node, true), id: now, labels}]
    })
  }
}

function useKey(node: string, apiServer: boolean): string {
  return `${apiServer ? 'api-server' : 'plain'} ${node}`
}
