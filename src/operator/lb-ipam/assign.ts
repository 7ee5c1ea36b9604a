/** Which addresses services of type LoadBalancer get. Pure. */
import {compareIps, Ip, type IpFamily} from '../../model/ip.ts'
import {LabelSet} from '../../model/labels.ts'
import {type Selector, selects} from '../../model/selector.ts'
import type {Assignment, Block, LbServiceRow, PoolRow, PoolState} from './rows.ts'

interface Pool {
  readonly row: PoolRow
  readonly selector: Selector
  conflict: string
  /** where the search for a free address goes on, by block */
  readonly cursors: bigint[]
  used: bigint
}

interface Claim {
  readonly pool: Pool
  readonly services: LbServiceRow[]
}

type Refusal = {readonly reason: Assignment['reason']; readonly message: string}

/**
 * Gives services addresses of pools.
 *
 * 1 What a service has it keeps, as long as the address lies in a pool that selects the service and is what the service
 *   asks for; also in a pool that is disabled or in conflict. Of two services that have one address and may not share it
 *   the older keeps it.
 * 2 Of two pools with common addresses the younger gives out nothing, nor does one that is disabled or cannot be read.
 * 3 A service that asks for addresses gets those or none; another one of each of its families.
 * 4 Services with the same sharing key share addresses when no port of theirs is the same, their external policy is
 *   Cluster (or they have the same pods), and they are of one namespace or name each other's.
 * 5 The others get the lowest free address of the first pool by name. Older services come first, so the same objects
 *   always give the same answer.
 */
export function assignAddresses(
  pools: readonly PoolRow[],
  services: readonly LbServiceRow[],
): {readonly assignments: readonly Assignment[]; readonly pools: readonly PoolState[]} {
  const all = pools.map((row): Pool => {
    const selector: Selector = 'problem' in row.selector ? {kind: 'none'} : row.selector.selector
    return {row, selector, conflict: '', cursors: row.blocks.map(() => 0n), used: 0n}
  })
  markConflicts(all)
  const byName = [...all].sort((a, b) => compare(a.row.name, b.row.name))
  const byAge = [...services].sort((a, b) => compare(a.created, b.created) || compare(keyOf(a), keyOf(b)))
  const space = new AddressSpace(byName)
  for (const service of byAge) if (service.ours) space.keep(service)
  const assignments = byAge.map((service) => space.serve(service))
  return {
    assignments,
    pools: all.map(({row, conflict, used}) => ({name: row.name, conflict, total: sizeOf(row.blocks), used})),
  }
}

class AddressSpace {
  private readonly pools: readonly Pool[]
  private readonly claims = new Map<string, Claim>()
  private readonly held = new Map<string, Ip[]>()

  constructor(pools: readonly Pool[]) {
    this.pools = pools
  }

  /** Rule 1. */
  keep(service: LbServiceRow): void {
    const {requested, families, ingress} = service
    const kept: Ip[] = []
    for (const ip of ingress) {
      const wanted =
        requested.length > 0
          ? requested.some((one) => one.equals(ip))
          : families.includes(ip.family) && !kept.some(({family}) => family === ip.family)
      const pool = this.poolOf(ip, service)
      if (!wanted || pool === undefined || this.refusal(ip, service) !== undefined) continue
      this.claim(ip, pool, service)
      kept.push(ip)
    }
    this.held.set(keyOf(service), kept)
  }

  serve(service: LbServiceRow): Assignment {
    const {namespace, name, requested, problems} = service
    if (!service.ours) return {namespace, name, ips: undefined, status: 'False', reason: 'no_pool', message: ''}
    const ips = this.held.get(keyOf(service)) ?? []
    const refusals = requested.length > 0 ? this.serveRequested(service, ips) : this.serveAny(service, ips)
    const [refusal] = [...problems.map((message) => ({reason: 'no_pool' as const, message})), ...refusals]
    ips.sort((a, b) => a.family - b.family || compareIps(a, b))
    if (refusal === undefined) return {namespace, name, ips, status: 'True', reason: 'satisfied', message: ''}
    return {namespace, name, ips, status: 'False', reason: refusal.reason, message: refusal.message}
  }

  private serveRequested(service: LbServiceRow, ips: Ip[]): Refusal[] {
    return service.requested.flatMap((ip): Refusal[] => {
      if (ips.some((one) => one.equals(ip))) return []
      const pool = this.poolOf(ip, service)
      if (pool === undefined || !isOpen(pool))
        return [{reason: 'no_pool', message: `no pool that gives addresses to this service has ${ip}`}]
      const refused = this.refusal(ip, service)
      if (refused !== undefined) return [refused]
      this.claim(ip, pool, service)
      ips.push(ip)
      return []
    })
  }

  private serveAny(service: LbServiceRow, ips: Ip[]): Refusal[] {
    return service.families.flatMap((family): Refusal[] => {
      if (ips.some((ip) => ip.family === family)) return []
      const pools = this.pools.filter(
        (pool) =>
          isOpen(pool) && selected(pool, service) && pool.row.blocks.some((block) => block.first.family === family),
      )
      if (pools.length === 0)
        return [{reason: 'no_pool', message: `no pool gives IPv${family} addresses to this service`}]
      const found = this.shared(service, family, pools) ?? this.free(family, pools)
      if (found === undefined) {
        const names = pools.map(({row}) => row.name).join(', ')
        return [{reason: 'out_of_ips', message: `all IPv${family} addresses of pool ${names} are in use`}]
      }
      this.claim(found.ip, found.pool, service)
      ips.push(found.ip)
      return []
    })
  }

