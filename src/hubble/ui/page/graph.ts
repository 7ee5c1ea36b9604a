/** The map as it is known so far: nodes, edges with rates, and what they add up to. No DOM. */
import type {MapEdge, MapMessage, MapNode, PolicyName} from '../wire.ts'

/** flows that did not pass are told of for as long */
export const badForMs = 5 * 60_000
/** a rate follows the flows within some seconds */
const settleMs = 6_000

export interface GraphEdge extends MapEdge {
  /** flows a second */
  readonly rate: number
}

/** All edges from one node to another. */
export interface Pair {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly edges: readonly GraphEdge[]
  readonly rate: number
}

export type Health = 'good' | 'audited' | 'dropped' | 'denied'

export interface NodeSum {
  rateIn: number
  rateOut: number
  /** edges with flows of late that did not pass */
  bad: number
  health: Health
}

export class Graph {
  readonly nodes = new Map<string, MapNode>()
  readonly #edges = new Map<string, GraphEdge & {rate: number; liveSeen: number}>()
  /** edges that the server has no room for */
  beyond = 0
  /** grows when nodes or pairs are new: the picture has to be laid out again */
  shape = 0
  readonly #pairs = new Set<string>()
  #decayedAt = 0

  clear(): void {
    this.nodes.clear()
    this.#edges.clear()
    this.#pairs.clear()
    this.beyond = 0
    this.shape++
  }

  apply({nodes, edges, beyond}: MapMessage): void {
    this.beyond = beyond
    for (const node of nodes) {
      if (!this.nodes.has(node.id)) this.shape++
      this.nodes.set(node.id, node)
    }
    for (const edge of edges) {
      const known = this.#edges.get(edge.id)
      const pair = pairId(edge)
      if (!this.#pairs.has(pair)) {
        this.#pairs.add(pair)
        this.shape++
      } else if (known === undefined) this.shape++
      // a stream that begins anew counts from its own beginning
      const before = known === undefined || known.live > edge.live ? 0 : known.liveSeen
      this.#edges.set(edge.id, {...edge, rate: known?.rate ?? 0, liveSeen: before})
    }
  }

  /** Takes the flows since the last call into the rates. */
  settle(nowMs: number): void {
    const passed = this.#decayedAt === 0 ? 1_000 : Math.max(1, nowMs - this.#decayedAt)
    this.#decayedAt = nowMs
    const keep = Math.exp(-passed / settleMs)
    for (const edge of this.#edges.values()) {
      const now = ((edge.live - edge.liveSeen) * 1_000) / passed
      edge.liveSeen = edge.live
      edge.rate = edge.rate * keep + now * (1 - keep)
      if (edge.rate < 0.005) edge.rate = 0
    }
  }

  get edges(): Iterable<GraphEdge> {
    return this.#edges.values()
  }

  edge(id: string): GraphEdge | undefined {
    return this.#edges.get(id)
  }

  /** Sorted by id, so that the same map gives the same picture. */
  pairs(): Pair[] {
    const found = new Map<string, {from: string; to: string; edges: GraphEdge[]; rate: number}>()
    for (const edge of this.#edges.values()) {
      const id = pairId(edge)
      const pair = found.get(id) ?? {from: edge.from, to: edge.to, edges: [], rate: 0}
      pair.edges.push(edge)
      pair.rate += edge.rate
      found.set(id, pair)
    }
    return [...found].map(([id, pair]) => ({id, ...pair})).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Edges with flows of late that did not pass, the newest denial first. */
  refused(nowMs: number): GraphEdge[] {
    return [...this.#edges.values()]
      .filter((edge) => rank(edgeHealth(edge, nowMs)) >= rank('dropped'))
      .sort((a, b) => rank(edgeHealth(b, nowMs)) - rank(edgeHealth(a, nowMs)) || b.rate - a.rate || b.badMs - a.badMs)
  }
}

export function pairId({from, to}: {readonly from: string; readonly to: string}): string {
  return `${from}|${to}`
}

export function edgeHealth({counts, badMs}: MapEdge, nowMs: number): Health {
  if (badMs > nowMs - badForMs) return counts.denied > 0 ? 'denied' : 'dropped'
  return counts.audited > 0 ? 'audited' : 'good'
}

export function emptySum(): NodeSum {
  return {rateIn: 0, rateOut: 0, bad: 0, health: 'good'}
}

/** Takes a pair into the sum of one of its ends. */
export function addToSum(sum: NodeSum, {edges, rate}: Pair, end: 'from' | 'to', nowMs: number): void {
  if (end === 'from') sum.rateOut += rate
  else sum.rateIn += rate
  for (const edge of edges) {
    const health = edgeHealth(edge, nowMs)
    if (health === 'denied' || health === 'dropped') sum.bad++
    if (rank(health) > rank(sum.health)) sum.health = health
  }
}

export function pairHealth({edges}: Pair, nowMs: number): Health {
  let worst: Health = 'good'
  for (const edge of edges) {
    const health = edgeHealth(edge, nowMs)
    if (rank(health) > rank(worst)) worst = health
  }
  return worst
}

function rank(health: Health): number {
  return ['good', 'audited', 'dropped', 'denied'].indexOf(health)
}

export function portText({protocol, port}: {readonly protocol: string; readonly port: number}): string {
  return port === 0 ? protocol || 'any' : `${protocol} ${port}`
}

/** Behind a name: `:8080`, `:53/UDP`, ` ICMP`. */
export function atPort({protocol, port}: {readonly protocol: string; readonly port: number}): string {
  if (port === 0) return protocol === '' ? '' : ` ${protocol}`
  return protocol === 'TCP' ? `:${port}` : `:${port}/${protocol}`
}

export function rateText(rate: number): string {
  if (rate === 0) return ''
  if (rate < 0.1) return '<0.1/s'
  return rate < 10 ? `${rate.toFixed(1)}/s` : `${Math.round(rate).toLocaleString('en')}/s`
}

export function policyText({kind, namespace, name}: PolicyName): string {
  return `${kind === '' ? 'policy' : kind} ${namespace === '' ? '' : `${namespace}/`}${name}`
}
