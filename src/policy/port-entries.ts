/**
 * The port side of a rule set, for one protocol: overlapping ranges become blocks that do not overlap, because a
 * longest-prefix look-up gives one answer only. Each block carries the rules of all ranges that hold it.
 */
import {portPrefixes} from '../model/port.ts'

/** A range of ports (inclusive) and the rules that are about it, as a mask. */
export interface PortClaim {
  readonly first: number
  readonly last: number
  readonly rules: bigint
}

export interface PortBlock {
  readonly port: number
  /** 16: one port */
  readonly bits: number
  readonly rules: bigint
}

/** Blocks that together say for every port what all claims on it say. */
export function portBlocks(claims: readonly PortClaim[]): PortBlock[] {
  const edges = [...new Set(claims.flatMap(({first, last}) => [first, last + 1]))].sort((a, b) => a - b)
  const blocks: PortBlock[] = []
  let current: {first: number; last: number; rules: bigint} | undefined
  const flush = () => {
    if (current === undefined) return
    const {rules} = current
    blocks.push(...portPrefixes(current).map(({port, bits}) => ({port, bits, rules})))
    current = undefined
  }
  for (const [index, first] of edges.entries()) {
    const last = (edges[index + 1] ?? first) - 1
    let rules = 0n
    for (const claim of claims) {
      if (claim.first <= first && last <= claim.last && last >= first) rules |= claim.rules
    }
    if (rules !== 0n && current?.rules === rules) current.last = last
    else {
      flush()
      if (rules !== 0n) current = {first, last, rules}
    }
  }
  flush()
  return blocks
}
