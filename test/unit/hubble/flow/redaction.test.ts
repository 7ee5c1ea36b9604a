import {expect, test} from 'vitest'
import {redaction} from '../../../../src/hubble/flow/redaction.ts'

const wishes = {urlQuery: false, userInfo: true, headers: {allow: [], deny: []}, apiKey: true}
const url = (text: string, more: Partial<typeof wishes> = {}) =>
  redaction({...wishes, ...more})({http: {url: text}}).http?.url

test.each([
  ['http://ann:secret@shop/a?b=c#d', 'http://ann:HUBBLE_REDACTED@shop/a?b=c#d'],
  ['http://ann:se@cr:et@shop/', 'http://ann:HUBBLE_REDACTED@shop/'],
  ['http://ann@shop/', 'http://ann@shop/'],
  ['https://[fd00::1]:80/a@b:c', 'https://[fd00::1]:80/a@b:c'],
  ['/a:b@c', '/a:b@c'],
  ['http://ann:p%20 w\n@shop', 'http://ann:HUBBLE_REDACTED@shop'],
])('the password of %s is not told', (given, told) => {
  expect(url(given)).toBe(told)
})

test('a query is told unless it must not be', () => {
  expect(url('http://shop/a?token=b#c', {urlQuery: true})).toBe('http://shop/a')
  expect(url('http://ann:p?w@shop/', {urlQuery: true})).not.toContain('w@')
  expect(url('http://ann:b@shop/', {userInfo: false})).toBe('http://ann:b@shop/')
})

test('headers are told by name: those that are allowed, or all but those that are denied', () => {
  const headers = [
    {key: 'Authorization', value: 'Bearer x'},
    {key: 'x-trace', value: '1'},
  ]
  const shown = (lists: {allow: string[]; deny: string[]}) =>
    redaction({...wishes, headers: lists})({http: {headers}}).http?.headers?.map(({value}) => value)

  expect(shown({allow: ['X-Trace'], deny: []})).toEqual(['HUBBLE_REDACTED', '1'])
  expect(shown({allow: [], deny: ['authorization']})).toEqual(['HUBBLE_REDACTED', '1'])
  expect(shown({allow: [], deny: []})).toEqual(['HUBBLE_REDACTED', 'HUBBLE_REDACTED'])
  expect(headers[0]!.value).toBe('Bearer x')
})
