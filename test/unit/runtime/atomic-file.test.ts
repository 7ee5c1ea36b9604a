import {execFileSync} from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {readState, writeFileAtomic, writeState} from '../../../src/runtime/atomic-file.ts'
import {CiliumError} from '../../../src/runtime/errors.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atomic-file-'))
})
afterEach(() => rmSync(folder, {recursive: true}))

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: CiliumError) => error.code,
  )

describe('writing', () => {
  test('replaces the content in one step and leaves nothing beside it', async () => {
    const path = join(folder, 'conf')
    await writeFileAtomic(path, 'one', {mode: 0o644})
    await Promise.all(['two', 'three'].map((text) => writeFileAtomic(path, text, {mode: 0o644})))
    expect(['two', 'three']).toContain(readFileSync(path, 'utf8'))
    expect(statSync(path).mode & 0o777).toBe(0o644)
    expect(readdirSync(folder)).toEqual(['conf'])
  })

  test('without a directory it fails with a code', async () => {
    expect(await codeOf(writeFileAtomic(join(folder, 'missing', 'x'), 'y'))).toBe('STATE_WRITE_FAILED')
  })

  test('on a full disk the last good content stays', async ({skip}) => {
    skip(process.getuid?.() !== 0, 'needs root to mount a full disk')
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk])
    try {
      const path = join(disk, 'state')
      await writeState(path, 1, {good: true})
      const error = await writeState(path, 1, 'x'.repeat(100_000)).catch((thrown: CiliumError) => thrown)

      expect(error).toBeInstanceOf(CiliumError)
      expect((error as CiliumError).message).toBe(`cannot write ${path}: no space left on the device`)
      expect(await readState(path, {version: 1})).toEqual({good: true})
      expect(readdirSync(disk)).toEqual(['state'])
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

describe('state', () => {
  test('goes round, and a missing file is nothing', async () => {
    const path = join(folder, 'state')
    expect(await readState(path, {version: 1})).toBeUndefined()
    await writeState(path, 1, {endpoints: [{id: 1, ip: '10.0.0.1'}], text: '"}\n'})
    expect(await readState(path, {version: 1})).toEqual({endpoints: [{id: 1, ip: '10.0.0.1'}], text: '"}\n'})
  })

  test('damage of any kind is noticed', async () => {
    const path = join(folder, 'state')
    await writeState(path, 1, {a: 'value'})
    const good = readFileSync(path)
    truncateSync(path, good.length - 3)
    expect(await codeOf(readState(path, {version: 1}))).toBe('STATE_CORRUPT')
    writeFileSync(path, good.toString().replace('value', 'wrong'))
    expect(await codeOf(readState(path, {version: 1}))).toBe('STATE_CORRUPT')
    writeFileSync(path, '')
    expect(await codeOf(readState(path, {version: 1}))).toBe('STATE_CORRUPT')
    writeFileSync(path, good)
    appendFileSync(path, '\0'.repeat(10))
    expect(await codeOf(readState(path, {version: 1}))).toBe('STATE_CORRUPT')
  })

  test('an older layout is upgraded where there is a way, another is refused', async () => {
    const path = join(folder, 'state')
    await writeState(path, 2, {old: 7})
    expect(await readState(path, {version: 3, upgrade: (data, version) => ({...(data as object), version})})).toEqual({
      old: 7,
      version: 2,
    })
    expect(await codeOf(readState(path, {version: 3}))).toBe('STATE_VERSION')
    expect(await codeOf(readState(path, {version: 1, upgrade: () => ({})}))).toBe('STATE_VERSION')
  })

  test('what cannot be read has a code', async () => {
    expect(existsSync(folder)).toBe(true)
    expect(await codeOf(readState(folder, {version: 1}))).toBe('STATE_READ_FAILED')
  })
})
