/** google.protobuf.Any: a message of a type that its reader may not know. */
export interface AnyValue {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** google.protobuf.BytesValue: the one type that every reader of Any knows, and that holds bytes (its field 1). */
const bytesUrl = 'type.googleapis.com/google.protobuf.BytesValue'
const bytesTag = 0x0a

/** @param bytes 16 383 at most: their number has two bytes */
export function anyOfBytes(bytes: Uint8Array): AnyValue {
  const {length} = bytes
  const head = length < 0x80 ? [bytesTag, length] : [bytesTag, (length & 0x7f) | 0x80, length >> 7]
  return {typeUrl: bytesUrl, value: Uint8Array.of(...head, ...bytes)}
}

/** Undefined for messages of another type, and for nonsense. */
export function bytesOfAny({typeUrl, value}: AnyValue): Uint8Array | undefined {
  if (typeUrl !== bytesUrl) return undefined
  if (value.length === 0) return value
  const long = ((value[1] ?? 0) & 0x80) !== 0
  const start = long ? 3 : 2
  const length = long ? (value[1]! & 0x7f) | ((value[2] ?? 0) << 7) : (value[1] ?? 0)
  return value[0] === bytesTag && value.length === start + length ? value.subarray(start) : undefined
}
