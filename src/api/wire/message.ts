/** What the generated code of a message consists of. Values hold only what is set: absent is the default of proto3. */
import {Reader} from './reader.ts'
import {Writer} from './writer.ts'

export interface EnumType {
  /** with package */
  readonly name: string
  readonly members: Readonly<Record<string, number>>
}

export interface Field {
  readonly number: number
  readonly name: string
  readonly kind: 'scalar' | 'wellKnown' | 'enum' | 'message'
  /** as the proto file has it */
  readonly type: string
  readonly repeated: boolean
  readonly oneof?: string
  readonly message?: () => MessageType<never>
  readonly enum?: () => EnumType
}

export interface MessageType<T> {
  /** with package */
  readonly name: string
  /** by number */
  readonly fields: readonly Field[]
  encode(message: T, writer: Writer): void
  decode(reader: Reader, end: number): T
}

const shared = new Writer()

/** The wire form of a message. The bytes are the caller's. */
export function encodeMessage<T>(type: MessageType<T>, message: T): Buffer {
  shared.reset()
  type.encode(message, shared)
  return shared.copy()
}

/** @throws RangeError when the bytes are no such message. Fields of newer versions are passed over. */
export function decodeMessage<T>(type: MessageType<T>, bytes: Uint8Array): T {
  return type.decode(new Reader(bytes), bytes.length)
}
