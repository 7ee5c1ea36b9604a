/** Address prefixes as immutable values. The network address never has host bits. */
import {compareIps, Ip, type IpFamily} from './ip.ts'

export class Cidr {
  /** the first address; its host bits are zero */
  readonly network: Ip
  /** prefix length in the family's own width (0..32, 0..128) */
  readonly length: number

  private constructor(network: Ip, length: number) {
    this.network = network
    this.length = length
  }

  /**
   * Reads `address/length`. Host bits are masked off unless `hostBits` says `refuse`.
   *
   * @returns undefined when the text is not a prefix
   */
  static parse(text: string, options: {hostBits?: 'mask' | 'refuse'} = {}): Cidr | undefined {
    const slash = text.indexOf('/')
    if (slash < 0) return undefined
    const ip = Ip.parse(text.slice(0, slash))
    const digits = text.slice(slash + 1)
    if (ip === undefined || !/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined
    const length = Number(digits)
    if (length > ip.bits) return undefined
    const cidr = Cidr.from(ip, length)
    return options.hostBits === 'refuse' && !cidr.network.equals(ip) ? undefined : cidr
  }

  /** A prefix or a bare address, which stands for itself (/32, /128). @returns undefined when it is neither */
  static parseOrHost(text: string): Cidr | undefined {
    if (text.includes('/')) return Cidr.parse(text)
    const ip = Ip.parse(text)
    return ip === undefined ? undefined : Cidr.host(ip)
  }

  /** A prefix that the program itself wrote down. @throws TypeError when it is not one, or has host bits */
  static of(text: string): Cidr {
    const cidr = Cidr.parse(text, {hostBits: 'refuse'})
    if (cidr === undefined) throw new TypeError(`not a CIDR: ${JSON.stringify(text)}`)
    return cidr
  }

  /** The prefix of this length that contains the address. @throws RangeError when the length is impossible */
  static from(ip: Ip, length: number): Cidr {
    if (!Number.isInteger(length) || length < 0 || length > ip.bits) {
      throw new RangeError(`no IPv${ip.family} prefix has the length ${length}`)
    }
    return new Cidr(maskIp(ip, length), length)
  }

  /** The prefix that holds one address. */
  static host(ip: Ip): Cidr {
    return new Cidr(ip, ip.bits)
  }

  get family(): IpFamily {
    return this.network.family
  }

  /** How many addresses it holds. */
  get size(): bigint {
    return 1n << BigInt(this.network.bits - this.length)
  }

  /** The last address (the broadcast address in IPv4). */
  get last(): Ip {
    return this.at(this.size - 1n)!
  }

  get isHost(): boolean {
    return this.length === this.network.bits
  }

  /** The n-th address, counted from 0. @returns undefined outside the prefix */
  at(n: bigint | number): Ip | undefined {
    const index = BigInt(n)
    return index < 0n || index >= this.size ? undefined : this.network.add(index)
  }

  /** The place of an address in this prefix. @returns undefined when it is not in it */
  indexOf(ip: Ip): bigint | undefined {
    return this.contains(ip) ? ip.toBigInt() - this.network.toBigInt() : undefined
  }

  contains(ip: Ip): boolean {
    return ip.family === this.family && ip.commonBits(this.network) >= this.length + offsetOf(this.family)
  }

  /** True when every address of the other is in this one. */
  covers(other: Cidr): boolean {
    return other.length >= this.length && this.contains(other.network)
  }

  overlaps(other: Cidr): boolean {
    return this.covers(other) || other.covers(this)
  }

  /** The n-th prefix of `length` inside this one, counted from 0. @returns undefined outside */
  subnet(length: number, n: bigint | number): Cidr | undefined {
    const index = BigInt(n)
    if (index < 0n || index >= this.subnetCount(length)) return undefined
    const step = 1n << BigInt(this.network.bits - length)
    return new Cidr(this.network.add(index * step)!, length)
  }

  /** How many prefixes of `length` it holds: 0 when they are larger than itself. */
  subnetCount(length: number): bigint {
    return length < this.length || length > this.network.bits ? 0n : 1n << BigInt(length - this.length)
  }

  /** All prefixes of `length` inside this one, lowest first, made one at a time. */
  *subnets(length: number): Generator<Cidr> {
    const count = this.subnetCount(length)
    for (let n = 0n; n < count; n++) yield this.subnet(length, n)!
  }

  /** The two halves. @returns undefined for a single address */
  halves(): [Cidr, Cidr] | undefined {
    if (this.isHost) return undefined
    return [this.subnet(this.length + 1, 0)!, this.subnet(this.length + 1, 1)!]
  }

  /** The fewest prefixes that hold this one without `hole`. Itself when they do not overlap, none when the hole covers it. */
  subtract(hole: Cidr): Cidr[] {
    if (hole.covers(this)) return []
    if (!this.covers(hole)) return [this]
    const rest: Cidr[] = []
    for (let piece: Cidr = this; piece.length < hole.length; ) {
      const [low, high] = piece.halves()!
      const keepsHigh = low.covers(hole)
      rest.push(keepsHigh ? high : low)
      piece = keepsHigh ? low : high
    }
    return rest.sort(compareCidrs)
  }

  equals(other: Cidr): boolean {
    return this.length === other.length && this.network.equals(other.network)
  }

  /** Canonical text, unique per prefix. */
  toString(): string {
    return `${this.network}/${this.length}`
  }

  toJSON(): string {
    return this.toString()
  }
}

/** By network address, the shorter prefix first; for Array.sort. */
export function compareCidrs(a: Cidr, b: Cidr): number {
  return compareIps(a.network, b.network) || a.length - b.length
}

/** Where a family's own bits begin in the mapped form: 96 for IPv4. */
export function offsetOf(family: IpFamily): number {
  return family === 4 ? 96 : 0
}

function maskIp(ip: Ip, length: number): Ip {
  const bits = length + offsetOf(ip.family)
  const bytes = ip.toMappedBytes()
  const whole = bits >> 3
  if (whole < 16) {
    bytes[whole] = bytes[whole]! & (0xff00 >> (bits & 7))
    bytes.fill(0, whole + 1)
  }
  return Ip.fromBytes(bytes)
}
