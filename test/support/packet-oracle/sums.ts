/** One's complement arithmetic (RFC 1071), the oracle's own. Sums are kept below 65535: 0 and 0xffff are one number. */

/** Sum of 16-bit words; an odd last byte is the high half of a word. */
export function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0
  for (let i = from; i < to; i += 2) total += bytes[i]! * 256 + (i + 1 < to ? bytes[i + 1]! : 0)
  return total % 65535
}

/** What a checksummed piece adds up to: 0 when its checksum is right. A rewrite must not change it. */
export function residual(
  bytes: Uint8Array,
  layout: {readonly version: 4 | 6; readonly at: number; readonly end: number; readonly proto: number},
): number {
  const {version, at, end, proto} = layout
  const pseudo = version === 4 ? sum(bytes, 26, 34) : sum(bytes, 22, 54)
  const counted = proto === 1 ? 0 : pseudo + proto + (end - at)
  return (sum(bytes, at, end) + counted) % 65535
}
