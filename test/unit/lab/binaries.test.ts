import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {afterEach, beforeEach, expect, test, vi} from 'vitest'
import {buildSteps, pauseBinary} from '../../../src/lab/binaries.ts'
import {takeLock} from '../../../src/lab/lock.ts'
import {eventually} from '../../support/eventually.ts'

const {signal} = new AbortController()
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-binaries-'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, {recursive: true, force: true})
})

/** The step that builds the smallest of them. */
const pauseStep = () =>
  buildSteps({kubernetes: 'v1.34.4', kubeProxy: 'none'}).find(({title}) => title.includes('pause'))!

test('two labs that want the same program build it once', async () => {
  const steps = [pauseStep(), pauseStep()]
  const said: string[] = []

  await Promise.all(steps.map((step) => step.run!((text) => said.push(text), signal)))

  expect(readdirSync(dirname(pauseBinary()))).toEqual(['pause'])
  expect(said).toContain('another lab builds it')
})

test('what another lab has built meanwhile is not built again', async () => {
  const step = pauseStep()
  mkdirSync(dirname(pauseBinary()), {recursive: true})
  const unlock = takeLock(`${pauseBinary()}.lock`, 'pause')
  const said: string[] = []
  const run = step.run!((text) => said.push(text), signal)
  await eventually(() => said.length > 0)
  writeFileSync(pauseBinary(), 'theirs')
  unlock()
  await run

  expect(readFileSync(pauseBinary(), 'utf8')).toBe('theirs')
  expect(readdirSync(dirname(pauseBinary()))).toEqual(['pause'])
})
