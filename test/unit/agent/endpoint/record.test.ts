import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {EndpointRecords} from '../../../../src/agent/endpoint/record.ts'
import {systemClock} from '../../../../src/runtime/clock.ts'
import {createLog, silentLog} from '../../../../src/runtime/log.ts'
import {endpoint} from '../rows.ts'

let folder: string
let records: EndpointRecords
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'records-'))
  records = new EndpointRecords(folder, systemClock, silentLog)
  await records.open()
})
afterEach(() => rm(folder, {recursive: true, force: true}))

test('what was written is read back, in state restoring', async () => {
  const row = endpoint({id: 7, ipv6: undefined})
  await records.write(row)
  await records.write(endpoint({id: 12, identity: undefined, labels: undefined, allLabels: undefined}))

  const {rows, unreadable} = await records.readAll()

  expect(unreadable).toEqual([])
  expect(rows.map(({id}) => id)).toEqual([12, 7])
  expect(JSON.parse(JSON.stringify(rows[1]))).toEqual(JSON.parse(JSON.stringify({...row, state: 'restoring'})))
  expect(rows[0]!.identity).toBeUndefined()
})

test('a removed record is gone, twice is fine', async () => {
  await records.write(endpoint({id: 7}))
  await records.remove(7)
  await records.remove(7)

  expect((await records.readAll()).rows).toEqual([])
})

test('writes and removals of an endpoint happen in the order of the calls, also when nobody waits', async () => {
  const calls = []
  for (let i = 0; i < 50; i++) {
    calls.push(records.write(endpoint({id: 7, pod: `p${i}`})), records.write(endpoint({id: 8, pod: `q${i}`})))
  }
  calls.push(records.remove(8))
  await Promise.all(calls)

  expect((await records.readAll()).rows.map(({id, pod}) => ({id, pod}))).toEqual([{id: 7, pod: 'p49'}])
})

test('what is removed before it is made to last is no failure; the end waits for it', async () => {
  const lines: string[] = []
  const log = createLog({sink: {write: (line) => void lines.push(line)}})
  const watched = new EndpointRecords(folder, systemClock, log)
  await watched.write(endpoint({id: 7}))
  await watched.write(endpoint({id: 8}))
  await watched.remove(7)
  await watched.stop()
  expect(lines).toEqual([])

  await watched.write(endpoint({id: 9}))
  await rm(join(folder, 'endpoints'), {recursive: true})
  await watched.stop()
  expect(lines).toEqual([expect.stringContaining('STATE_WRITE_FAILED')])
})

test('a cut file is put aside and its slot named; the others are read', async () => {
  await records.write(endpoint({id: 7}))
  await records.write(endpoint({id: 8}))
  const file = join(folder, 'endpoints', '7.json')
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 200))
  await writeFile(join(folder, 'endpoints', '.9.json.1.1.tmp'), 'half')

  const {rows, unreadable} = await records.readAll()

  expect(rows.map(({id}) => id)).toEqual([8])
  expect(unreadable).toEqual([7])
  expect((await readdir(join(folder, 'endpoints'))).sort()).toEqual(['7.json.bad', '8.json'])
})

test('a folder that cannot be made is a lost state directory', async () => {
  await expect(new EndpointRecords('/proc/version', systemClock, silentLog).open()).rejects.toMatchObject({
    code: 'STATE_DIR_UNUSABLE',
  })
})
