/** The pools of both families of this node, and what is reserved in them. */
import type {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import {AddressPool, routerAddress} from './address-pool.ts'

export interface Allocation {
  readonly ipv4: Ip | undefined
  readonly ipv6: Ip | undefined
}

export const routerOwner = 'router'
export const healthOwner = 'health'

export class NodePools {
  readonly pools: readonly AddressPool[]

  constructor(families: {readonly ipv4: boolean; readonly ipv6: boolean}) {
    this.pools = [...(families.ipv4 ? [new AddressPool(4)] : []), ...(families.ipv6 ? [new AddressPool(6)] : [])]
  }

  /** Sets the node's pod ranges and reserves the router addresses in them. @returns the router addresses */
  setCidrs(cidrs: readonly Cidr[]): readonly Ip[] {
    return this.pools.flatMap((pool) => {
      pool.setCidrs(cidrs)
      const [first] = pool.prefixes
      if (first === undefined) return []
      const router = routerAddress(first)
      for (const {ip, owner} of pool.entries()) {
        if (owner === routerOwner && !ip.equals(router)) pool.release(ip)
      }
      pool.take(router, routerOwner, {restored: true})
      return [router]
    })
  }

  /**
   * An address of each family that is on; all or none.
   *
   * @param preferred taken where it is free
   * @throws IPAM_EXHAUSTED, IPAM_NOT_READY
   */
  allocate(owner: string, preferred: readonly Ip[] = []): Allocation {
    const given: Ip[] = []
    try {
      for (const pool of this.pools) {
        const wish = preferred.find((ip) => ip.family === pool.family && pool.ownerOf(ip) === undefined)
        const ip = wish !== undefined && inRange(pool, wish) ? wish : pool.allocate(owner)
        pool.take(ip, owner)
        given.push(ip)
      }
    } catch (thrown) {
      for (const ip of given) this.release(ip)
      throw thrown
    }
    return {ipv4: given.find((ip) => ip.family === 4), ipv6: given.find((ip) => ip.family === 6)}
  }

  /** Notes the address of somebody who has it already. @throws IPAM_ADDRESS_TAKEN */
  restore(ip: Ip, owner: string): void {
    this.poolOf(ip)?.take(ip, owner, {restored: true})
  }

  release(ip: Ip): void {
    this.poolOf(ip)?.release(ip)
  }

  /** True when every family has a range. */
  get ready(): boolean {
    return this.pools.every((pool) => pool.prefixes.length > 0)
  }

  /** `IPv4: 5/254 allocated from 10.0.0.0/24, ` as status shows it. */
  get summary(): string {
    return this.pools
      .map((pool) => `IPv${pool.family}: ${pool.used}/${pool.capacity} allocated from ${pool.prefixes.join(' ')}, `)
      .join('')
  }

  private poolOf(ip: Ip): AddressPool | undefined {
    return this.pools.find((pool) => pool.family === ip.family)
  }
}

function inRange(pool: AddressPool, ip: Ip): boolean {
  return pool.prefixes.some((cidr) => cidr.contains(ip))
}
