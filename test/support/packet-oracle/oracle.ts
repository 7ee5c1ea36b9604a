/**
 * What must happen to a packet that pod a sends, on the node of test/bpf/node.ts with native routing and every set
 * open: the rules in order, each with the answer it leads to. Keeps what the node has to remember (flows and their
 * translations, first fragments), learning a translated port from the packet that left with it.
 */
import {etherKind, isDrop, number, type Reading, readIp, u16} from './read.ts'
import {residual, sum} from './sums.ts'

export interface World {
  readonly podMac: bigint
  readonly nodeMac: bigint
  readonly family: Readonly<Record<4 | 6, FamilyWorld>>
}

export interface FamilyWorld {
  /** the pod's own, the gateway's, the node's own (they go to the stack) */
  readonly pod: bigint
  readonly gateway: bigint
  readonly own: readonly bigint[]
  /** pods of this node by address, and the MACs they are delivered with */
  readonly local: ReadonlyMap<bigint, {readonly name: string; readonly dst: bigint; readonly src: bigint}>
  /** addresses that are reached without masquerade besides the native range */
  readonly exempt: readonly bigint[]
  readonly native: Range
  /** routes, the most specific first: a device and a next hop (undefined: the destination itself), or unreachable */
  readonly routes: readonly (Range & {
    readonly via: 'eth0' | 'unmanaged' | 'unreachable' | 'local'
    readonly hop?: bigint
  })[]
  readonly masqueradeAs: bigint
}

export interface Range {
  readonly network: bigint
  /** bits that do not count */
  readonly hostBits: bigint
}

/** What the program did. */
export interface Deed {
  readonly action: string
  readonly to: string
  readonly reason: string
  readonly packet: Uint8Array
}

const MASQUERADED = new Set([6, 17, 132])
const ports = {first: 32768, last: 65535}

export class Oracle {
  readonly #world: World
  /** source ports that masqueraded flows left with */
  readonly #flows = new Map<string, number>()
  readonly #pieces = new Map<string, {readonly sport: number; readonly dport: number; readonly proto: number}>()

  constructor(world: World) {
    this.#world = world
  }

  /** The node's flows and fragments have been deleted. */
  forget(): void {
    this.#flows.clear()
    this.#pieces.clear()
  }

  /** @returns the name of the outcome that was right, for counting @throws Error with what differs */
  judge(sent: Uint8Array, deed: Deed): string {
    const expected = this.#expect(sent)
    return expected(deed)
  }