  /** An address that a service with the same sharing key has. */
  private shared(service: LbServiceRow, family: IpFamily, pools: readonly Pool[]): {ip: Ip; pool: Pool} | undefined {
    if (service.sharingKey === '') return undefined
    for (const [text, {pool, services}] of this.claims) {
      if (!pools.includes(pool) || !services.some(({sharingKey}) => sharingKey === service.sharingKey)) continue
      const ip = Ip.of(text)
      if (ip.family === family && this.refusal(ip, service) === undefined) return {ip, pool}
    }
    return undefined
  }

  private free(family: IpFamily, pools: readonly Pool[]): {ip: Ip; pool: Pool} | undefined {
    for (const pool of pools) {
      for (const [index, {first, last}] of pool.row.blocks.entries()) {
        if (first.family !== family) continue
        const size = last.toBigInt() - first.toBigInt() + 1n
        for (; pool.cursors[index]! < size; pool.cursors[index] = pool.cursors[index]! + 1n) {
          const ip = first.add(pool.cursors[index]!)!
          if (!this.claims.has(String(ip))) return {ip, pool}
        }
      }
    }
    return undefined
  }

  /** Why a service may not have an address that others may have already. */
  private refusal(ip: Ip, service: LbServiceRow): Refusal | undefined {
    for (const other of this.claims.get(String(ip))?.services ?? []) {
      if (other === service) continue
      const who = keyOf(other)
      if (service.sharingKey === '' || other.sharingKey !== service.sharingKey)
        return {reason: 'already_allocated', message: `${ip} is ${who}'s, which does not share it`}
      const incompatible = (why: string): Refusal => ({
        reason: 'already_allocated_incompatible_service',
        message: `${ip} cannot be shared with ${who}: ${why}`,
      })
      const port = service.ports.find((one) => other.ports.includes(one))
      if (port !== undefined) return incompatible(`both have port ${port}`)
      if (service.local !== other.local) return incompatible('their external traffic policies differ')
      if (service.local && service.pods !== other.pods)
        return incompatible('with the external traffic policy Local both need the same pods')
      if (!allows(service, other) || !allows(other, service))
        return incompatible('they are of different namespaces and do not both allow the other')
    }
    return undefined
  }

  /** The pool that has the address and selects the service, an open one before others. */
  private poolOf(ip: Ip, service: LbServiceRow): Pool | undefined {
    const having = this.pools.filter(
      (pool) => selected(pool, service) && pool.row.blocks.some((block) => contains(block, ip)),
    )
    return having.find(isOpen) ?? having[0]
  }

  private claim(ip: Ip, pool: Pool, service: LbServiceRow): void {
    const text = String(ip)
    const claim = this.claims.get(text)
    if (claim !== undefined) {
      if (!claim.services.includes(service)) claim.services.push(service)
      return
    }
    this.claims.set(text, {pool, services: [service]})
    pool.used++
  }
}

function isOpen({row, conflict}: Pool): boolean {
  return !row.disabled && conflict === '' && row.problems.length === 0 && !('problem' in row.selector)
}

function selected({selector}: Pool, {labels}: LbServiceRow): boolean {
  return selector.kind === 'absent' || selects(selector, LabelSet.fromRecord(labels))
}

function allows(service: LbServiceRow, other: LbServiceRow): boolean {
  const {sharingNamespaces} = service
  return (
    service.namespace === other.namespace ||
    sharingNamespaces.includes('*') ||
    sharingNamespaces.includes(other.namespace)
  )
}

/** The younger of two pools with common addresses is in conflict; so is one whose own blocks meet. */
function markConflicts(pools: readonly Pool[]): void {
  const byAge = [...pools].sort((a, b) => compare(a.row.created, b.row.created) || compare(a.row.name, b.row.name))
  for (const [index, pool] of byAge.entries()) {
    const {blocks} = pool.row
    for (const [at, block] of blocks.entries()) {
      const own = blocks.slice(0, at).find((one) => meet(one, block))
      if (own !== undefined) pool.conflict ||= `its blocks ${own.text} and ${block.text} have common addresses`
      for (const older of byAge.slice(0, index)) {
        const other = older.row.blocks.find((one) => meet(one, block))
        if (other !== undefined)
          pool.conflict ||= `block ${block.text} has common addresses with block ${other.text} of pool ${older.row.name}`
      }
    }
  }
}

function meet(a: Block, b: Block): boolean {
  return a.first.family === b.first.family && compareIps(a.first, b.last) <= 0 && compareIps(b.first, a.last) <= 0
}

function contains({first, last}: Block, ip: Ip): boolean {
  return first.family === ip.family && compareIps(first, ip) <= 0 && compareIps(ip, last) <= 0
}

function sizeOf(blocks: readonly Block[]): bigint {
  return blocks.reduce((total, {first, last}) => total + last.toBigInt() - first.toBigInt() + 1n, 0n)
}

function keyOf({namespace, name}: {readonly namespace: string; readonly name: string}): string {
  return `${namespace}/${name}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
