import {expect, test} from 'vitest'
import {changeText} from '../../../../src/cli/config/change.ts'

const change = {value: 'true', revision: 3, restarted: false}

test('who is told that a key has changed knows from when it counts', () => {
  expect(changeText({...change, key: 'debug', restarted: true})).toBe(
    'debug is true (revision 3); agents and operators restart\n',
  )
  expect(changeText({...change, key: 'debug'})).toContain('agents that run take it over')
  expect(changeText({...change, key: 'routing-mode'})).toContain('agents that start from now on')
})
