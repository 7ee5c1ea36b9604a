import {readdirSync, readFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {renderDefinitions} from '../../../../scripts/generate-crds.ts'
import {allKinds} from '../../../../src/operator/crd/all.ts'
import {definitionOf, schemaVersion, schemaVersionLabel} from '../../../../src/operator/crd/kind.ts'
import type {Schema} from '../../../../src/operator/crd/schema.ts'

const folder = new URL('../../../../manifests/crds/', import.meta.url)

test('manifests/crds is what the schemas say: run scripts/generate-crds.ts after a change', () => {
  const fresh = renderDefinitions()

  expect(readdirSync(folder).sort()).toEqual([...fresh.keys()].sort())
  for (const [file, text] of fresh) expect(readFileSync(new URL(file, folder), 'utf8')).toBe(text)
})

test('every definition carries the version of its schemas, so that an older operator leaves it alone', () => {
  for (const kind of allKinds) {
    expect(definitionOf(kind).metadata.labels).toEqual({[schemaVersionLabel]: schemaVersion})
  }
})

test('exactly one version of a kind is stored', () => {
  for (const kind of allKinds) {
    const versions = definitionOf(kind).spec.versions as {storage: boolean; served: boolean}[]
    expect(versions.filter(({storage}) => storage)).toHaveLength(1)
    expect(versions.every(({served}) => served)).toBe(true)
  }
})

test('no schema is open: each value has a type, so that nothing unknown is stored', () => {
  for (const kind of allKinds) {
    for (const [path, schema] of parts(definitionOf(kind).kind, kind.schema)) {
      expect(schema.type !== undefined || schema['x-kubernetes-int-or-string'] === true, `${kind.kind} ${path}`).toBe(
        true,
      )
      if (schema.type === 'array') expect(schema.items, `${kind.kind} ${path}`).toBeDefined()
    }
  }
})

test('regular expressions are whole: they begin with ^ and end with $', () => {
  for (const kind of allKinds) {
    for (const [path, {pattern}] of parts('', kind.schema)) {
      if (pattern !== undefined) expect(pattern, `${kind.kind} ${path}`).toMatch(/^\^.*\$$/)
    }
  }
})

function* parts(path: string, schema: Schema): Generator<[string, Schema]> {
  yield [path, schema]
  for (const [name, field] of Object.entries(schema.properties ?? {})) yield* parts(`${path}.${name}`, field)
  if (schema.items !== undefined) yield* parts(`${path}[]`, schema.items)
  if (schema.additionalProperties !== undefined) yield* parts(`${path}{}`, schema.additionalProperties)
}
