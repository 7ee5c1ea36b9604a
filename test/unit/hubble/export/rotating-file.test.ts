import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gunzipSync} from 'node:zlib'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {RotatingFile} from '../../../../src/hubble/export/rotating-file.ts'

let folder: string
let now = 0
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hubble-export-'))
  now = Date.parse('2026-01-02T15:04:05.678Z')
})
afterEach(() => rmSync(folder, {recursive: true}))

const file = (more: {compress?: boolean; backups?: number} = {}) =>
  new RotatingFile({
    path: join(folder, 'a', 'events.log'),
    maxBytes: 8,
    backups: 2,
    compress: false,
    now: () => now++,
    ...more,
  })
const names = () => readdirSync(join(folder, 'a')).sort()
const text = (name: string) => readFileSync(join(folder, 'a', name), 'utf8')

test('a full file is set aside, and the oldest go', async () => {
  const one = file()
  for (const line of ['one 1\n', 'two 2\n', 'three\n', 'four 4\n']) one.write(line)
  await one.close()

  expect(names()).toEqual(['events-2026-01-02T15-04-05.679.log', 'events-2026-01-02T15-04-05.680.log', 'events.log'])
  expect(text('events.log')).toBe('four 4\n')
  expect(text('events-2026-01-02T15-04-05.680.log')).toBe('three\n')
  expect(statSync(join(folder, 'a', 'events.log')).mode & 0o777).toBe(0o600)
})

test('what an earlier writer wrote is kept', async () => {
  const first = file()
  first.write('1\n')
  await first.close()
  const second = file()
  second.write('2\n')
  await second.close()

  expect(text('events.log')).toBe('1\n2\n')
})

test('files that are set aside are compressed', async () => {
  const one = file({compress: true})
  one.write('one 1\n')
  one.write('two 2\n')
  await one.close()

  expect(names()).toEqual(['events-2026-01-02T15-04-05.678.log.gz', 'events.log'])
  expect(gunzipSync(readFileSync(join(folder, 'a', names()[0]!))).toString()).toBe('one 1\n')
})
