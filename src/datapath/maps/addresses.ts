/**
 * The address map as one: exact addresses lie in a HASH, prefixes in an LPM trie, and the exact row wins. Who writes
 * an exact row gives it the CIDR class of the prefixes around it, because the datapath looks no further.
 */
import {BpfMap} from '../../kernel/bpf/map.ts'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {ciliumIpcache, ciliumIpcacheP} from '../gen/maps.ts'
import type {Address} from '../gen/types.ts'

/** Bits of the 16 byte form before an IPv4 address begins. */
const mappedBits = 96

export class AddressMap {
  readonly #exact: BpfMap<Uint8Array, Address>
  readonly #prefixes: BpfMap<{bits: number; addr: Uint8Array}, Address>

  /** Takes both descriptors and becomes their owner. */
  constructor(exact: number, prefixes: number) {
    this.#exact = new BpfMap(exact, ciliumIpcache)
    this.#prefixes = new BpfMap(prefixes, ciliumIpcacheP)
  }

  get(cidr: Cidr): Address | undefined {
    return isExact(cidr) ? this.#exact.get(cidr.network.toMappedBytes()) : this.#prefixes.get(prefixKey(cidr))
  }

  put(cidr: Cidr, address: Address): void {
    if (isExact(cidr)) this.#exact.put(cidr.network.toMappedBytes(), address)
    else this.#prefixes.put(prefixKey(cidr), address)
  }

  /** false: there was no such row */
  delete(cidr: Cidr): boolean {
    return isExact(cidr) ? this.#exact.delete(cidr.network.toMappedBytes()) : this.#prefixes.delete(prefixKey(cidr))
  }

  /** All rows, exact ones first. */
  *entries(): Generator<[Cidr, Address]> {
    for (const [bytes, address] of this.#exact.entries()) {
      yield [Cidr.host(Ip.fromBytes(bytes)), address]
    }
    for (const [{bits, addr}, address] of this.#prefixes.entries()) {
      const ip = Ip.fromBytes(addr)
      yield [Cidr.from(ip, ip.family === 4 ? bits - mappedBits : bits), address]
    }
  }

  close(): void {
    this.#exact.close()
    this.#prefixes.close()
  }
}

function isExact(cidr: Cidr): boolean {
  return cidr.length === cidr.network.bits
}

function prefixKey(cidr: Cidr): {bits: number; addr: Uint8Array} {
  return {bits: cidr.family === 4 ? cidr.length + mappedBits : cidr.length, addr: cidr.network.toMappedBytes()}
}
