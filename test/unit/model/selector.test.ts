import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {LabelSet} from '../../../src/model/labels.ts'
import {
  absentSelector,
  anySelector,
  formatSelector,
  intersectSelectors,
  type LabelSelectorObject,
  matchAll,
  noneSelector,
  parseSelector,
  type Selector,
  selects,
} from '../../../src/model/selector.ts'

function read(object: LabelSelectorObject | null | undefined): Selector {
  const parsed = parseSelector(object, {defaultSource: 'k8s'})
  if ('problem' in parsed) throw new Error(`${parsed.problem.path}: ${parsed.problem.reason}`)
  return parsed.selector
}

const web = LabelSet.parse(['k8s:app=web', 'k8s:tier=front'])

describe('empty, any and absent', () => {
  test('a missing selector is absent and selects nothing', () => {
    expect(read(undefined)).toBe(absentSelector)
    expect(read(null)).toBe(absentSelector)
    expect(selects(absentSelector, web)).toBe(false)
  })

  test('an empty selector selects everything', () => {
    for (const object of [{}, {matchLabels: {}}, {matchExpressions: []}, {matchLabels: null, matchExpressions: null}]) {
      expect(read(object)).toBe(anySelector)
    }
    expect(selects(anySelector, LabelSet.empty)).toBe(true)
  })

  test('none selects nothing', () => {
    expect(selects(noneSelector, web)).toBe(false)
  })

  test('an intersection never gets wider than its parts', () => {
    const one = read({matchLabels: {app: 'web'}})
    expect(intersectSelectors(absentSelector, one)).toBe(one)
    expect(intersectSelectors(one, absentSelector)).toBe(one)
    expect(intersectSelectors(anySelector, one)).toBe(one)
    expect(intersectSelectors(one, anySelector)).toBe(one)
    expect(intersectSelectors(anySelector, noneSelector)).toBe(noneSelector)
    expect(intersectSelectors(noneSelector, one)).toBe(noneSelector)
    expect(formatSelector(intersectSelectors(one, read({matchLabels: {tier: 'back'}})))).toBe(
      'k8s:app=web,k8s:tier=back',
    )
  })
})

describe('matching', () => {
  test.each<[LabelSelectorObject, boolean]>([
    [{matchLabels: {app: 'web'}}, true],
    [{matchLabels: {app: 'db'}}, false],
    [{matchLabels: {app: 'web', tier: 'back'}}, false],
    [{matchExpressions: [{key: 'app', operator: 'In', values: ['db', 'web']}]}, true],
    [{matchExpressions: [{key: 'app', operator: 'NotIn', values: ['web']}]}, false],
    [{matchExpressions: [{key: 'zone', operator: 'NotIn', values: ['a']}]}, true],
    [{matchExpressions: [{key: 'zone', operator: 'In', values: ['']}]}, false],
    [{matchExpressions: [{key: 'app', operator: 'Exists'}]}, true],
    [{matchExpressions: [{key: 'zone', operator: 'Exists'}]}, false],
    [{matchExpressions: [{key: 'zone', operator: 'DoesNotExist'}]}, true],
    [{matchExpressions: [{key: 'app', operator: 'DoesNotExist', values: []}]}, false],
    [{matchLabels: {'k8s:app': 'web'}}, true],
    [{matchLabels: {'any:app': 'web'}}, true],
    [{matchLabels: {'reserved:app': 'web'}}, false],
  ])('%j selects app=web,tier=front: %s', (object, expected) => {
    expect(selects(read(object), web)).toBe(expected)
  })

  test('with source any, In needs one label of that key to match and NotIn all to differ', () => {
    const both = LabelSet.parse(['k8s:app=web', 'cni:app=db'])
    expect(selects(read({matchLabels: {'any:app': 'db'}}), both)).toBe(true)
    expect(selects(read({matchExpressions: [{key: 'any:app', operator: 'NotIn', values: ['db']}]}), both)).toBe(false)
    expect(selects(read({matchExpressions: [{key: 'k8s:app', operator: 'NotIn', values: ['db']}]}), both)).toBe(true)
  })

  test('In and NotIn are opposites, Exists and DoesNotExist too', () => {
    const labels = fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('1', '2', ''))
    const values = fc.uniqueArray(fc.constantFrom('1', '2', ''), {minLength: 1})
    fc.assert(
      fc.property(labels, fc.constantFrom('a', 'b'), values, (record, key, list) => {
        const set = LabelSet.fromRecord(record)
        const say = (operator: string, wanted?: string[]) =>
          selects(
            read({matchExpressions: [wanted === undefined ? {key, operator} : {key, operator, values: wanted}]}),
            set,
          )
        expect(say('In', list)).toBe(!say('NotIn', list))
        expect(say('Exists')).toBe(!say('DoesNotExist'))
      }),
    )
  })
})

describe('bad selectors', () => {
  test.each<[unknown, string]>([
    [{matchExpressions: [{key: 'app', operator: 'In', values: []}]}, 'matchExpressions[0].values'],
    [{matchExpressions: [{key: 'app', operator: 'NotIn'}]}, 'matchExpressions[0].values'],
    [{matchExpressions: [{key: 'app', operator: 'In', values: null}]}, 'matchExpressions[0].values'],
    [{matchExpressions: [{key: 'app', operator: 'In', values: [1]}]}, 'matchExpressions[0].values'],
    [{matchExpressions: [{key: 'app', operator: 'Exists', values: ['x']}]}, 'matchExpressions[0].values'],
    [{matchExpressions: [{key: 'app', operator: 'Gt', values: ['1']}]}, 'matchExpressions[0].operator'],
    [{matchExpressions: [{operator: 'Exists'}]}, 'matchExpressions[0].key'],
    [{matchExpressions: [{key: 'k8s:', operator: 'Exists'}]}, 'matchExpressions[0].key'],
    [{matchExpressions: [null]}, 'matchExpressions[0].key'],
    [{matchExpressions: 'x'}, 'matchExpressions'],
    [{matchLabels: {app: 1}}, 'matchLabels[app]'],
    [{matchLabels: {'': 'x'}}, 'matchLabels'],
    ['text', ''],
    [[], ''],
  ])('%j says where it is wrong', (object, path) => {
    const parsed = parseSelector(object as LabelSelectorObject)
    expect('problem' in parsed && parsed.problem.path).toBe(path)
  })

  test('nothing whatever makes it throw', () => {
    fc.assert(
      fc.property(
        fc.record({matchLabels: fc.anything(), matchExpressions: fc.anything()}, {requiredKeys: []}),
        (object) => {
          parseSelector(object as LabelSelectorObject)
        },
      ),
    )
  })
})

test('the text is the same for the same selector in another order', () => {
  const text = formatSelector(
    read({
      matchLabels: {tier: 'front'},
      matchExpressions: [
        {key: 'zone', operator: 'NotIn', values: ['b', 'a', 'b']},
        {key: 'app', operator: 'In', values: ['web', 'api']},
        {key: 'old', operator: 'DoesNotExist'},
        {key: 'new', operator: 'Exists'},
      ],
    }),
  )
  expect(text).toBe('!k8s:old,k8s:app in (api,web),k8s:new,k8s:tier=front,k8s:zone notin (a,b)')
  expect([absentSelector, noneSelector, anySelector].map(formatSelector)).toEqual(['<absent>', '<none>', '<any>'])
  expect(matchAll([])).toBe(anySelector)
})
