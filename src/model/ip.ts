/** IP addresses as immutable values: sixteen bytes inside for both families, IPv4 in its mapped form, as the datapath keeps them. */

export type IpFamily = 4 | 6

/**
 * An IPv4 or IPv6 address. Never changes; compare with `equals`, use `toString()` as the key of a Map. Large clusters have
 * hundreds of thousands of them: four words take a third of the memory that a typed array of its own does.
 */
export class Ip {
  readonly family: IpFamily
  /** the sixteen bytes as words, the first byte in the highest bits */
  private readonly w0: number
  private readonly w1: number
  private readonly w2: number
  private readonly w3: number
  private text: string | undefined

  private constructor(mapped: Uint8Array, family: IpFamily) {
    this.w0 = wordAt(mapped, 0)
    this.w1 = wordAt(mapped, 4)
    this.w2 = wordAt(mapped, 8)
    this.w3 = wordAt(mapped, 12)
    this.family = family
    this.text = undefined
  }

  /**
   * Reads an address in text form (RFC 4291, RFC 6943 strict). Refused: leading zeros in IPv4, zone ids, spaces, and
   * IPv4-mapped IPv6 (`::ffff:10.0.0.1`), which would be a second spelling of an IPv4 address; `parseMapped` takes those.
   *
   * @returns undefined when the text is not an address
   */
  static parse(text: string): Ip | undefined {
    if (text.length > 45) return undefined
    if (!text.includes(':')) {
      const mapped = mappedPrefix()
      return parseIpv4(text, 0, text.length, mapped, 12) ? new Ip(mapped, 4) : undefined
    }
    const bytes = parseIpv6(text)
    return bytes === undefined || isMapped(bytes) ? undefined : new Ip(bytes, 6)
  }

  /** Like `parse`, but an IPv4-mapped IPv6 address is read as the IPv4 address it carries. */
  static parseMapped(text: string): Ip | undefined {
    const plain = Ip.parse(text)
    if (plain !== undefined || text.length > 45 || !text.includes(':')) return plain
    const bytes = parseIpv6(text)
    return bytes === undefined ? undefined : new Ip(bytes, 4)
  }

  /** An address that the program itself wrote down. @throws TypeError when it is not one */
  static of(text: string): Ip {
    const ip = Ip.parse(text)
    if (ip === undefined) throw new TypeError(`not an IP address: ${JSON.stringify(text)}`)
    return ip
  }

