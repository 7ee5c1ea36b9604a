/**
 * Flows summed up as a map: who talks to whom on which port, how often, and what became of it. Grows to a limit and
 * no further; tells what changed since it was asked last.
 */
import type {Flow} from '../../api/gen/flow.ts'
import {dropText} from '../flow/flow-text.ts'
import {clientAndServer, counts, nodeOf, outcomeOf, protocolOf} from './flow-ends.ts'
import {policyKey, policyNames} from './policy-names.ts'
import type {MapEdge, MapMessage, MapNode, Outcome, PolicyName} from './wire.ts'

export interface MapLimits {
  readonly nodes: number
  readonly edges: number
}

export const mapLimits: MapLimits = {nodes: 4_000, edges: 20_000}
const policiesMax = 8

interface Edge {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly protocol: string
  readonly port: number
  readonly counts: Record<Outcome, number>
  live: number
  lastMs: number
  badMs: number
  reason: string
  policies: PolicyName[]
}

export class ServiceMap {
  readonly #limits: MapLimits
  readonly #nodes = new Map<string, MapNode>()
  readonly #edges = new Map<string, Edge>()
  readonly #changedNodes = new Set<string>()
  readonly #changedEdges = new Set<string>()
  #beyond = 0

  constructor(limits: MapLimits = mapLimits) {
    this.#limits = limits
  }

  /** @param live it happened while somebody looked, so that it counts for rates */
  add(flow: Flow, live: boolean): void {
    const outcome = outcomeOf(flow)
    if (outcome === undefined) return
    const counted = counts(flow)
    const policies = policyNames(flow)
    // an event that does not count may still say who decided
    if (!counted && policies.length === 0) return
    const edge = this.#edge(flow)
    if (edge === undefined) {
      if (counted) this.#beyond++
      return
    }
    for (const policy of policies) addPolicy(edge, policy)
    // an answer shows that they talk; the question has been counted
    const timeMs = Number((flow.time ?? 0n) / 1_000_000n)
    if (counted && flow.is_reply !== true) {
      edge.counts[outcome]++
      if (live) edge.live++
      if (outcome === 'denied' || outcome === 'dropped') {
        edge.badMs = Math.max(edge.badMs, timeMs)
        edge.reason = flow.l7 === undefined ? dropText(flow.drop_reason_desc || (flow.drop_reason ?? 0)) : 'Refused'
      }
    }
    edge.lastMs = Math.max(edge.lastMs, timeMs)
    this.#changedEdges.add(edge.id)
  }

  /** What is new since the last call; undefined when nothing is. */
  changes(nowMs: number): MapMessage | undefined {
    if (this.#changedNodes.size === 0 && this.#changedEdges.size === 0) return undefined
    const nodes = [...this.#changedNodes].map((id) => this.#nodes.get(id)!)
    const edges = [...this.#changedEdges].map((id) => copy(this.#edges.get(id)!))
    this.#changedNodes.clear()
    this.#changedEdges.clear()
    return {nodes, edges, beyond: this.#beyond, nowMs}
  }

  #edge(flow: Flow): Edge | undefined {
    const {client, server, port} = clientAndServer(flow)
    const from = nodeOf(client)
    const to = nodeOf(server)
    const protocol = protocolOf(flow)
    const id = `${from.id}|${to.id}|${protocol}|${port}`
    const known = this.#edges.get(id)
    if (known !== undefined) return known
    if (this.#edges.size >= this.#limits.edges || !this.#hold(from) || !this.#hold(to)) return undefined
    const counts = {forwarded: 0, denied: 0, dropped: 0, audited: 0}
    const edge: Edge = {
      id,
      from: from.id,
      to: to.id,
      protocol,
      port,
      counts,
      live: 0,
      lastMs: 0,
      badMs: 0,
      reason: '',
      policies: [],
    }
    this.#edges.set(id, edge)
    return edge
  }

  #hold(node: MapNode): boolean {
    if (this.#nodes.has(node.id)) return true
    if (this.#nodes.size >= this.#limits.nodes) return false
    this.#nodes.set(node.id, node)
    this.#changedNodes.add(node.id)
    return true
  }
}

function addPolicy(edge: Edge, policy: PolicyName): void {
  const key = policyKey(policy)
  if (edge.policies[0] !== undefined && policyKey(edge.policies[0]) === key) return
  edge.policies = [policy, ...edge.policies.filter((one) => policyKey(one) !== key)].slice(0, policiesMax)
}

function copy(edge: Edge): MapEdge {
  return {...edge, counts: {...edge.counts}, policies: [...edge.policies]}
}
