/**
 * A small vocabulary for structural schemas (OpenAPI v3 as apiextensions.k8s.io/v1 takes it), so that a kind reads as a
 * list of its fields.
 */

/** The part of JSONSchemaProps that our kinds use. */
export interface Schema {
  readonly type?: 'string' | 'integer' | 'boolean' | 'object' | 'array'
  readonly description?: string
  readonly format?: string
  readonly pattern?: string
  readonly enum?: readonly string[]
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly required?: readonly string[]
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly not?: Schema
  readonly 'x-kubernetes-int-or-string'?: true
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: 'atomic'
  readonly 'x-kubernetes-validations'?: readonly CelRule[]
}

/** A rule in CEL. Only functions that every supported API server knows (1.25): has, size, all, exists, matches. */
export interface CelRule {
  readonly rule: string
  readonly message: string
}

/** A field that must be present. */
export interface RequiredField {
  readonly required: Schema
}

export type Fields = Readonly<Record<string, Schema | RequiredField>>

export function required(schema: Schema): RequiredField {
  return {required: schema}
}

export function string(limits: Partial<Schema> = {}): Schema {
  return {type: 'string', ...limits}
}

export function oneWordOf(...values: readonly string[]): Schema {
  return {type: 'string', enum: values}
}

export function integer(limits: Partial<Schema> = {}): Schema {
  return {type: 'integer', ...limits}
}

export function int64(limits: Partial<Schema> = {}): Schema {
  return {type: 'integer', format: 'int64', ...limits}
}

export function int32(limits: Partial<Schema> = {}): Schema {
  return {type: 'integer', format: 'int32', ...limits}
}

export function boolean(limits: Partial<Schema> = {}): Schema {
  return {type: 'boolean', ...limits}
}

export function list(items: Schema, limits: Partial<Schema> = {}): Schema {
  return {type: 'array', ...limits, items}
}

/** A list whose elements are told apart by one of their fields, so that two writers can each own some. */
export function listByKey(key: string, items: Schema, limits: Partial<Schema> = {}): Schema {
  return list(items, {'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key], ...limits})
}

export function map(values: Schema, limits: Partial<Schema> = {}): Schema {
  return {type: 'object', ...limits, additionalProperties: values}
}

export function object(fields: Fields, limits: Partial<Schema> = {}): Schema {
  const properties: Record<string, Schema> = {}
  const names: string[] = []
  for (const [name, field] of Object.entries(fields)) {
    properties[name] = isRequired(field) ? field.required : field
    if (isRequired(field)) names.push(name)
  }
  return {type: 'object', ...limits, properties, ...(names.length > 0 ? {required: names} : {})}
}

/** Adds a description. */
export function describe(description: string, schema: Schema): Schema {
  return {...schema, description}
}

/** Exactly one of these fields. */
export function exactlyOne(...fields: readonly string[]): Partial<Schema> {
  return {oneOf: fields.map((field) => ({required: [field]}))}
}

/** At least one of these fields. */
export function atLeastOne(...fields: readonly string[]): Partial<Schema> {
  return {anyOf: fields.map((field) => ({required: [field]}))}
}

/** Rules in CEL, each with the text that whoever breaks it gets to read. */
export function rules(...all: readonly (readonly [rule: string, message: string])[]): Partial<Schema> {
  return {'x-kubernetes-validations': all.map(([rule, message]) => ({rule, message}))}
}

/** Cannot change once it is set. */
export const immutable = rules(['self == oldSelf', 'value is immutable'])

function isRequired(field: Schema | RequiredField): field is RequiredField {
  const {required: inner} = field
  return inner !== undefined && !Array.isArray(inner)
}
