import {createHash} from 'node:crypto'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {list, type ReadEntry} from 'tar'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {parentFolders} from '../../../scripts/image/our-layer.ts'
import {type TarEntry, writeTar} from '../../../scripts/image/tar.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tar-test-'))
})

afterEach(() => rm(folder, {recursive: true, force: true}))

const file = (path: string, content: string, mode = 0o644): TarEntry => ({
  path,
  kind: 'file',
  mode,
  content: Buffer.from(content),
})

test('a tar reader finds every entry with its mode, owned by nobody in particular, at the given time', async () => {
  const entries: TarEntry[] = [
    file('usr/bin/tool', '#!/bin/sh\n', 0o755),
    {path: 'usr/bin', kind: 'folder', mode: 0o755},
    {path: 'bin', kind: 'link', target: 'usr/bin'},
  ]

  const read = await writeAndRead(entries)

  expect(read).toEqual([
    {path: 'bin', type: 'SymbolicLink', mode: 0o777, size: 0, link: 'usr/bin', uid: 0, gid: 0, uname: '', mtime: 7000},
    {path: 'usr/bin/', type: 'Directory', mode: 0o755, size: 0, link: '', uid: 0, gid: 0, uname: '', mtime: 7000},
    {path: 'usr/bin/tool', type: 'File', mode: 0o755, size: 10, link: '', uid: 0, gid: 0, uname: '', mtime: 7000},
  ])
})

test('the order in which entries are given does not matter: same entries, same bytes', async () => {
  const entries = [file('b', '2'), file('a', '1'), file('c/d', '3')]

  const first = await writeTar(`${folder}/first.tar`, entries, 7)
  const second = await writeTar(`${folder}/second.tar`, entries.toReversed(), 7)

  expect(second).toEqual(first)
})

test('the digest is that of the file, the size its length', async () => {
  const {digest, size} = await writeTar(`${folder}/x.tar`, [file('a', 'x'.repeat(1000))], 7)

  const bytes = await readFile(`${folder}/x.tar`)
  expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  expect(size).toBe(bytes.length)
})

test.each([100, 101, 200, 255, 256, 300])('a path of %i bytes comes back whole', async (length) => {
  const path = `${'folder/'.repeat(40)}${'x'.repeat(300)}`.slice(-length)

  const [entry] = await writeAndRead([file(path.replace(/^\//, 'f'), 'content')])

  expect(entry).toMatchObject({path: path.replace(/^\//, 'f'), size: 7})
})

test('long link targets and names in other scripts come back whole', async () => {
  const target = `/${'долгий-путь/'.repeat(20)}end`

  const [entry] = await writeAndRead([{path: 'ссылка', kind: 'link', target}])

  expect(entry).toMatchObject({path: 'ссылка', link: target})
})

test('content may be a file of any size, padded to whole blocks', async () => {
  await writeFile(`${folder}/big`, Buffer.alloc(3_000_001, 1))

  const read = await writeAndRead([
    {path: 'big', kind: 'file', mode: 0o600, content: {file: `${folder}/big`}},
    file('next', 'still found'),
  ])

  expect(read.map(({path, size}) => [path, size])).toEqual([
    ['big', 3_000_001],
    ['next', 11],
  ])
})

test('every folder above an entry gets an entry of its own', () => {
  const folders = parentFolders([file('usr/lib/cilium/a.js', ''), file('usr/bin/b', '')])

  expect(folders.map(({path}) => path).sort()).toEqual(['usr', 'usr/bin', 'usr/lib', 'usr/lib/cilium'])
})

async function writeAndRead(entries: readonly TarEntry[]) {
  await writeTar(`${folder}/test.tar`, entries, 7)
  const read: object[] = []
  await list({
    file: `${folder}/test.tar`,
    strict: true,
    onReadEntry: ({path, type, mode, size, linkpath, uid, gid, uname, mtime}: ReadEntry) =>
      read.push({path, type, mode, size, link: linkpath ?? '', uid, gid, uname, mtime: mtime?.getTime()}),
  })
  return read as {path: string; size: number}[]
}
