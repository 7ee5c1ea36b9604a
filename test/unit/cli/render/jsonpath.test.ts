import {expect, test} from 'vitest'
import {jsonPath} from '../../../../src/cli/render/jsonpath.ts'

const value = {
  revision: 12,
  Daemon: {Version: '0.1.0'},
  nodes: [
    {name: 'a', ready: true, 'pod-cidr': '10.0.0.0/24'},
    {name: 'b', ready: false, 'pod-cidr': '10.0.1.0/24'},
  ],
}

test.each([
  ['{.revision}', '12'],
  ["'{.revision}'", "'12'"],
  ['{$.Daemon.Version}', '0.1.0'],
  ['.Daemon.Version', '0.1.0'],
  ['{.nodes[*].name}', 'a b'],
  ['{.nodes[0].name}', 'a'],
  ['{.nodes[-1].name}', 'b'],
  ['{.nodes[0:1].name}', 'a'],
  ["{.nodes[0]['pod-cidr']}", '10.0.0.0/24'],
  ['{.nodes[0].pod-cidr}', '10.0.0.0/24'],
  ['{.nodes[?(@.name=="b")].pod-cidr}', '10.0.1.0/24'],
  ['{.nodes[?(@.ready==true)].name}', 'a'],
  ['{..name}', 'a b'],
  ['{range .nodes[*]}{.name}{"\\n"}{end}', 'a\nb\n'],
  ['{.missing.key}', ''],
  ['{.Daemon}', '{"Version":"0.1.0"}'],
])('%s gives %j', (template, expected) => {
  expect(jsonPath(value, template)).toBe(expected)
})

test('the whole value is {}', () => {
  expect(JSON.parse(jsonPath(value, '{}'))).toEqual(value)
})

test.each(['{.nodes[}', '{.nodes', '{range .nodes[*]}x', '{end}'])('%s is refused', (template) => {
  expect(() => jsonPath(value, template)).toThrow(expect.objectContaining({code: 'JSONPATH_INVALID'}))
})

test('keys of the prototype are not found', () => {
  expect(jsonPath(value, '{.constructor}{.__proto__}')).toBe('')
})
