/** What is committed is what the generators make: run npm run generate after a change. */
import {readFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {expect, test} from 'vitest'
import {compatibilityPage} from '../../scripts/generate-compatibility.ts'
import {rightsPage} from '../../scripts/generate-rights.ts'
import {generatedFiles} from '../../scripts/generate-values.ts'

const root = resolve(import.meta.dirname, '../..')
const committed = (path: string) => readFileSync(join(root, path), 'utf8')

test.each([...(await generatedFiles())])('%s is what the chart gives', (path, text) => {
  expect(committed(path)).toBe(text)
})

test('docs/reference/rights.md is what the chart allows', async () => {
  expect(committed('docs/reference/rights.md')).toBe(await rightsPage())
})

test('docs/reference/compatibility.md is what exists', async () => {
  expect(committed('docs/reference/compatibility.md')).toBe(await compatibilityPage())
})
