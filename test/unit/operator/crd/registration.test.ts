import {expect, test} from 'vitest'
import {ciliumCidrGroup} from '../../../../src/operator/crd/address-pools.ts'
import {definitionOf, schemaVersionLabel} from '../../../../src/operator/crd/kind.ts'
import {compareVersions, type StoredDefinition, updatedDefinition} from '../../../../src/operator/crd/registration.ts'

const ours = definitionOf(ciliumCidrGroup)

test('a definition of an older set of schemas is brought up to ours', () => {
  const updated = updatedDefinition(stored('1.32.6', ['v2alpha1']), ours, '1.34.10')!

  expect(updated.metadata.labels).toEqual({[schemaVersionLabel]: '1.34.10', mine: 'yes'})
  expect(updated.metadata.resourceVersion).toBe('7')
  expect(updated.spec.versions.map(({name, storage}) => [name, storage])).toEqual([
    ['v2', true],
    ['v2alpha1', false],
  ])
})

test.each([['1.34.10'], ['1.34.11'], ['1.35.0'], ['2.0.0']])('a definition of version %s is left alone', (version) => {
  expect(updatedDefinition(stored(version, ['v2']), ours, '1.34.10')).toBeUndefined()
})

test('a definition without a version is older than all', () => {
  expect(updatedDefinition(stored(undefined, ['v2']), ours, '0.0.1')).toBeDefined()
})

test('a version that we do not know stays served, and is no longer the stored one', () => {
  const updated = updatedDefinition(stored('1.0.0', ['v3', 'v2']), ours, '1.34.10')!

  expect(updated.spec.versions.map(({name, served, storage}) => [name, served, storage])).toEqual([
    ['v2', true, true],
    ['v2alpha1', true, false],
    ['v3', true, false],
  ])
})

test('versions compare by number', () => {
  expect(compareVersions('1.9.0', '1.10.0')).toBeLessThan(0)
  expect(compareVersions('1.34', '1.34.0')).toBe(0)
  expect(compareVersions('x', '0.0.0')).toBe(0)
})

/** A definition as the API server might have it; the first version is the stored one. */
function stored(version: string | undefined, versions: readonly string[]): StoredDefinition {
  return {
    ...ours,
    metadata: {
      name: ours.metadata.name,
      resourceVersion: '7',
      labels: {mine: 'yes', ...(version === undefined ? {} : {[schemaVersionLabel]: version})},
    },
    spec: {...ours.spec, versions: versions.map((name, index) => ({name, served: true, storage: index === 0}))},
  }
}
