import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {changeConfig, parseConfig} from '../../../src/agent/config.ts'
import {ConfigFollower} from '../../../src/agent/config-follower.ts'
import {createLog} from '../../../src/runtime/log.ts'
import {eventually} from '../../support/eventually.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let folder: string
let follower: ConfigFollower
let lines: string[]
let changes: Record<string, string>[]
const clock = new FakeClock()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-follower-'))
  lines = []
  changes = []
})
afterEach(() => {
  follower.stop()
  rmSync(folder, {recursive: true, force: true})
})

const write = (texts: Record<string, string>) => {
  for (const [key, text] of Object.entries(texts)) writeFileSync(join(folder, key), text)
}
/** As the agent starts it: with what the folder held before, and keys of the command line. */
async function follow(texts: Record<string, string>, flags: Record<string, string> = {}): Promise<void> {
  const all = new Map(Object.entries({...texts, ...flags}))
  const {config} = parseConfig(all, 'node')
  follower = new ConfigFollower({
    folder,
    texts: all,
    fixed: new Set(Object.keys(flags)),
    change: (wanted) => {
      changeConfig(config, wanted)
      changes.push(Object.fromEntries(wanted))
    },
    clock,
    log: createLog({clock, sink: {write: (line) => lines.push(line)}, level: 'info', format: 'json'}).for('config'),
  })
  await follower.start()
}
/** Turns the clock until something holds: the folder is looked at from time to time, file notifications or not. */
const until = (holds: () => boolean) =>
  eventually(async () => {
    await clock.advance(1_000)
    return holds()
  })

test('a key that may change while the agent runs is taken over', async () => {
  write({debug: 'false', 'enable-policy': 'default'})
  await follow({debug: 'false', 'enable-policy': 'default'})

  write({debug: 'true'})

  await until(() => changes.length > 0)
  expect(changes).toEqual([{debug: 'true'}])
})

test('one that is gone is as if nobody had set it', async () => {
  write({debug: 'true'})
  await follow({debug: 'true'})

  rmSync(join(folder, 'debug'))

  await until(() => changes.length > 0)
  expect(changes).toEqual([{debug: 'false'}])
})

test('what changed between reading and following is not missed', async () => {
  write({'enable-policy': 'always'})

  await follow({'enable-policy': 'default'})

  expect(changes).toEqual([{'enable-policy': 'always'}])
})

test('others wait for the next start, and the log says which', async () => {
  write({'routing-mode': 'tunnel'})
  await follow({'routing-mode': 'tunnel'})

  write({'routing-mode': 'native', 'not-a-key': '1'})

  await until(() => lines.length > 0)
  expect(lines.join()).toContain('routing-mode')
  expect(lines.join()).not.toContain('not-a-key')
  expect(changes).toEqual([])
})

test('a value that is wrong changes nothing, and is told', async () => {
  write({debug: 'false'})
  await follow({debug: 'false'})

  write({debug: 'perhaps'})

  await until(() => lines.length > 0)
  expect(lines.join()).toContain('CONFIG_VALUE_INVALID')
  expect(changes).toEqual([])
})

test('a key of the command line stands', async () => {
  write({debug: 'false'})
  await follow({debug: 'false'}, {debug: 'true'})

  write({debug: 'true', 'enable-policy': 'never'})

  await until(() => changes.length > 0)
  expect(changes).toEqual([{'enable-policy': 'never'}])
})
