/**
 * The port side of a rule set, for one peer and one protocol: overlapping ranges become blocks that do not overlap,
 * because a longest-prefix look-up gives one answer only and the longest is not always the one that should win.
 */
import {portPrefixes} from '../model/port.ts'

/** One rule's word about a range of ports (inclusive). */
export interface PortClaim {
  readonly first: number
  readonly last: number
  readonly tier: number
  /** of equal tiers the lower speaks */
  readonly order: number
  readonly cookie: number
}

export interface PortBlock {
  readonly port: number
  /** 16: one port */
  readonly bits: number
  readonly claim: PortClaim
}

/** True when `a` speaks in place of `b`. */
export function outranks(a: PortClaim, b: PortClaim | undefined): boolean {
  return b === undefined || a.tier > b.tier || (a.tier === b.tier && a.order < b.order)
}

/** Blocks that together say for every port what the strongest claim on it says. */
export function portBlocks(claims: readonly PortClaim[]): PortBlock[] {
  const edges = [...new Set(claims.flatMap(({first, last}) => [first, last + 1]))].sort((a, b) => a - b)
  const blocks: PortBlock[] = []
  let current: {first: number; last: number; claim: PortClaim} | undefined
  const flush = () => {
    if (current === undefined) return
    const {claim} = current
    blocks.push(...portPrefixes(current).map(({port, bits}) => ({port, bits, claim})))
    current = undefined
  }
  for (const [index, first] of edges.entries()) {
    const last = (edges[index + 1] ?? first) - 1
    let best: PortClaim | undefined
    for (const claim of claims) {
      if (claim.first <= first && last <= claim.last && last >= first && outranks(claim, best)) best = claim
    }
    if (best !== undefined && current?.claim === best) current.last = last
    else {
      flush()
      if (best !== undefined) current = {first, last, claim: best}
    }
  }
  flush()
  return blocks
}
