import {mkdtemp, readFile, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {inflateRawSync} from 'node:zlib'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {ZipFile} from '../../../../src/cli/sysdump/zip.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zip-'))
})
afterEach(() => rm(folder, {recursive: true}))

const now = new Date('2026-05-04T10:20:30Z')

/** Entries by the central directory, as every reader finds them. */
function read(bytes: Buffer): Record<string, string> {
  const end = bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  const found: Record<string, string> = {}
  let at = bytes.readUInt32LE(end + 16)
  for (let i = 0; i < bytes.readUInt16LE(end + 10); i++) {
    expect(bytes.readUInt32LE(at)).toBe(0x02014b50)
    const [packed, nameLength, offset] = [
      bytes.readUInt32LE(at + 20),
      bytes.readUInt16LE(at + 28),
      bytes.readUInt32LE(at + 42),
    ]
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength)
    const data = offset + 30 + bytes.readUInt16LE(offset + 26)
    found[name] = inflateRawSync(bytes.subarray(data, data + packed)).toString()
    at += 46 + nameLength
  }
  return found
}

test('entries that come at once are all there, whole', async () => {
  const zip = await ZipFile.create(join(folder, 'a.zip'), now)
  const texts = Object.fromEntries(Array.from({length: 8}, (_, i) => [`dir/ü${i}.txt`, `${i} `.repeat(i * 100)]))

  await Promise.all(Object.entries(texts).map(([name, text]) => zip.add(name, text)))
  await zip.close()

  expect(read(await readFile(join(folder, 'a.zip')))).toEqual(texts)
})

test('the file has its name when it is complete, and is its owner’s alone', async () => {
  const zip = await ZipFile.create(join(folder, 'b.zip'), now)
  await zip.add('one', 'text')
  const before = await stat(join(folder, 'b.zip')).catch(() => undefined)
  await zip.close()

  expect(before).toBeUndefined()
  expect((await stat(join(folder, 'b.zip'))).mode & 0o777).toBe(0o600)
})

test('one that is given up leaves nothing', async () => {
  const zip = await ZipFile.create(join(folder, 'c.zip'), now)
  await zip.add('one', 'text')
  await zip.abandon()

  expect(await stat(join(folder, 'c.zip.unfinished')).catch(() => undefined)).toBeUndefined()
})
