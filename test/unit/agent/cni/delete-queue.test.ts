import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {runDeleteQueue} from '../../../../src/agent/cni/delete-queue.ts'
import {type CniMessage, encodeCniMessage} from '../../../../src/api/cni.ts'
import {silentLog} from '../../../../src/runtime/log.ts'

let folder: string
let answered: CniMessage[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'delete-queue-'))
  answered = []
})
afterEach(() => rmSync(folder, {recursive: true}))

/** As the shim writes it. */
function note(name: string, message: CniMessage): void {
  const body = encodeCniMessage(message)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  writeFileSync(join(folder, name), Buffer.concat([length, body]))
}

const deletion = (container: string): CniMessage => ({
  variables: {CNI_COMMAND: 'DEL', CNI_CONTAINERID: container, CNI_IFNAME: 'eth0'},
  input: '{}',
})

const run = (exitCode = 0, within = folder) =>
  runDeleteQueue({
    folder: within,
    log: silentLog,
    answer: async (message) => {
      answered.push(message)
      return {exitCode, text: ''}
    },
  })

test('notes are carried out in order of their names, and are gone', async () => {
  note('b-eth0', deletion('b'))
  note('a-eth0', deletion('a'))

  expect(await run()).toBe(2)
  expect(answered.map(({variables}) => variables['CNI_CONTAINERID'])).toEqual(['a', 'b'])
  expect(readdirSync(folder)).toEqual([])
})

test('what fails stays for the next time', async () => {
  note('a-eth0', deletion('a'))

  expect(await run(1)).toBe(0)
  expect(readdirSync(folder)).toEqual(['a-eth0'])
  expect(await run(0)).toBe(1)
})

test('unfinished, malformed and foreign notes are dropped, and stop nothing', async () => {
  writeFileSync(join(folder, '.a-eth0.123'), 'half')
  writeFileSync(join(folder, 'a-eth0'), '')
  writeFileSync(join(folder, 'b-eth0'), 'garbage')
  note('c-eth0', {variables: {CNI_COMMAND: 'ADD'}, input: '{}'})
  note('d-eth0', deletion('d'))

  expect(await run()).toBe(1)
  expect(answered.map(({variables}) => variables['CNI_CONTAINERID'])).toEqual(['d'])
  expect(readdirSync(folder)).toEqual([])
})

test('no folder, no notes', async () => {
  expect(await run(0, join(folder, 'absent'))).toBe(0)
})
