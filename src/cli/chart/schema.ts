/** Checks values against the chart's schema and says in words what is wrong with them. */
import {Ajv, type ErrorObject} from 'ajv'
import {fail} from '../../runtime/errors.ts'
import {nearest} from '../suggestion.ts'
import type {Chart} from './chart.ts'
import {VALUES_INVALID} from './errors.ts'
import {type Tree, toPlain, type Value} from './template/value.ts'
import {getPath, showValue} from './value-path.ts'

interface Schema {
  readonly type?: string | readonly string[]
  readonly additionalProperties?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
}

/**
 * @param values defaults and the user's, merged
 * @throws VALUES_INVALID with all findings
 */
export function checkSchema(chart: Chart, values: Tree): void {
  if (chart.schema === undefined) return
  const ajv = new Ajv({allErrors: true, strict: false, allowUnionTypes: true, verbose: true})
  const validate = ajv.compile(chart.schema as object)
  if (validate(toPlain(values))) return
  const schema = chart.schema as Schema
  const errors = validate.errors ?? []
  // a value of the wrong type has no use for further remarks
  const mistyped = new Set(errors.filter(({keyword}) => keyword === 'type').map(({instancePath}) => instancePath))
  const relevant = errors.filter(({keyword, instancePath}) => keyword === 'type' || !mistyped.has(instancePath))
  const findings = new Set(relevant.map((error) => explain(error, values, schema)).filter((one) => one !== ''))
  fail(VALUES_INVALID, {detail: [...findings].join('; ')})
}

function explain(error: ErrorObject, values: Tree, schema: Schema): string {
  const path = error.instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  const value = showValue(getAny(values, path))
  const params = error.params as Record<string, unknown>
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownValue(schema, path, String(params['additionalProperty']))
    case 'type':
      return `${path}=${value} is not ${words(params['type'])}`
    case 'enum': {
      const listed = (params['allowedValues'] as unknown[]).filter((one) => one !== '' && one !== null)
      const allowed = [...new Set(listed.map(String))]
      const meant = nearest(value, allowed)
      return `${path}=${value} is not one of ${allowed.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`
    }
    case 'pattern':
      return `${path}=${value} has not the form ${String(params['pattern'])}`
    case 'minimum':
      return `${path}=${value} is less than ${String(params['limit'])}`
    case 'maximum':
      return `${path}=${value} is more than ${String(params['limit'])}`
    case 'minLength':
      return `${path} is empty`
    case 'anyOf':
    case 'if':
      return ''
    default:
      return `${path}=${value} ${error.message ?? 'is not valid'}`
  }
}

function words(type: unknown): string {
  const names = (Array.isArray(type) ? type : [type]).map((name) => typeWords[String(name)] ?? String(name))
  return names.join(' or ')
}

const typeWords: Readonly<Record<string, string>> = {
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  string: 'a text',
  array: 'a list',
  object: 'a map of values',
  null: 'null',
}

/** A name that is not there: the nearest of its neighbours, or the same name elsewhere. */
function unknownValue(schema: Schema, parent: string, name: string): string {
  const path = parent === '' ? name : `${parent}.${name}`
  const group = parent
    .split('.')
    .reduce<Schema | undefined>((at, part) => (part === '' ? at : at?.properties?.[part]), schema)
  const neighbour = nearest(name, Object.keys(group?.properties ?? {}))
  const prefix = parent === '' ? '' : `${parent}.`
  const meant = neighbour === undefined ? elsewhere(schema, name) : `${prefix}${neighbour}`
  return `there is no value ${path}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

function elsewhere(schema: Schema, name: string): string | undefined {
  const paths = [...allPaths(schema)]
  const last = (path: string): string => path.slice(path.lastIndexOf('.') + 1)
  return (
    paths.find((path) => last(path) === name) ??
    paths.find((path) => last(path).toLowerCase() === name.toLowerCase()) ??
    // short names are near to everything
    (name.length < 5 ? undefined : paths.find((path) => last(path) === nearest(name, [last(path)])))
  )
}

function* allPaths(schema: Schema, prefix = ''): Generator<string> {
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    yield prefix + key
    yield* allPaths(inner, `${prefix}${key}.`)
  }
}

/** By the path of a JSON pointer, which names list items by number. */
function getAny(values: Tree, path: string): Value {
  const direct = path === '' ? values : getPath(values, path)
  if (direct !== undefined) return direct
  let at: Value | undefined = values
  for (const part of path.split('.')) {
    at = Array.isArray(at) ? at[Number(part)] : typeof at === 'object' && at !== null ? (at as Tree)[part] : undefined
  }
  return at ?? null
}
