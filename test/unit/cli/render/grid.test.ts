import {expect, test} from 'vitest'
import {grid} from '../../../../src/cli/render/grid.ts'

const head = ['NODE', 'STATE', 'MESSAGE']

test('columns are as wide as their widest cell, and no line ends in blanks', () => {
  const text = grid(head, [
    ['node1', 'ready', ''],
    ['a-longer-name', 'not ready', 'no network'],
  ])

  expect(text.split('\n')).toEqual([
    'NODE            STATE       MESSAGE',
    'node1           ready',
    'a-longer-name   not ready   no network',
    '',
  ])
})

test('the last column goes on below itself where the terminal ends', () => {
  const text = grid(head, [['node1', 'down', 'the runtime has no network: cni plugin not initialized']], 50)

  expect(text.split('\n')).toEqual([
    'NODE    STATE   MESSAGE',
    'node1   down    the runtime has no network: cni',
    '                plugin not initialized',
    '',
  ])
})

test('a terminal that is too narrow for that wraps by itself', () => {
  expect(grid(head, [['node1', 'down', 'x'.repeat(60)]], 30)).toContain(`node1   down    ${'x'.repeat(60)}\n`)
})

test('colours take no room', () => {
  expect(grid(['A', 'B'], [['\u001b[31mab\u001b[39m', 'x']])).toBe('A    B\n\u001b[31mab\u001b[39m   x\n')
})
