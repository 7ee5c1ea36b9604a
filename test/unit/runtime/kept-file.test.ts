import {mkdtempSync, rmSync} from 'node:fs'
import {mkdir, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {readState} from '../../../src/runtime/atomic-file.ts'
import {KeptFile} from '../../../src/runtime/kept-file.ts'
import {silentLog} from '../../../src/runtime/log.ts'
import {eventually} from '../../support/eventually.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let folder: string
let clock: FakeClock
let file: KeptFile
const path = () => join(folder, 'sub', 'known.json')
const read = () => readState<unknown>(path(), {version: 1})

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-file-'))
  clock = new FakeClock()
  file = new KeptFile({path: path(), version: 1, clock, log: silentLog})
})
afterEach(async () => {
  await file.stop()
  rmSync(folder, {recursive: true})
})

test('the newest content is on disk when it was stopped, however many came', async () => {
  await mkdir(join(folder, 'sub'))
  for (let i = 0; i <= 100; i++) file.put({i})

  await file.stop()

  expect(await read()).toEqual({i: 100})
})

test('what could not be written is written once it can be, and what came meanwhile in its place', async () => {
  file.put({i: 1})
  await eventually(() => clock.pending === 1)
  file.put({i: 2})
  await eventually(() => clock.pending === 1)
  await mkdir(join(folder, 'sub'))

  await clock.advance(10_000)
  await file.stop()

  expect(await read()).toEqual({i: 2})
})

test('a stopped one waits for nothing', async () => {
  file.put({i: 1})
  await file.stop()

  expect(clock.pending).toBe(0)
  await rm(folder, {recursive: true})
  await mkdir(folder)
})
