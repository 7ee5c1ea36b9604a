import {describe, expect, test} from 'vitest'
import {applySet, textValue, typedValue} from '../../../../src/cli/chart/set-syntax.ts'
import {tree} from '../../../../src/cli/chart/template/value.ts'
import type {CiliumError} from '../../../../src/runtime/errors.ts'

function set(...texts: string[]): unknown {
  const values = tree()
  for (const text of texts) applySet(text, values, typedValue)
  return structuredClone({...values})
}

describe('what --set reads', () => {
  test.each([
    ['a=b', {a: 'b'}],
    ['a.b.c=1', {a: {b: {c: 1n}}}],
    ['a=true,b=FALSE,c=null', {a: true, b: false, c: null}],
    ['a=0,b=007,c=12,d=-3,e=1.5', {a: 0n, b: '007', c: 12n, d: -3n, e: '1.5'}],
    ['a=99999999999999999999', {a: '99999999999999999999'}],
    ['a=', {a: ''}],
    ['a={x,y}', {a: ['x', 'y']}],
    ['a={x,y},b=1', {a: ['x', 'y'], b: 1n}],
    ['a={}', {a: ['']}],
    ['a[0]=x,a[2]=z', {a: ['x', null, 'z']}],
    ['a[0].b=x,a[0].c=y', {a: [{b: 'x', c: 'y'}]}],
    ['a[0][1]=x', {a: [[null, 'x']]}],
    ['a=b=c', {a: 'b=c'}],
    ['a=b\\,c', {a: 'b,c'}],
    ['a\\.b=c', {'a.b': 'c'}],
    ['kubernetes\\.io/os=linux', {'kubernetes.io/os': 'linux'}],
    ['a=x y', {a: 'x y'}],
  ])('%s', (text, expected) => expect(set(text)).toEqual(expected))

  test('later ones win, and leave what they do not name', () => {
    expect(set('a.b=1,a.c=2', 'a.b=3')).toEqual({a: {b: 3n, c: 2n}})
  })

  test('--set-string leaves everything text', () => {
    const values = tree()

    applySet('a=true,b={1,2}', values, textValue)

    expect({...values}).toEqual({a: 'true', b: ['1', '2']})
  })

  test('names that mean something to JavaScript are names', () => {
    const values = tree()

    applySet('__proto__.polluted=1', values, typedValue)

    expect(Object.keys(values)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('what --set refuses', () => {
  test.each([
    ['a', 'key "a" has no value'],
    ['a,b=1', 'key "a" has no value (cannot end with ,)'],
    ['a={x', "a list has to end with '}'"],
    ['a[x]=1', '"x" is not an index'],
    ['a[-1]=1', '"-1" is not an index'],
    ['a[70000]=1', 'index 70000 is beyond 65536'],
    ['a[0]b=1', 'unexpected "b" behind an index'],
    ['a=1,a.b=2', '"a" is not a map'],
    ['a=1,a[0]=2', '"a" is not a list'],
    [`${'a.'.repeat(40)}b=1`, 'names are nested deeper than 30'],
  ])('%s', (text, detail) => {
    expect(() => set(text)).toThrow(
      expect.objectContaining({code: 'SET_SYNTAX', fields: {text, detail}}) as CiliumError,
    )
  })
})
