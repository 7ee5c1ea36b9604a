/**
 * The JSON form of messages, with the names of the proto files: enums by name, 64-bit numbers as text, times in RFC 3339,
 * defaults left out. Read back, names may also be in lowerCamelCase.
 * @see https://protobuf.dev/programming-guides/json/
 */
import {type AnyValue, anyOfBytes, bytesOfAny} from './any.ts'
import type {EnumType, Field, MessageType} from './message.ts'

type Json = Record<string, unknown>

/** A plain object for JSON.stringify. */
export function messageToJson<T>(type: MessageType<T>, message: T): Json {
  const source = message as Json
  const target: Json = {}
  for (const field of type.fields) {
    const value = source[field.name]
    if (value === undefined) continue
    if (field.repeated) {
      const list = value as unknown[]
      if (list.length > 0) target[field.name] = list.map((one) => valueToJson(field, one))
    } else if (field.kind === 'message' || field.kind === 'wellKnown' || field.oneof !== undefined || isSet(value)) {
      target[field.name] = valueToJson(field, value)
    }
  }
  return target
}

function isSet(value: unknown): boolean {
  return value !== 0 && value !== '' && value !== false && value !== 0n
}

function valueToJson(field: Field, value: unknown): unknown {
  switch (field.kind) {
    case 'message':
      return messageToJson(field.message!() as MessageType<unknown>, value)
    case 'enum':
      return enumName(field.enum!(), value as number) ?? value
    case 'wellKnown':
      if (field.type === 'google.protobuf.Timestamp') return timestampText(value as bigint)
      if (field.type === 'google.protobuf.FieldMask') return (value as string[]).join(',')
      if (field.type === 'google.protobuf.Any') {
        const any = value as AnyValue
        return {'@type': any.typeUrl, value: Buffer.from(bytesOfAny(any) ?? any.value).toString('base64')}
      }
      return value
    default:
      if (typeof value === 'bigint') return value.toString()
      if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
      return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  }
}

const namesOf = new WeakMap<EnumType, ReadonlyMap<number, string>>()

/** The name of a member; undefined for a number that has none. */
export function enumName(type: EnumType, number: number): string | undefined {
  let names = namesOf.get(type)
  if (names === undefined) {
    // the first of two names of a number is the one that counts
    names = new Map(
      Object.entries(type.members)
        .reverse()
        .map(([name, one]) => [one, name]),
    )
    namesOf.set(type, names)
  }
  return names.get(number)
}

/** RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second. */
export function timestampText(nanoseconds: bigint): string {
  const nanos = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  const seconds = new Date(Number((nanoseconds - nanos) / 1_000_000n)).toISOString().slice(0, 19)
  if (nanos === 0n) return `${seconds}Z`
  const digits = String(nanos).padStart(9, '0')
  const kept = digits.endsWith('000000') ? 3 : digits.endsWith('000') ? 6 : 9
  return `${seconds}.${digits.slice(0, kept)}Z`
}

/** @returns nanoseconds since 1970; undefined when the text is no time of RFC 3339 */
export function parseTimestamp(text: string): bigint | undefined {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/i.exec(text)
  if (found === null) return undefined
  const ms = Date.parse(`${found[1]}${found[3]!.toUpperCase()}`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt((found[2] ?? '').padEnd(9, '0'))
}

export interface FromJsonOptions {
  /** passes over what it does not know instead of refusing it: for records of newer versions */
  readonly ignoreUnknown?: boolean
}

/** @throws TypeError that names the field that is wrong */
export function messageFromJson<T>(type: MessageType<T>, value: unknown, options: FromJsonOptions = {}): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${type.name}: not an object`)
  // only names of fields become keys, so nothing that was sent reaches its prototype
  const message: Json = {}
  const fields = fieldsOf(type)
  for (const key of Object.keys(value)) {
    const one = (value as Json)[key]
    const field = fields.get(key)
    if (field === undefined) {
      if (options.ignoreUnknown) continue
      throw new TypeError(`${type.name} has no field ${JSON.stringify(key)}`)
    }
    if (one === null) continue
    if (!field.repeated) message[field.name] = valueFromJson(field, one, type.name, options)
    else if (Array.isArray(one)) {
      message[field.name] = one.map((item: unknown) => valueFromJson(field, item, type.name, options))
    } else throw new TypeError(`${type.name}.${field.name}: not a list`)
  }
  return message as T
}

const fieldsByName = new WeakMap<object, ReadonlyMap<string, Field>>()

function fieldsOf(type: {readonly fields: readonly Field[]}): ReadonlyMap<string, Field> {
  let fields = fieldsByName.get(type)
  if (fields === undefined) {
    fields = new Map(
      type.fields.flatMap((field) => [
        [field.name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), field] as const,
        [field.name, field] as const,
      ]),
    )
    fieldsByName.set(type, fields)
  }
  return fields
}

function valueFromJson(field: Field, value: unknown, owner: string, options: FromJsonOptions): unknown {
  const wrong = (want: string): never => {
    throw new TypeError(`${owner}.${field.name}: ${JSON.stringify(value)} is not ${want}`)
  }
  if (field.kind === 'message') return messageFromJson(field.message!() as MessageType<unknown>, value, options)
  if (field.kind === 'enum') {
    const {members} = field.enum!()
    if (typeof value === 'number' && Number.isInteger(value)) return value
    if (typeof value === 'string' && Object.hasOwn(members, value)) return members[value]
    return options.ignoreUnknown ? 0 : wrong('one of its members')
  }
  switch (field.type) {
    case 'string':
      return typeof value === 'string' ? value : wrong('a text')
    case 'bool':
    case 'google.protobuf.BoolValue':
      return typeof value === 'boolean' ? value : wrong('true or false')
    case 'uint64':
    case 'int64':
      if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value)
      return Number.isSafeInteger(value) ? BigInt(value as number) : wrong('a whole number')
    case 'bytes':
      return typeof value === 'string' ? Uint8Array.from(Buffer.from(value, 'base64')) : wrong('base64')
    case 'google.protobuf.Timestamp':
      return (typeof value === 'string' ? parseTimestamp(value) : undefined) ?? wrong('a time')
    case 'google.protobuf.FieldMask':
      return typeof value === 'string' ? value.split(',').filter((path) => path !== '') : wrong('a list of fields')
    case 'google.protobuf.Any': {
      const {'@type': typeUrl, value: bytes} = value as {'@type'?: unknown; value?: unknown}
      if (typeof typeUrl !== 'string') return wrong('a typed value')
      const read = Uint8Array.from(Buffer.from(typeof bytes === 'string' ? bytes : '', 'base64'))
      const known = anyOfBytes(read)
      return known.typeUrl === typeUrl ? known : {typeUrl, value: read}
    }
    case 'double':
    case 'float':
      return typeof value === 'number' ? value : wrong('a number')
    default: {
      const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
      return Number.isInteger(number) ? number : wrong('a whole number')
    }
  }
}