  /**
   * Reads an address in network byte order: 4 bytes are IPv4, 16 bytes IPv6; 16 bytes in IPv4-mapped form are IPv4.
   * The bytes are copied. @throws RangeError for any other length
   */
  static fromBytes(bytes: Uint8Array): Ip {
    if (bytes.length === 4) {
      const mapped = mappedPrefix()
      mapped.set(bytes, 12)
      return new Ip(mapped, 4)
    }
    if (bytes.length !== 16) throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`)
    return new Ip(bytes, isMapped(bytes) ? 4 : 6)
  }

  /** The address with this value, in the family's own width. @throws RangeError when it does not fit */
  static fromBigInt(value: bigint, family: IpFamily): Ip {
    const bits = family === 4 ? 32n : 128n
    if (value < 0n || value >= 1n << bits) throw new RangeError(`no IPv${family} address has the value ${value}`)
    const mapped = family === 4 ? mappedPrefix() : new Uint8Array(16)
    const first = family === 4 ? 12 : 0
    let rest = value
    for (let i = 15; i >= first; i--) {
      mapped[i] = Number(rest & 0xffn)
      rest >>= 8n
    }
    return new Ip(mapped, isMapped(mapped) ? 4 : 6)
  }

  /** 32 or 128. */
  get bits(): 32 | 128 {
    return this.family === 4 ? 32 : 128
  }

  /** A copy of the address in its own width (4 or 16 bytes), network byte order. */
  toBytes(): Uint8Array {
    return this.toMappedBytes().slice(this.family === 4 ? 12 : 0)
  }

  /** A copy of the sixteen bytes with IPv4 mapped, as the datapath's maps and events carry addresses. */
  toMappedBytes(): Uint8Array {
    const bytes = new Uint8Array(16)
    this.writeMapped(bytes, 0)
    return bytes
  }

  /** Writes the sixteen mapped bytes into `target` at `offset`; no allocation. */
  writeMapped(target: Uint8Array, offset: number): void {
    for (let i = 0; i < 16; i++) target[offset + i] = this.mappedByte(i)
  }

  /** Byte `index` (0..15) of the mapped form. */
  mappedByte(index: number): number {
    const word = index < 8 ? (index < 4 ? this.w0 : this.w1) : index < 12 ? this.w2 : this.w3
    return (word >>> (24 - 8 * (index & 3))) & 0xff
  }

  /** How many leading bits of the mapped forms two addresses share, 0..128. */
  commonBits(other: Ip): number {
    if (this.w0 !== other.w0) return Math.clz32(this.w0 ^ other.w0)
    if (this.w1 !== other.w1) return 32 + Math.clz32(this.w1 ^ other.w1)
    if (this.w2 !== other.w2) return 64 + Math.clz32(this.w2 ^ other.w2)
    return 96 + Math.clz32(this.w3 ^ other.w3)
  }

  /** The value in the family's own width. */
  toBigInt(): bigint {
    let value = 0n
    for (let i = this.family === 4 ? 12 : 0; i < 16; i++) value = (value << 8n) | BigInt(this.mappedByte(i))
    return value
  }

  /** The address `distance` further on (or back). @returns undefined beyond the family's last or first address */
  add(distance: bigint | number): Ip | undefined {
    const value = this.toBigInt() + BigInt(distance)
    if (value < 0n || value >= 1n << BigInt(this.bits)) return undefined
    return Ip.fromBigInt(value, this.family)
  }

  equals(other: Ip): boolean {
    return this.w3 === other.w3 && this.w2 === other.w2 && this.w1 === other.w1 && this.w0 === other.w0
  }

  get isUnspecified(): boolean {
    return !this.w0 && !this.w1 && this.w2 === (this.family === 4 ? 0xffff : 0) && !this.w3
  }

  /** 127.0.0.0/8, ::1 */
  get isLoopback(): boolean {
    if (this.family === 4) return this.w3 >>> 24 === 127
    return !this.w0 && !this.w1 && !this.w2 && this.w3 === 1
  }

  /** 169.254.0.0/16, fe80::/10 */
  get isLinkLocal(): boolean {
    return this.family === 4 ? this.w3 >>> 16 === 0xa9fe : this.w0 >>> 22 === 0xfe80 >>> 6
  }

  /** 224.0.0.0/4, ff00::/8 */
  get isMulticast(): boolean {
    return this.family === 4 ? this.w3 >>> 28 === 0xe : this.w0 >>> 24 === 0xff
  }

  /** RFC 5952: lower case, no leading zeros, the longest (leftmost) run of two or more zero groups as `::`. */
  toString(): string {
    this.text ??= this.family === 4 ? formatIpv4(this.w3) : formatIpv6(this.toMappedBytes())
    return this.text
  }

  toJSON(): string {
    return this.toString()
  }
}

/** Orders addresses by their sixteen mapped bytes, so IPv4 addresses stay together; for Array.sort. */
export function compareIps(a: Ip, b: Ip): number {
  for (let i = 0; i < 16; i++) {
    const difference = a.mappedByte(i) - b.mappedByte(i)
    if (difference !== 0) return difference
  }
  return 0
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function mappedPrefix(): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes[10] = 0xff
  bytes[11] = 0xff
  return bytes
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

function parseIpv4(text: string, from: number, to: number, target: Uint8Array, offset: number): boolean {
  let octet = -1
  let octets = 0
  for (let i = from; i <= to; i++) {
    const code = i < to ? text.charCodeAt(i) : 46
    if (code === 46) {
      if (octet < 0 || octets === 4) return false
      target[offset + octets++] = octet
      octet = -1
    } else if (code >= 48 && code <= 57) {
      if (octet === 0) return false // a leading zero: some read it as octal
      octet = (octet < 0 ? 0 : octet * 10) + (code - 48)
      if (octet > 255) return false
    } else return false
  }
  return octets === 4
}

function parseIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16)
  let filled = 0
  let gap = -1
  let at = 0
  if (text.startsWith('::')) {
    gap = 0
    at = 2
  }
  while (at < text.length) {
    if (filled === 16) return undefined
    let value = 0
    let end = at
    for (; end < text.length; end++) {
      const digit = hexDigit(text.charCodeAt(end))
      if (digit < 0) break
      value = value * 16 + digit
      if (end - at === 4) return undefined
    }
    if (text[end] === '.') {
      if (filled > 12 || !parseIpv4(text, at, text.length, bytes, filled)) return undefined
      filled += 4
      at = text.length
      break
    }
    if (end === at) return undefined
    bytes[filled++] = value >> 8
    bytes[filled++] = value & 0xff
    at = end
    if (at === text.length) break
    if (text[at] !== ':') return undefined
    at++
    if (text[at] === ':') {
      if (gap >= 0) return undefined
      gap = filled
      at++
    } else if (at === text.length) return undefined
  }
  if (gap < 0) return filled === 16 ? bytes : undefined
  if (filled > 14) return undefined // the double colon stands for at least one group
  bytes.copyWithin(16 - (filled - gap), gap, filled)
  bytes.fill(0, gap, 16 - (filled - gap))
  return bytes
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 0x20
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`
}

function formatIpv6(bytes: Uint8Array): string {
  let bestStart = -1
  let bestLength = 1 // a single zero group is written as 0
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && bytes[2 * end] === 0 && bytes[2 * end + 1] === 0) end++
    if (end - start > bestLength) {
      bestStart = start
      bestLength = end - start
    }
    if (end > start) start = end
  }
  let text = ''
  for (let group = 0; group < 8; group++) {
    if (group === bestStart) {
      text += '::'
      group += bestLength - 1
      continue
    }
    if (text !== '' && !text.endsWith(':')) text += ':'
    text += ((bytes[2 * group]! << 8) | bytes[2 * group + 1]!).toString(16)
  }
  return text
}