  #expect(bytes: Uint8Array): (deed: Deed) => string {
    const {podMac, nodeMac} = this.#world
    const kind = etherKind(bytes)
    if (kind === 'vlan') return dropped('VLAN_FILTERED')
    if (number(bytes, 6, 6) !== podMac) return dropped('INVALID_SOURCE_MAC')
    const toNode = number(bytes, 0, 6) === nodeMac
    const toGroup = (bytes[0]! & 1) === 1
    if (!toNode && !toGroup) return dropped('INVALID_DESTINATION_MAC')
    if (kind === 'arp') return this.#arp(bytes)
    const read = readIp(bytes, u16(bytes, 12))
    if (isDrop(read)) return dropped(read.drop)
    const family = this.#world.family[read.version]
    if (isLinkMessage(read)) return this.#link(bytes, read, family)
    if (read.src !== family.pod) return dropped('INVALID_SOURCE_IP')
    if (read.proto === 2) return dropped('IGMP_HANDLED')
    if (!toNode && !isGroup(read.version, read.dst)) return dropped('INVALID_DESTINATION_MAC')
    return this.#forward(bytes, this.#withPorts(read), family)
  }

  #arp(bytes: Uint8Array): (deed: Deed) => string {
    const {podMac, family} = this.#world
    if (bytes.length < 42 || u16(bytes, 14) !== 1 || u16(bytes, 16) !== 0x0800 || bytes[18] !== 6 || bytes[19] !== 4)
      return dropped('INVALID_PACKET')
    const [operation, sender, target] = [u16(bytes, 20), number(bytes, 28, 4), number(bytes, 38, 4)]
    if (number(bytes, 22, 6) !== podMac) return dropped('INVALID_SOURCE_MAC')
    if (sender !== 0n && sender !== family[4].pod) return dropped('INVALID_SOURCE_IP')
    if (operation === 2) return (deed) => passedAs(deed, 'arp to stack', 'pass', '', bytes)
    if (operation !== 1) return dropped('INVALID_PACKET')
    if (sender === 0n || target !== family[4].gateway) return dropped('UNKNOWN_L3_TARGET_ADDRESS')
    const answer = bytes.slice()
    put(answer, 0, podMac, 6)
    put(answer, 6, this.#world.nodeMac, 6)
    put(answer, 20, 2n, 2)
    put(answer, 22, this.#world.nodeMac, 6)
    put(answer, 28, family[4].gateway, 4)
    put(answer, 32, podMac, 6)
    put(answer, 38, sender, 4)
    return (deed) => passedAs(deed, 'arp answered', 'peer', 'a', answer)
  }

  #link(bytes: Uint8Array, read: Reading, family: FamilyWorld): (deed: Deed) => string {
    const own = read.src === family.pod
    const linkLocal = isLinkLocal(read.src)
    if (!own && !linkLocal && read.src !== 0n) return dropped('INVALID_SOURCE_IP')
    const {type} = read.icmp!
    if ([130, 134, 137].includes(type)) return dropped('FORBIDDEN_ICMPV6_MESSAGE')
    const toStack = (deed: Deed) => passedAs(deed, 'link message to stack', 'pass', '', bytes)
    if (type !== 135 && type !== 136) return toStack
    if (read.ttl !== 255 || read.at !== 54 || read.length < 64 || read.fragment)
      return dropped('FORBIDDEN_ICMPV6_MESSAGE')
    const target = number(bytes, 62, 16)
    const hasOption = 14 + read.length >= 86
    if (hasOption && [1, 2].includes(bytes[78]!) && number(bytes, 80, 6) !== this.#world.podMac)
      return dropped('INVALID_SOURCE_MAC')
    if (type === 136) return target === family.pod || isLinkLocal(target) ? toStack : dropped('INVALID_SOURCE_IP')
    if (read.src === 0n || isLinkLocal(target)) return toStack
    if (target !== family.gateway) return dropped('UNKNOWN_L3_TARGET_ADDRESS')
    return (deed) => this.#advertised(deed, read, family)
  }

  #advertised(deed: Deed, read: Reading, family: FamilyWorld): string {
    const {packet} = deed
    check(deed, 'peer', 'a', '')
    const fields = [
      [number(packet, 0, 6), this.#world.podMac],
      [number(packet, 6, 6), this.#world.nodeMac],
      [number(packet, 22, 16), family.gateway],
      [number(packet, 38, 16), read.src],
      [BigInt(packet[54]!), 136n],
      [number(packet, 62, 16), family.gateway],
      [number(packet, 80, 6), this.#world.nodeMac],
      [BigInt(packet.length), 86n],
      [BigInt(residual(packet, {version: 6, at: 54, end: 86, proto: 58})), 0n],
    ]
    for (const [i, [is, want]] of fields.entries())
      if (is !== want) throw new Error(`advertisement, field ${i}: ${is} is not ${want}`)
    return 'neighbour answered'
  }

  /** Later fragments have the ports of their first, when that was seen. */
  #withPorts(read: Reading): Reading & {readonly portless: boolean} {
    if (!read.fragment) return {...read, portless: false}
    const key = [read.version, read.dst, read.fragment.id, read.version === 4 ? read.proto : 0].join()
    if (read.fragment.first) {
      this.#pieces.set(key, {sport: read.sport, dport: read.dport, proto: read.proto})
      return {...read, portless: false}
    }
    const known = this.#pieces.get(key)
    return known ? {...read, ...known, portless: false} : {...read, portless: true}
  }

  #forward(bytes: Uint8Array, read: Reading & {portless: boolean}, family: FamilyWorld): (deed: Deed) => string {
    const {version, dst} = read
    if (isGroup(version, dst) || (version === 6 && isLinkLocal(dst))) return dropped('UNKNOWN_L3_TARGET_ADDRESS')
    const pod = family.local.get(dst)
    if (pod) {
      if (read.ttl <= 1) return this.#exceeded(bytes, read, family)
      const out = oneHop(bytes, version)
      put(out, 0, pod.dst, 6)
      put(out, 6, pod.src, 6)
      return (deed) => passedAs(deed, 'to a pod of this node', 'peer', pod.name, out)
    }
    if (family.own.includes(dst)) return (deed) => passedAs(deed, 'to the node', 'pass', '', bytes)
    const route = family.routes.find((one) => inRange(dst, one))
    if (!route || route.via === 'local') return dropped('UNKNOWN_ADDRESS')
    if (route.via === 'unreachable') return dropped('FIB_LOOKUP_FAILED')
    const masqueraded = !family.exempt.includes(dst) && !inRange(dst, family.native)
    if (!masqueraded) {
      if (read.ttl <= 1) return this.#exceeded(bytes, read, family)
      return (deed) => passedAs(deed, 'to another node', 'neighbour', route.via, oneHop(bytes, version))
    }
    if (read.portless) return dropped('FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND')
    if (route.via === 'unmanaged') return dropped('NO_DEVICE')
    if (!MASQUERADED.has(read.proto) && !read.echo && !this.#isPieceOfEcho(read))
      return dropped('UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE')
    return (deed) => this.#masqueraded(deed, bytes, read, family)
  }

  /** A later fragment of a ping: its own bytes do not say that it is one. */
  #isPieceOfEcho(read: Reading): boolean {
    return read.fragment?.first === false && (read.proto === 1 || read.proto === 58) && this.#flows.has(flowKey(read))
  }

  #masqueraded(deed: Deed, bytes: Uint8Array, read: Reading, family: FamilyWorld): string {
    const known = this.#flows.get(flowKey(read))
    if (deed.action === 'drop' && read.ttl > 1) throw new Error(`dropped for ${deed.reason}, should be masqueraded`)
    if (read.ttl <= 1) return this.#exceeded(bytes, read, family)(deed)
    check(deed, 'neighbour', 'eth0', '')
    const {version, at, proto} = read
    const out = oneHop(bytes, version)
    const [place, size] = version === 4 ? [26, 4] : [22, 16]
    const later = read.fragment?.first === false
    const end = 14 + read.length
    const before = residual(bytes, {version, at, end, proto})
    put(out, place, family.masqueradeAs, size)
    if (version === 4) fixHeaderSum(out, bytes)
    if (!later && proto !== 132) {
      const portAt = read.echo ? at + 4 : at
      const isReply = read.echo === 'reply'
      const sumAt = at + (proto === 6 ? 16 : proto === 17 ? 6 : 2)
      const left = u16(deed.packet, portAt)
      if (isReply ? left !== read.dport : false) throw new Error("a reply's identifier was changed")
      if (!isReply) this.#checkPort(read, left, known)
      put(out, portAt, BigInt(left), 2)
      const is = u16(deed.packet, sumAt)
      if (proto === 17 && u16(bytes, sumAt) === 0) {
        if (is !== 0) throw new Error('a datagram without checksum got one')
      } else {
        put(out, sumAt, BigInt(is), 2)
        const after = residual(out, {version, at, end, proto})
        if (after !== before) throw new Error(`the checksum was off by ${before}, and is off by ${after}`)
      }
      this.#flows.set(flowKey(read), isReply ? 0 : left)
    }
    same(deed.packet, out)
    return later ? 'later fragment masqueraded' : 'masqueraded'
  }

  #checkPort(read: Reading, left: number, known: number | undefined): void {
    if (known !== undefined && left !== known) throw new Error(`port ${left}, the flow has ${known}`)
    const [first, last] = read.echo ? [0, 65535] : [ports.first, ports.last]
    const keeps = read.sport >= first && read.sport <= last
    if (keeps && known === undefined && left !== read.sport && !this.#portIsTaken(read, read.sport))
      throw new Error(`port ${read.sport} was free, ${left} was taken`)
    if (left < first || left > last) throw new Error(`port ${left} is outside the range`)
  }

  #portIsTaken(read: Reading, port: number): boolean {
    const [prefix, suffix] = [`${read.version},${read.proto},${read.dst},${read.dport},`, flowKey(read)]
    for (const [key, flow] of this.#flows) if (key.startsWith(prefix) && key !== suffix && flow === port) return true
    return false
  }

  /** ICMP says so to the pod, quoting what it sent; about errors and later fragments nothing is said. */
  #exceeded(bytes: Uint8Array, read: Reading, family: FamilyWorld): (deed: Deed) => string {
    if (read.isError || read.fragment?.first === false) return dropped('TTL_EXCEEDED')
    return (deed) => {
      check(deed, 'peer', 'a', 'TTL_EXCEEDED')
      const {packet} = deed
      const four = read.version === 4
      const quoted = Math.min(read.length, four ? 128 : 1232) & ~3
      const headers = four ? 28 : 48
      if (packet.length !== 14 + headers + quoted) throw new Error(`the answer has ${packet.length} bytes`)
      same(packet.subarray(14 + headers), bytes.subarray(14, 14 + quoted))
      const at = 14 + headers - 8
      const fields = [
        [number(packet, 0, 6), this.#world.podMac],
        [number(packet, 6, 6), this.#world.nodeMac],
        [four ? number(packet, 26, 4) : number(packet, 22, 16), family.gateway],
        [four ? number(packet, 30, 4) : number(packet, 38, 16), family.pod],
        [BigInt(packet[at]!), four ? 11n : 3n],
        [BigInt(packet[at + 1]!), 0n],
        [BigInt(four ? u16(packet, 16) : u16(packet, 18) + 40), BigInt(headers + quoted)],
        [BigInt(four ? sum(packet, 14, 34) : 0), 0n],
        [BigInt(residual(packet, {version: read.version, at, end: packet.length, proto: four ? 1 : 58})), 0n],
      ]
      for (const [i, [is, want]] of fields.entries())
        if (is !== want) throw new Error(`answer, field ${i}: ${is} is not ${want}`)
      return 'time exceeded answered'
    }
  }
}

