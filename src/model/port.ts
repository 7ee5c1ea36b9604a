/** Transport protocols, ports, port ranges and port names. */

/** IP protocol numbers by the name we use; `any` is 0, which no packet carries. */
export const protocolNumbers = {any: 0, icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132} as const

export type ProtocolName = keyof typeof protocolNumbers

const protocolNames = new Map<number, ProtocolName>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as ProtocolName]),
)

/** Reads a protocol name in any case (`TCP`, `ICMPv6`, `ANY`). @returns undefined when we do not know it */
export function parseProtocol(text: string): ProtocolName | undefined {
  const name = text.toLowerCase()
  return Object.hasOwn(protocolNumbers, name) ? (name as ProtocolName) : undefined
}

/** The name of a protocol number, or the number as text. */
export function protocolName(protocol: number): string {
  return protocolNames.get(protocol) ?? String(protocol)
}

/** As people know it from listings: `TCP`, `ICMPv6`, `ANY`, or the number. */
export function protocolLabel(protocol: number): string {
  const name = protocolNames.get(protocol)
  if (name === 'icmpv6') return 'ICMPv6'
  return name === undefined ? String(protocol) : name.toUpperCase()
}

/** True for protocols whose header has ports. */
export function hasPorts(protocol: number): boolean {
  return protocol === protocolNumbers.tcp || protocol === protocolNumbers.udp || protocol === protocolNumbers.sctp
}

/** Reads a port number, 1 to 65535 (or 0 with `zero`), no sign, no leading zero. */
export function parsePort(text: string, options: {zero?: boolean} = {}): number | undefined {
  if (!/^(0|[1-9]\d{0,4})$/.test(text)) return undefined
  const port = Number(text)
  return port > 65535 || (port === 0 && options.zero !== true) ? undefined : port
}

/** True for a port name (IANA_SVC_NAME, RFC 6335): 1-15 of a-z 0-9 -, a letter, no edge or double hyphen. */
export function isPortName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(text) && /[a-z]/.test(text) && !text.includes('--')
}

/** An inclusive range of ports. `{first: 0, last: 65535}` is every port. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

export const allPorts: PortRange = {first: 0, last: 65535}

/** @throws RangeError when the ends are not ports or are in the wrong order */
export function portRange(first: number, last: number = first): PortRange {
  if (!isPort(first) || !isPort(last) || last < first) throw new RangeError(`not a range of ports: ${first}-${last}`)
  return {first, last}
}

/** Reads `80` or `8000-8080`. @returns undefined when it is not a range */
export function parsePortRange(text: string): PortRange | undefined {
  const [from, to, ...more] = text.split('-')
  const first = parsePort(from ?? '')
  const last = to === undefined ? first : parsePort(to)
  if (first === undefined || last === undefined || more.length > 0 || last < first) return undefined
  return {first, last}
}

export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`
}

/** A block of ports that share their upper `bits` bits: what a longest-prefix map can hold. */
export interface PortPrefix {
  readonly port: number
  readonly bits: number
}

/** The fewest prefix blocks that together are exactly this range, lowest first (at most 30). */
export function portPrefixes(range: PortRange): PortPrefix[] {
  const blocks: PortPrefix[] = []
  for (let port = range.first; port <= range.last; ) {
    let size = port === 0 ? 65536 : port & -port
    while (port + size - 1 > range.last) size /= 2
    blocks.push({port, bits: 16 - Math.log2(size)})
    port += size
  }
  return blocks
}

function isPort(n: number): boolean {
  return Number.isInteger(n) && n >= 0 && n <= 65535
}
