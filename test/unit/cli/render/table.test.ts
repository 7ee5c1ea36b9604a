import {expect, test} from 'vitest'
import {table} from '../../../../src/cli/render/table.ts'

test('a column is as wide as its widest cell and the gap', () => {
  expect(
    table([
      ['ID', 'LABELS'],
      ['16777217', 'k8s:app=web'],
    ]),
  ).toBe('ID         LABELS\n16777217   k8s:app=web\n')
})

test('a column is never narrower than the least width', () => {
  expect(table([['a', 'b']])).toBe('a    b\n')
})

test('a row without a column ends its stretch, and the next stretch has its own width', () => {
  const text = table(
    [
      ['Kubernetes:', 'Ok', 'x'],
      ['KVStore:', 'Disabled', ''],
      ['Routing:', 'Native'],
      ['Cilium:', 'Ok', 'y'],
    ],
    {minWidth: 2},
  )

  expect(text.split('\n')).toEqual([
    'Kubernetes:   Ok         x',
    'KVStore:      Disabled   ',
    'Routing:      Native',
    'Cilium:       Ok   y',
    '',
  ])
})

test('an empty last cell leaves blanks behind the one before it', () => {
  expect(table([['Frontend', '']])).toBe('Frontend   \n')
})

test('colours take no room', () => {
  expect(
    table([
      ['\u001b[31mab\u001b[39m', 'x'],
      ['abcd', 'y'],
    ]),
  ).toBe('\u001b[31mab\u001b[39m     x\nabcd   y\n')
})