function flowKey(read: Reading): string {
  return [read.version, read.proto, read.dst, read.dport, read.sport].join()
}

function isLinkMessage(read: Reading): boolean {
  const type = read.icmp?.type ?? 0
  return read.version === 6 && ((type >= 130 && type <= 137) || type === 143)
}

function isGroup(version: 4 | 6, address: bigint): boolean {
  if (version === 4) return address >> 28n === 0xen || address === 0xffffffffn || address >> 24n === 0n
  return address >> 120n === 0xffn || address === 0n
}

const isLinkLocal = (address: bigint) => address >> 118n === 0x3fan

const inRange = (address: bigint, {network, hostBits}: Range) => address >> hostBits === network >> hostBits

function dropped(reason: string): (deed: Deed) => string {
  return (deed) => {
    check(deed, 'drop', '', reason)
    return `drop ${reason}`
  }
}

function check(deed: Deed, action: string, to: string, reason: string): void {
  const [is, want] = [`${deed.action} ${deed.to} ${deed.reason}`, `${action} ${to} ${reason}`]
  if (is !== want) throw new Error(`${is}, should be: ${want}`)
}

function passedAs(deed: Deed, name: string, action: string, to: string, packet: Uint8Array): string {
  check(deed, action, to, '')
  same(deed.packet, packet)
  return name
}

