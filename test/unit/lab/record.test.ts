import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {LabRecord, type Made, parseRecord, stillMade, undoOrder} from '../../../src/lab/record.ts'

const boot = (id: string): Made => ({kind: 'boot', id})
const netns = (id: string): Made => ({kind: 'netns', id})
const link = (id: string): Made => ({kind: 'link', id})
const folder = (id: string): Made => ({kind: 'folder', id})
const cgroup = (id: string): Made => ({kind: 'cgroup', id})
const index = (id: string): Made => ({kind: 'index', id})

describe('the order of taking down', () => {
  test('is processes, devices, namespaces, files, number, whatever the order of making was', () => {
    const made = [index('0'), folder('/a'), netns('lab-fabric'), cgroup('cilium-lab-lab'), link('cilab0')]

    expect(undoOrder(made).map((entry) => entry.kind)).toEqual(['cgroup', 'link', 'netns', 'folder', 'index'])
  })

  test('is the newest first within a kind', () => {
    const made = [netns('lab-fabric'), netns('lab-node1'), netns('lab-node2')]

    expect(undoOrder(made).map((entry) => entry.id)).toEqual(['lab-node2', 'lab-node1', 'lab-fabric'])
  })
})

describe('what can still exist', () => {
  test('is everything under the same boot, each thing once', () => {
    const made = [boot('a'), netns('x'), folder('/x'), netns('x')]

    expect(stillMade(made, 'a')).toEqual([netns('x'), folder('/x')])
  })

  test('is what is on disk after the machine was started anew: a namespace of that name would be somebody else’s', () => {
    const made = [boot('a'), index('3'), cgroup('c'), link('l'), netns('x'), folder('/x')]

    expect(stillMade(made, 'b')).toEqual([index('3'), folder('/x')])
  })

  test('counts from the last start of the machine', () => {
    const made = [boot('a'), netns('old'), boot('b'), netns('new')]

    expect(stillMade(made, 'b')).toEqual([netns('new')])
  })
})

describe('the file', () => {
  let home: string
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'lab-record-'))
  })
  afterEach(() => rmSync(home, {recursive: true}))

  test('holds an entry as soon as it was added, and each once', () => {
    const file = join(home, 'deep', 'record.jsonl')
    const record = LabRecord.open(file, 'boot-1')

    record.add(netns('lab-node1'))
    record.add(netns('lab-node1'))

    expect(parseRecord(readFileSync(file, 'utf8'))).toEqual([boot('boot-1'), netns('lab-node1')])
    expect(LabRecord.read(file, 'boot-1')).toEqual([netns('lab-node1')])
  })

  test('goes on where it was', () => {
    const file = join(home, 'record.jsonl')
    LabRecord.open(file, 'boot-1').add(netns('a'))

    const again = LabRecord.open(file, 'boot-1')
    again.add(netns('b'))

    expect(again.has(netns('a'))).toBe(true)
    expect(LabRecord.read(file, 'boot-1')).toEqual([netns('a'), netns('b')])
  })

  test('forgets namespaces of an earlier boot when it is opened', () => {
    const file = join(home, 'record.jsonl')
    LabRecord.open(file, 'boot-1').add(netns('a'))

    const again = LabRecord.open(file, 'boot-2')

    expect(again.has(netns('a'))).toBe(false)
  })

  test('ignores a last line that a crash cut short', () => {
    const file = join(home, 'record.jsonl')
    writeFileSync(file, '{"kind":"boot","id":"b"}\n{"kind":"netns","id":"a"}\n{"kind":"net')

    expect(LabRecord.read(file, 'b')).toEqual([netns('a')])
  })

  test('is empty when there is none', () => {
    expect(LabRecord.read(join(home, 'none'), 'b')).toEqual([])
  })
})
