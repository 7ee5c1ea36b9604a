import {expect, test} from 'vitest'
import {escapeControls, isSecretName, redactField, redactText} from '../../../src/runtime/redact.ts'

test.each([
  'token',
  'bearer-token',
  'PASSWORD',
  'client_key',
  'privateKey',
  'authorization',
  'clientSecret',
  'set-cookie',
  'ipsec.psk',
])('a field named %s is a secret', (name) => {
  expect(isSecretName(name)).toBe(true)
  expect(redactField(name, 'hunter2')).toBe('<redacted>')
  expect(redactField(name, '')).toBe('')
})

test.each(['key', 'tokenizer', 'table', 'secretsNamespaced', 'keyboard', 'monkey'])(
  'a field named %s is not',
  (name) => {
    expect(redactField(name, 'value')).toBe('value')
  },
)

test.each([
  ['Authorization: Bearer abcdefghijklmnop', 'Authorization: Bearer <redacted>'],
  ['basic dXNlcjpwYXNzd29yZA==', 'basic <redacted>'],
  ['token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl end', 'token <redacted> end'],
  ['https://user:pass@host/path', 'https://user:<redacted>@host/path'],
  ['a -----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY----- b', 'a <redacted> b'],
  ['cut -----BEGIN PRIVATE KEY-----\nMHc=', 'cut <redacted>'],
  ['a basic problem', 'a basic problem'],
  ['http://host:8080/path', 'http://host:8080/path'],
])('%j is shown as %j', (text, shown) => {
  expect(redactText(text)).toBe(shown)
})

test('control characters are written as escapes', () => {
  expect(escapeControls('a\nb\tc\rd\x1b[31m\x00\x7f\x9b\u2028')).toBe('a\\nb\\tc\\rd\\x1b[31m\\x00\\x7f\\x9b\\u2028')
  expect(escapeControls('plain ünïcode')).toBe('plain ünïcode')
})