/** The packet after a router: one hop less, and IPv4's header sum off by as much as before. */
function oneHop(bytes: Uint8Array, version: 4 | 6): Uint8Array {
  const out = bytes.slice()
  const at = version === 4 ? 22 : 21
  out[at] = out[at]! - 1
  if (version === 4) fixHeaderSum(out, bytes)
  return out
}

/** A right sum stays right, a wrong one as wrong. */
function fixHeaderSum(out: Uint8Array, original: Uint8Array): void {
  const end = 14 + (original[14]! & 15) * 4
  put(out, 24, 0n, 2)
  const wrong = sum(original, 14, end)
  put(out, 24, BigInt((65535 + wrong - sum(out, 14, end)) % 65535), 2)
}

function put(bytes: Uint8Array, at: number, value: bigint, size: number): void {
  for (let i = size - 1; i >= 0; i--) {
    bytes[at + i] = Number(value & 255n)
    value >>= 8n
  }
}

/** Byte by byte, but 0 and 0xffff are one number in IPv4's header sum. */
function same(is: Uint8Array, want: Uint8Array): void {
  if (is.length !== want.length) throw new Error(`${is.length} bytes, should be ${want.length}`)
  for (let i = 0; i < is.length; i++) {
    if (is[i] === want[i]) continue
    const isHeaderSum = want[12] === 0x08 && want[13] === 0x00 && (i === 24 || i === 25)
    if (isHeaderSum && u16(is, 24) % 65535 === u16(want, 24) % 65535) continue
    throw new Error(`byte ${i} is ${is[i]}, should be ${want[i]}`)
  }
}
