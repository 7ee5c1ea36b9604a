import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {commandFiles} from '../../scripts/build-manifest.ts'
import {runProgram} from './support/program.ts'

const preload = pathToFileURL(join(import.meta.dirname, 'support/record-imports.js')).href
/** both cost more than everything else together: they are loaded by the use-case that needs them, when it runs */
const heavy = /node_modules\/(@kubernetes\/client-node|koffi)\//

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cilium-imports-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

async function importsOf(program: 'cilium' | 'hubble' | 'cilium-dbg', args: readonly string[]): Promise<string[]> {
  const file = join(folder, 'imports')
  const {exitCode, stderr} = await runProgram(program, args, {
    env: {IMPORTS_FILE: file, NODE_OPTIONS: `--import ${preload}`},
  })
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  return readFileSync(file, 'utf8').split('\n')
}

test.each([
  ['cilium', ['--help']],
  ['cilium', ['status', '--help']],
  ['cilium', ['connectivity', 'test', '--list']],
  ['hubble', ['--version']],
  ['hubble', ['--help']],
  ['cilium-dbg', ['--help']],
] as const)('%s %j loads neither the Kubernetes client nor koffi', async (program, args) => {
  const imports = await importsOf(program, args)

  expect(imports.some((url) => url.includes('/src/cli/program.ts'))).toBe(true)
  expect(imports.filter((url) => heavy.test(url))).toEqual([])
})

test('help loads no command file', async () => {
  const imports = await importsOf('cilium', ['--help'])

  expect(imports.filter((url) => url.includes('/src/commands/'))).toEqual([])
})

test('no command loads them before it runs', async () => {
  const file = join(folder, 'all.mjs')
  const urls = commandFiles().map(({path}) => pathToFileURL(join(import.meta.dirname, '../..', path)).href)
  const {writeFileSync} = await import('node:fs')
  writeFileSync(file, urls.map((url) => `await import(${JSON.stringify(url)})`).join('\n'))
  const {execFileSync} = await import('node:child_process')

  execFileSync(process.execPath, ['--import', preload, file], {
    env: {...process.env, IMPORTS_FILE: join(folder, 'imports')},
  })

  const imports = readFileSync(join(folder, 'imports'), 'utf8').split('\n')
  expect(imports.some((url) => url.includes('/src/commands/'))).toBe(true)
  expect(imports.filter((url) => heavy.test(url))).toEqual([])
})
