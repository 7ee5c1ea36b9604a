/** The Internet checksum (RFC 1071), and the pseudo headers it runs over (RFC 9293, RFC 8200). */

/** Adds bytes to a sum, as big-endian 16-bit words; an odd last byte counts as the high half. */
export function addWords(sum: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  let total = sum
  let at = from
  for (; at + 1 < to; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!
  if (at < to) total += bytes[at]! << 8
  return total
}

/** Folds the carries and complements. */
export function foldChecksum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}

/** Sum over the pseudo header. @param source 4 or 16 bytes */
export function pseudoHeader(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  return addWords(addWords(0, source), destination) + protocol + (length >>> 16) + (length & 0xffff)
}
