/** Rule sets: their names, their shapes, and the numbers that the datapath knows them by. */
import {expect, test} from 'vitest'
import {POLICY_GROUPS, POLICY_PARTS, POLICY_RULES} from '../../../src/datapath/gen/constants.ts'
import {portForm as portFormOfDatapath} from '../../../src/datapath/gen/enums.ts'
import {groupsMax} from '../../../src/policy/peer-groups.ts'
import type {RuleRef} from '../../../src/policy/rule.ts'
import {RuleCookies} from '../../../src/policy/rule-cookies.ts'
import {
  makePart,
  makeRuleSet,
  type PolicyLimit,
  type PortEntry,
  partsMax,
  portForms,
  rulesPerPart,
  type SetRule,
  shapeBit,
} from '../../../src/policy/rule-set.ts'

const rule = (change: Partial<SetRule> = {}): SetRule => ({
  ...{group: 3, verdict: 'allow', explicit: false, cookie: 1},
  ...change,
})
const port80: PortEntry = {protocol: 6, port: 80, rules: 1n}
const deny = {verdict: 'deny', cookie: 9} as const

test('limits and forms of ports are those of the datapath', () => {
  expect({groupsMax, partsMax, rulesPerPart}).toEqual({
    groupsMax: POLICY_GROUPS,
    partsMax: POLICY_PARTS,
    rulesPerPart: POLICY_RULES,
  })
  expect(portForms).toEqual({
    none: portFormOfDatapath.PORT_NONE,
    protocol: portFormOfDatapath.PORT_PROTOCOL,
    exact: portFormOfDatapath.PORT_EXACT,
    range: portFormOfDatapath.PORT_BLOCK,
  })
})

test('equal content has one name, whatever order its ports were made in', () => {
  const any = {protocol: 0, port: 0, rules: 1n}
  const named = (entries: PortEntry[]) => makeRuleSet([makePart([rule()], entries, [])], deny).hash

  expect(named([port80, any])).toBe(named([any, port80]))
})

test.each([
  ['a port', [rule()], [{...port80, port: 81}], deny],
  ['which rules a port is for', [rule()], [{...port80, rules: 2n}], deny],
  ['a verdict', [rule({verdict: 'deny'})], [port80], deny],
  ['a peer', [rule({group: 4})], [port80], deny],
  ['the rule that speaks', [rule({cookie: 2})], [port80], deny],
  ['what an empty look-up means', [rule()], [port80], {verdict: 'allow', cookie: 9}],
  ['who isolates', [rule()], [port80], {verdict: 'deny', cookie: 8}],
] as const)('%s makes another name', (_, rules, entries, fallback) => {
  const plain = makeRuleSet([makePart([rule()], [port80], [])], deny)

  expect(makeRuleSet([makePart(rules, [...entries], [])], fallback).hash).not.toBe(plain.hash)
})

test('a part says which forms of ports it has, and which rules are about everybody', () => {
  const part = makePart(
    [rule(), rule({group: 0})],
    [port80, {protocol: 0, port: 0, rules: 2n}],
    [{protocol: 6, port: 8192, bits: 3, rules: 1n}],
  )

  expect(part.shapes).toBe(shapeBit(portForms.none) | shapeBit(portForms.exact) | shapeBit(portForms.range))
  expect(part.anybody).toBe(2n)
})

test('a part says whether it has to know a peer before it may pass', () => {
  const asks = (...rules: SetRule[]) => makePart(rules, [], []).asksPeer

  expect(asks(rule(), rule({group: 0, verdict: 'deny'}))).toBe(false)
  expect(asks(rule(), rule({verdict: 'deny'}))).toBe(true)
})

test('a set names the groups that it needs', () => {
  const parts = [makePart([rule({group: 9}), rule({group: 0})], [], []), makePart([rule({group: 2})], [], [])]

  expect(makeRuleSet(parts, deny).groups).toEqual([2, 9])
})

test('more rules than there is room for are refused as a whole', () => {
  const full = makePart(Array(rulesPerPart).fill(rule()), [], [])

  expect(makeRuleSet(Array(partsMax).fill(full), deny).parts).toHaveLength(partsMax)
  expect(() => makeRuleSet(Array(partsMax + 1).fill(full), deny)).toThrow(
    expect.objectContaining({name: 'PolicyLimit'} satisfies Partial<PolicyLimit>),
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
