/** google.protobuf.Any: a message of a type that its reader may not know. */
export interface AnyValue {
  readonly typeUrl: string
  readonly value: Uint8Array
}
