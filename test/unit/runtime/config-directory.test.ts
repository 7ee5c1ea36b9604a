import {mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type ConfigChange, ConfigDirectory, readConfigDirectory} from '../../../src/runtime/config-directory.ts'
import {type CiliumError, hasCode} from '../../../src/runtime/errors.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-directory-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

let generation = 0

/** Writes keys as kubelet does: into a folder of their own, to which ..data is turned in one step. */
function mountConfigMap(texts: Record<string, string>) {
  const data = `..gen_${++generation}`
  mkdirSync(join(folder, data))
  for (const [key, text] of Object.entries(texts)) {
    writeFileSync(join(folder, data, key), text)
    rmSync(join(folder, key), {force: true})
    symlinkSync(join('..data', key), join(folder, key))
  }
  symlinkSync(data, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
}

test('every file is a key, and what kubelet keeps beside them is not', async () => {
  mountConfigMap({debug: 'true\n', 'cluster-name': 'one'})
  mkdirSync(join(folder, 'a-directory'))
  symlinkSync('nowhere', join(folder, 'dangling'))
  expect(Object.fromEntries(await readConfigDirectory(folder))).toEqual({debug: 'true', 'cluster-name': 'one'})
})

test('a directory that is not there has a code', async () => {
  const error = await new ConfigDirectory(join(folder, 'none')).load().catch((thrown: unknown) => thrown)
  expect(hasCode(error, 'CONFIG_UNREADABLE')).toBe(true)
})

test('a turn of the mount is seen soon, as one change', async () => {
  mountConfigMap({debug: 'false', mtu: '1500', gone: 'x'})
  const directory = new ConfigDirectory(folder)
  await directory.load()
  const changed = new Promise<ConfigChange>((resolve, reject) => directory.follow(resolve, reject))
  rmSync(join(folder, 'gone'))
  mountConfigMap({debug: 'true', mtu: '1500'})

  expect((await changed).changed).toEqual(['debug', 'gone'])
  expect(directory.current.get('debug')).toBe('true')
  directory.stop()
})

test('without file notifications the poll finds the change, and an unreadable directory keeps the last content', async () => {
  const clock = new FakeClock()
  mountConfigMap({debug: 'false'})
  const directory = new ConfigDirectory(folder, {clock, pollMs: 1000})
  await directory.load()
  const changes: string[][] = []
  const errors: CiliumError[] = []
  directory.follow(
    ({changed}) => changes.push([...changed]),
    (error) => errors.push(error),
  )
  renameSync(folder, `${folder}-away`)
  await turnUntil(clock, () => errors.length > 0)
  expect(errors.map((error) => error.code)).toContain('CONFIG_UNREADABLE')
  expect(directory.current.get('debug')).toBe('false')

  renameSync(`${folder}-away`, folder)
  mountConfigMap({debug: 'true'})
  await turnUntil(clock, () => changes.length > 0)
  directory.stop()
  expect(changes).toEqual([['debug']])
})

/** Turns the clock until something holds; reading the directory takes real time in between. */
async function turnUntil(clock: FakeClock, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) {
    await clock.advance(1000)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
