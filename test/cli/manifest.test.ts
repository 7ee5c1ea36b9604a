import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Command} from '@oclif/core'
import {expect, test} from 'vitest'
import {manifestText} from '../../scripts/build-manifest.ts'

const committed = readFileSync(join(import.meta.dirname, '../../oclif.manifest.json'), 'utf8')
const {commands} = JSON.parse(committed) as {commands: Record<string, Command.Cached>}

test('the committed manifest is what the command classes say', async () => {
  // run "npm run manifest" when this fails
  expect(JSON.parse(await manifestText())).toEqual(JSON.parse(committed))
})

test.each(Object.entries(commands))(
  '%s has a summary in lower case without a full stop, and an example',
  (_, command) => {
    expect(command.summary).toMatch(/^[a-z].*[^.]$/)
    expect(command.examples?.length ?? 0).toBeGreaterThan(0)
  },
)

test.each(Object.entries(commands))('the flags of %s say what they are for', (_, command) => {
  for (const [name, flag] of Object.entries(command.flags)) {
    expect(flag.summary ?? flag.description ?? '', `--${name}`).toMatch(/^\S.*[^.]$/s)
  }
})

test('no two flags of a command have one letter', () => {
  for (const [id, {flags}] of Object.entries(commands)) {
    const letters = Object.values(flags).flatMap(({char}) => (char === undefined ? [] : [char]))
    expect(new Set(letters).size, id).toBe(letters.length)
  }
})
