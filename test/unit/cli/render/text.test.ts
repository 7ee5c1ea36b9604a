import {expect, test} from 'vitest'
import {duration} from '../../../../src/cli/render/duration.ts'
import {clean, cleanLines, toJson} from '../../../../src/cli/render/text.ts'

test('control characters of cluster text are dropped and line ends become blanks', () => {
  expect(clean('pod\u001b]0;title\u0007\u009b31m\r\nname\u202e')).toBe('pod]0;title31m name')
})

test('a rendered text keeps its own colours and nothing else that moves the cursor', () => {
  expect(cleanLines('\u001b[31mred\u001b[39m\u001b[2J\u001b]0;x\u0007\tend\n')).toBe(
    '\u001b[31mred\u001b[39m[2J]0;x\tend\n',
  )
})

test('JSON has no raw control characters, not even those that JSON allows', () => {
  expect(toJson({name: 'a\u009bb\u202ec\u001b'})).toBe('{\n  "name": "a\\u009bb\\u202ec\\u001b"\n}')
})

test.each([
  [0, '0s'],
  [190_000, '3m10s'],
  [3_600_000, '1h'],
  [90_061_000, '1d1h'],
  [-5, '0s'],
])('%i ms is %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})
