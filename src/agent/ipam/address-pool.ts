/** The addresses of one family that a node may give to its endpoints, and who has which. Pure: no clock, no disk. */
import {type Cidr, compareCidrs} from '../../model/cidr.ts'
import {compareIps, type Ip} from '../../model/ip.ts'
import {fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'

/**
 * Gives out addresses.
 * 1 The first and the last address of each prefix are nobody's (network and broadcast, in both families).
 * 2 The search goes on where the last one ended, so that an address rests as long as possible before it is used again.
 * 3 An address is never given twice; one outside the prefixes (a prefix was taken away while in use) stays its owner's
 *   until released.
 */
export class AddressPool {
  readonly family: 4 | 6
  private cidrs: readonly Cidr[] = []
  private readonly owners = new Map<string, {readonly ip: Ip; readonly owner: string}>()
  /** index over all prefixes at which the next search begins */
  private next = 0n
  /** addresses given and given back so far */
  allocations = 0
  releases = 0

  constructor(family: 4 | 6) {
    this.family = family
  }

  /** Sets the prefixes; those of another family are left out. Given addresses stay given. */
  setCidrs(cidrs: readonly Cidr[]): void {
    const own = cidrs.filter((cidr) => cidr.family === this.family).sort(compareCidrs)
    if (own.length !== this.cidrs.length || own.some((cidr, i) => !cidr.equals(this.cidrs[i]!))) {
      this.cidrs = own
      this.next = 0n
    }
  }

  get prefixes(): readonly Cidr[] {
    return this.cidrs
  }

  /** How many addresses there are to give, given ones included. */
  get capacity(): bigint {
    return this.cidrs.reduce((sum, cidr) => sum + usable(cidr), 0n)
  }

  get used(): number {
    return this.owners.size
  }

  /**
   * A free address for this owner.
   *
   * @throws IPAM_NOT_READY without a prefix, IPAM_EXHAUSTED when all are given
   */
  allocate(owner: string): Ip {
    const family = `IPv${this.family}`
    if (this.cidrs.length === 0) fail(codes.IPAM_NOT_READY, {family})
    const capacity = this.capacity
    // more probes than addresses given away cannot all be taken
    for (let probes = 0n; probes < capacity && probes <= BigInt(this.owners.size); probes++) {
      const ip = this.at((this.next + probes) % capacity)
      if (this.owners.has(ip.toString())) continue
      this.next = (this.next + probes + 1n) % capacity
      this.owners.set(ip.toString(), {ip, owner})
      this.allocations++
      return ip
    }
    return fail(codes.IPAM_EXHAUSTED, {family, pool: this.cidrs.join(' '), capacity})
  }

  /**
   * Gives this very address; again to the same owner is fine.
   *
   * @throws IPAM_ADDRESS_TAKEN, IPAM_ADDRESS_FOREIGN (unless `restored`: a running pod keeps what it has)
   */
  take(ip: Ip, owner: string, options: {readonly restored?: boolean} = {}): void {
    const holder = this.owners.get(ip.toString())
    if (holder !== undefined && holder.owner !== owner) {
      fail(codes.IPAM_ADDRESS_TAKEN, {address: String(ip), owner: holder.owner})
    }
    if (options.restored !== true && !this.isOurs(ip)) {
      fail(codes.IPAM_ADDRESS_FOREIGN, {address: String(ip), pool: this.cidrs.join(' ')})
    }
    if (holder === undefined) this.allocations++
    this.owners.set(ip.toString(), {ip, owner})
  }

  /** @returns whether it was given */
  release(ip: Ip): boolean {
    const was = this.owners.delete(ip.toString())
    if (was) this.releases++
    return was
  }

  ownerOf(ip: Ip): string | undefined {
    return this.owners.get(ip.toString())?.owner
  }

  /** Given addresses with their owners, in address order. */
  entries(): readonly {readonly ip: Ip; readonly owner: string}[] {
    return [...this.owners.values()].sort((a, b) => compareIps(a.ip, b.ip))
  }

  private isOurs(ip: Ip): boolean {
    return this.cidrs.some((cidr) => cidr.contains(ip) && (isTiny(cidr) || !isEdge(cidr, ip)))
  }

  private at(index: bigint): Ip {
    let rest = index
    for (const cidr of this.cidrs) {
      const count = usable(cidr)
      if (rest < count) return cidr.at(isTiny(cidr) ? rest : rest + 1n)!
      rest -= count
    }
    throw new RangeError(`address ${index} of ${this.capacity}`)
  }
}

/** The lowest address that `AddressPool` may give: the node's own, gateway of its pods. */
export function routerAddress(cidr: Cidr): Ip {
  return isTiny(cidr) ? cidr.network : cidr.at(1)!
}

/** Two addresses or one: no room for edges (RFC 3021). */
function isTiny(cidr: Cidr): boolean {
  return cidr.network.bits - cidr.length < 2
}

function usable(cidr: Cidr): bigint {
  return isTiny(cidr) ? cidr.size : cidr.size - 2n
}

function isEdge(cidr: Cidr, ip: Ip): boolean {
  return ip.equals(cidr.network) || ip.equals(cidr.last)
}
