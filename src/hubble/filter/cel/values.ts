/** What expressions deal with: types that are known before a flow is, and values. */
import type {Field, MessageType} from '../../../api/wire/message.ts'

export type CelType =
  | 'bool'
  | 'string'
  /** int, uint and double, which compare with each other */
  | 'number'
  | 'time'
  | 'null'
  /** true, false or null */
  | 'maybe'
  /** known when it is there */
  | 'any'
  | {readonly list: CelType}
  | {readonly message: MessageType<never>}

/** A message is the object that it was decoded into; whole numbers are bigint, times ns. */
export type CelValue = boolean | string | number | bigint | null | readonly unknown[] | object

/** What an expression is run with. */
export interface Scope {
  readonly flow: object
  /** of macros, the outermost first */
  readonly variables: CelValue[]
  /** items of lists that may still be looked at */
  steps: number
}

export interface Compiled {
  readonly type: CelType
  readonly run: (scope: Scope) => CelValue
}

export function typeName(type: CelType): string {
  if (typeof type === 'string') return type
  return 'list' in type ? `a list of ${typeName(type.list)}` : type.message.name
}

/** The type of a field's value. */
export function fieldType(field: Field): CelType {
  const one = singleType(field)
  return field.repeated ? {list: one} : one
}

function singleType({kind, type, message}: Field): CelType {
  if (kind === 'message') return {message: message!()}
  if (kind === 'enum') return 'number'
  switch (type) {
    case 'string':
      return 'string'
    case 'bool':
      return 'bool'
    case 'google.protobuf.BoolValue':
      return 'maybe'
    case 'google.protobuf.Timestamp':
      return 'time'
    case 'bytes':
    case 'google.protobuf.Any':
    case 'google.protobuf.FieldMask':
      return 'any'
    default:
      return 'number'
  }
}

/** What a field that is absent has, as proto3 says. */
export function absent(field: Field): CelValue {
  if (field.repeated) return []
  if (field.kind === 'message') return {}
  if (field.kind === 'wellKnown') return field.type === 'google.protobuf.Timestamp' ? 0n : null
  return field.type === 'string' ? '' : field.type === 'bool' ? false : 0n
}

/** What expressions see of what was decoded. */
export function present(field: Field, value: unknown): CelValue {
  if (field.repeated) return (value as unknown[]).map((one) => single(field, one))
  return single(field, value)
}

function single(field: Field, value: unknown): CelValue {
  const whole = typeof value === 'number' && field.type !== 'double' && field.type !== 'float'
  return whole ? BigInt(value) : (value as CelValue)
}

export function equals(a: unknown, b: unknown): boolean {
  // whole and broken ones are never ===
  if (isNumber(a) && isNumber(b)) return !(a < b) && !(a > b)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  const keys = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...keys].every((key) => equals(left[key], right[key]))
}

export function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}
