/** Rule sets: their names, their shapes, and the numbers that the datapath knows them by. */
import {expect, test} from 'vitest'
import {peerKind, portForm as portFormOfDatapath} from '../../../src/datapath/gen/enums.ts'
import type {RuleRef} from '../../../src/policy/rule.ts'
import {RuleCookies} from '../../../src/policy/rule-cookies.ts'
import {type Entry, makeRuleSet, peerKinds, portForms, shapeBit} from '../../../src/policy/rule-set.ts'

const entry = (change: Partial<Entry>): Entry => ({
  ...{peerKind: 0, peer: 0, protocol: 0, port: 0, verdict: 'allow', explicit: false, precedence: 512, cookie: 1},
  ...change,
})
const deny = {verdict: 'deny', cookie: 9} as const

test('kinds of peers and forms of ports are numbered as in the datapath', () => {
  expect(peerKinds).toEqual({any: peerKind.PEER_ANY, identity: peerKind.PEER_IDENTITY, class: peerKind.PEER_CLASS})
  expect(portForms).toEqual({
    none: portFormOfDatapath.PORT_NONE,
    protocol: portFormOfDatapath.PORT_PROTOCOL,
    exact: portFormOfDatapath.PORT_EXACT,
    range: portFormOfDatapath.PORT_BLOCK,
  })
})

test('equal content has one name, whatever order it was made in', () => {
  const [one, two] = [entry({protocol: 6, port: 80}), entry({peerKind: 1, peer: 256})]

  expect(makeRuleSet([one, two], [], deny).hash).toBe(makeRuleSet([two, one], [], deny).hash)
})

test.each([
  ['a port', [entry({protocol: 6, port: 81})], deny],
  ['a verdict', [entry({protocol: 6, port: 80, verdict: 'deny'})], deny],
  ['the rule that speaks', [entry({protocol: 6, port: 80, cookie: 2})], deny],
  ['what an empty look-up means', [entry({protocol: 6, port: 80})], {verdict: 'allow', cookie: 9}],
  ['who isolates', [entry({protocol: 6, port: 80})], {verdict: 'deny', cookie: 8}],
] as const)('%s makes another name', (_, entries, fallback) => {
  const plain = makeRuleSet([entry({protocol: 6, port: 80})], [], deny)

  expect(makeRuleSet([...entries], [], fallback).hash).not.toBe(plain.hash)
})

test('a set says which shapes it has', () => {
  const block = {...entry({peerKind: 2, peer: 3, protocol: 6, port: 8192}), bits: 3}

  const set = makeRuleSet([entry({}), entry({peerKind: 1, peer: 5, protocol: 17, port: 53})], [block], deny)

  expect(set.shapes).toBe(
    shapeBit(peerKinds.any, portForms.none) |
      shapeBit(peerKinds.identity, portForms.exact) |
      shapeBit(peerKinds.class, portForms.range),
  )
})

test('a rule keeps its number over restarts, and no two share one', () => {
  const ref = (name: string, index: number): RuleRef => ({
    policy: {kind: 'NetworkPolicy', namespace: 'a', name, uid: ''},
    spec: 0,
    section: 'ingress',
    index,
  })
  const [before, after] = [new RuleCookies(), new RuleCookies()]
  const all = Array.from({length: 2000}, (_, i) => before.cookieOf(ref('p', i)))

  expect(new Set(all).size).toBe(2000)
  expect(all).not.toContain(0)
  expect(after.cookieOf(ref('p', 7))).toBe(all[7])
  expect(before.ruleOf(all[7]!)).toEqual(ref('p', 7))
})
