import {readFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {
  countReasons,
  dropCodes,
  dropReason,
  dropReasonProto,
  dropReasons,
  findDropReason,
  isDrop,
  reasonText,
} from '../../../src/model/drop-reasons.ts'

test('the datapath and the product have the same reasons with the same names', () => {
  const header = readFileSync(new URL('../../../bpf/abi/reason.h', import.meta.url), 'utf8')
  const inC = [...header.matchAll(/^\s*DROP_(\w+) =\s+(\d+)/gm)].map(([, name, code]) => `${code} ${name}`)
  expect(inC).toEqual(dropReasons.map(({code, name}) => `${code} ${name}`))
})

test('codes, texts and names are unique and fit a byte', () => {
  for (const part of ['code', 'name', 'text'] as const) {
    expect(new Set(dropReasons.map((reason) => reason[part])).size).toBe(dropReasons.length)
  }
  expect(dropReasons.every(({code}) => isDrop(code) && code < 256)).toBe(true)
  expect([...countReasons.keys()].some(isDrop)).toBe(false)
})

test('texts are those that people know', () => {
  expect(reasonText(133)).toBe('Policy denied')
  expect(reasonText(181)).toBe('Policy denied by denylist')
  expect(reasonText(169, -101)).toBe('FIB lookup failed, -101')
  expect(reasonText(0)).toBe('Success')
  expect(reasonText(15)).toBe('MTU error message')
  expect(reasonText(159)).toBe('159')
  expect(dropCodes['POLICY_DENIED']).toBe(133)
})

test('the flow API name is given, or its unknown member', () => {
  expect(dropReasonProto(198)).toBe('DROP_RATE_LIMITED')
  expect(dropReasonProto(208)).toBe('DROP_REASON_UNKNOWN')
  expect(dropReason(208)?.text).toBe('Flow table full')
})

test('a reason is found by number, text, name and flow API name', () => {
  const found = ['198', 'rate limited', 'RATE_LIMITED', 'drop_rate_limited', 'nonsense'].map(
    (query) => findDropReason(query)?.code,
  )
  expect(found).toEqual([198, 198, 198, 198, undefined])
})
