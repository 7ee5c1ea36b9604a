/**
 * Longest-prefix-match look-ups in user space, for both families: a binary trie over the 128 mapped bits with runs of
 * one-way nodes left out (a Patricia trie), so a look-up visits at most one node per stored prefix length on its path.
 */
import {Cidr, offsetOf} from './cidr.ts'
import type {Ip} from './ip.ts'

interface Node<T> {
  readonly prefix: Ip
  /** bits of the mapped form that this node fixes */
  readonly bits: number
  entry: {readonly cidr: Cidr; value: T} | undefined
  zero: Node<T> | undefined
  one: Node<T> | undefined
}

export class PrefixTable<T> {
  private root: Node<T> | undefined
  private count = 0

  get size(): number {
    return this.count
  }

  set(cidr: Cidr, value: T): void {
    const bits = cidr.length + offsetOf(cidr.family)
    this.root = this.insert(this.root, cidr, bits, value)
  }

  /** The value of exactly this prefix. */
  get(cidr: Cidr): T | undefined {
    return this.find(cidr)?.entry?.value
  }

  has(cidr: Cidr): boolean {
    return this.find(cidr)?.entry !== undefined
  }

  /** @returns whether it was there */
  delete(cidr: Cidr): boolean {
    const bits = cidr.length + offsetOf(cidr.family)
    const before = this.count
    this.root = this.remove(this.root, cidr.network, bits)
    return this.count < before
  }

  clear(): void {
    this.root = undefined
    this.count = 0
  }

  /** The longest prefix that contains the address. */
  longest(ip: Ip): {readonly cidr: Cidr; readonly value: T} | undefined {
    let best: {readonly cidr: Cidr; readonly value: T} | undefined
    for (const entry of this.covering(Cidr.host(ip))) best = entry
    return best
  }

  /** Every stored prefix that covers `cidr` (itself included), shortest first. */
  *covering(cidr: Cidr): Generator<{readonly cidr: Cidr; readonly value: T}> {
    const bits = cidr.length + offsetOf(cidr.family)
    let node = this.root
    while (node !== undefined && node.bits <= bits && node.prefix.commonBits(cidr.network) >= node.bits) {
      // ::/0 also fixes no bit of a mapped IPv4 address: families never mix
      if (node.entry !== undefined && node.entry.cidr.family === cidr.family) yield node.entry
      if (node.bits === bits) return
      node = bitAt(cidr.network, node.bits) === 0 ? node.zero : node.one
    }
  }

  /** Every stored prefix inside `cidr` (itself included), in address order. */
  *within(cidr: Cidr): Generator<{readonly cidr: Cidr; readonly value: T}> {
    const bits = cidr.length + offsetOf(cidr.family)
    let node = this.root
    while (node !== undefined && node.bits < bits) {
      if (node.prefix.commonBits(cidr.network) < node.bits) return
      node = bitAt(cidr.network, node.bits) === 0 ? node.zero : node.one
    }
    if (node === undefined || node.prefix.commonBits(cidr.network) < bits) return
    for (const entry of walk(node)) if (entry.cidr.family === cidr.family) yield entry
  }

  /** All entries in address order, a shorter prefix before the longer ones inside it. */
  *entries(): Generator<{readonly cidr: Cidr; readonly value: T}> {
    if (this.root !== undefined) yield* walk(this.root)
  }

  private find(cidr: Cidr): Node<T> | undefined {
    const bits = cidr.length + offsetOf(cidr.family)
    let node = this.root
    while (node !== undefined && node.bits < bits) node = bitAt(cidr.network, node.bits) === 0 ? node.zero : node.one
    if (node?.bits !== bits || node.prefix.commonBits(cidr.network) < bits) return undefined
    return node
  }

  private insert(node: Node<T> | undefined, cidr: Cidr, bits: number, value: T): Node<T> {
    if (node === undefined) {
      this.count++
      return {prefix: cidr.network, bits, entry: {cidr, value}, zero: undefined, one: undefined}
    }
    const shared = Math.min(node.prefix.commonBits(cidr.network), node.bits, bits)
    if (shared === node.bits && shared === bits) {
      if (node.entry === undefined) this.count++
      node.entry = {cidr, value}
      return node
    }
    if (shared === node.bits) {
      if (bitAt(cidr.network, node.bits) === 0) node.zero = this.insert(node.zero, cidr, bits, value)
      else node.one = this.insert(node.one, cidr, bits, value)
      return node
    }
    const parent: Node<T> = {prefix: cidr.network, bits: shared, entry: undefined, zero: undefined, one: undefined}
    if (bitAt(node.prefix, shared) === 0) parent.zero = node
    else parent.one = node
    return this.insert(parent, cidr, bits, value)
  }

  private remove(node: Node<T> | undefined, network: Ip, bits: number): Node<T> | undefined {
    if (node === undefined || node.bits > bits) return node
    if (node.bits === bits) {
      if (node.entry === undefined || node.prefix.commonBits(network) < bits) return node
      node.entry = undefined
      this.count--
    } else if (bitAt(network, node.bits) === 0) node.zero = this.remove(node.zero, network, bits)
    else node.one = this.remove(node.one, network, bits)
    if (node.entry !== undefined || (node.zero !== undefined && node.one !== undefined)) return node
    return node.zero ?? node.one
  }
}

function* walk<T>(node: Node<T>): Generator<{readonly cidr: Cidr; readonly value: T}> {
  if (node.entry !== undefined) yield node.entry
  if (node.zero !== undefined) yield* walk(node.zero)
  if (node.one !== undefined) yield* walk(node.one)
}

function bitAt(ip: Ip, bit: number): number {
  return (ip.mappedByte(bit >> 3) >> (7 - (bit & 7))) & 1
}
