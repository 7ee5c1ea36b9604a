import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {hostFile} from '../../../../src/agent/policy/host-memory.ts'
import {silentLog} from '../../../../src/runtime/log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cilium-host-policy-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test('what was confirmed is found again, the last of it', () => {
  hostFile(folder, silentLog).write('aa open')
  hostFile(folder, silentLog).write('aa bb')

  expect(hostFile(folder, silentLog).read()).toBe('aa bb')
  expect(readdirSync(folder)).toEqual(['host-policy.json'])
})

test.each([
  ['no file', undefined],
  ['half a file', '{"version": 1, "conf'],
  ['a file of another layout', '{"version": 7, "confirmed": "aa bb"}'],
])('%s means that nothing was confirmed', (_, text) => {
  if (text !== undefined) writeFileSync(join(folder, 'host-policy.json'), text)

  expect(hostFile(folder, silentLog).read()).toBeUndefined()
})

test('a folder that cannot be written keeps no rules from being confirmed', () => {
  const nowhere = hostFile(join(folder, 'gone'), silentLog)

  expect(() => nowhere.write('aa bb')).not.toThrow()
})
