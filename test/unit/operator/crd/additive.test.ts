/**
 * Definitions may only grow: agents and objects of the version before meet them. What released versions have is in
 * fields-*.txt, one field a line; a version that is released adds its file (UPDATE_FIELDS=1 writes it).
 */
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {readRelease} from '../../../../scripts/release.ts'
import {allKinds} from '../../../../src/operator/crd/all.ts'
import {definitionOf} from '../../../../src/operator/crd/kind.ts'

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly required?: readonly string[]
  readonly enum?: readonly unknown[]
}
interface Definition {
  readonly spec: {
    readonly names: {readonly kind: string}
    readonly versions: readonly {readonly name: string; readonly schema: {readonly openAPIV3Schema: Schema}}[]
  }
}

interface Field {
  readonly type: string
  readonly required: readonly string[]
  /** undefined: any */
  readonly values: readonly string[] | undefined
}

function fieldsOf(schema: Schema, path: string, into: Map<string, Field>): Map<string, Field> {
  const values = schema.enum?.map(String).sort()
  into.set(path, {type: schema.type ?? 'any', required: [...(schema.required ?? [])].sort(), values})
  for (const [name, one] of Object.entries(schema.properties ?? {})) fieldsOf(one, `${path}.${name}`, into)
  if (schema.items !== undefined) fieldsOf(schema.items, `${path}[]`, into)
  if (typeof schema.additionalProperties === 'object') fieldsOf(schema.additionalProperties, `${path}{}`, into)
  return into
}

const now = new Map<string, Field>()
for (const kind of allKinds) {
  const {spec} = definitionOf(kind) as unknown as Definition
  for (const {name, schema} of spec.versions) fieldsOf(schema.openAPIV3Schema, `${spec.names.kind}/${name}`, now)
}

const line = (path: string, {type, required, values}: Field) =>
  [path, type, required.join(), ...(values === undefined ? [] : [values.join('|')])].join(' ').trimEnd()
const folder = import.meta.dirname
const own = join(folder, `fields-${readRelease().version}.txt`)
if (process.env['UPDATE_FIELDS'] === '1')
  writeFileSync(own, `${[...now].map(([path, field]) => line(path, field)).join('\n')}\n`)

const released = readdirSync(folder).filter((name) => /^fields-.*\.txt$/.test(name))

test('this version has written down its fields', () => {
  expect(existsSync(own), 'UPDATE_FIELDS=1 npx vitest run test/unit/operator/crd/additive.test.ts').toBe(true)
})

test.each(released)('every field of %s is still there, and asks for no more', (name) => {
  const problems: string[] = []
  for (const text of readFileSync(join(folder, name), 'utf8').trim().split('\n')) {
    const [path = '', type, required = '', values] = text.split(' ')
    const field = now.get(path)
    if (field === undefined) problems.push(`${path} is gone`)
    else {
      if (field.type !== type) problems.push(`${path} was ${type} and is ${field.type}`)
      const more = field.required.filter((one) => !required.split(',').includes(one))
      if (more.length > 0) problems.push(`${path} asks for ${more.join(', ')} now`)
      const fewer =
        field.values === undefined
          ? []
          : (values?.split('|') ?? ['others']).filter((one) => !field.values?.includes(one))
      if (fewer.length > 0) problems.push(`${path} no longer takes ${fewer.join(', ')}`)
    }
  }

  expect(problems).toEqual([])
})
