import {expect, test} from 'vitest'
import {globalFlagsFirst} from '../../../src/cli/global-flags.ts'

test('global flags before the command go behind its words', () => {
  expect(globalFlagsFirst(['--context', 'lab', '-n', 'x', 'status', '--wait'])).toEqual([
    'status',
    '--context',
    'lab',
    '-n',
    'x',
    '--wait',
  ])
})

test('a value given with = goes along', () => {
  expect(globalFlagsFirst(['--namespace=x', 'config', 'view'])).toEqual(['config', 'view', '--namespace=x'])
})

test('a line that begins with its command stays as it is', () => {
  expect(globalFlagsFirst(['status', '--context', 'lab'])).toEqual(['status', '--context', 'lab'])
})

test('--version and unknown flags are not moved', () => {
  expect(globalFlagsFirst(['--version'])).toEqual(['--version'])
})
