import {describe, expect, test} from 'vitest'
import {type Tree, toPlain, toValue} from '../../../../src/cli/chart/template/value.ts'
import {overlay, withDefaults} from '../../../../src/cli/chart/values.ts'

const values = (data: unknown): Tree => toValue(data) as Tree

describe('laying values upon others', () => {
  test('maps merge, everything else replaces', () => {
    const merged = overlay(values({a: {b: 1, c: [1, 2]}, d: 1}), values({a: {c: [3]}, d: {e: 1}}))

    expect(toPlain(merged)).toEqual({a: {b: 1, c: [3]}, d: {e: 1}})
  })

  test('neither side is changed', () => {
    const [under, over] = [values({a: {b: 1}}), values({a: {c: 2}})]

    overlay(under, over)

    expect([toPlain(under), toPlain(over)]).toEqual([{a: {b: 1}}, {a: {c: 2}}])
  })
})

describe('defaults', () => {
  test.each([
    ['fill what the user leaves out', {a: {b: 9}}, {a: {b: 1, c: 2}, d: 3}, {a: {b: 9, c: 2}, d: 3}],
    ['are taken away by null', {a: null, b: {c: null}}, {a: 1, b: {c: 2, d: 3}}, {b: {d: 3}}],
    ['do not bring back what a null took away whole', {a: null}, {a: {b: 1}}, {}],
    ['leave a null that meets none', {a: {x: null}}, {a: {b: 1}}, {a: {x: null, b: 1}}],
    ['leave a null that meets a null below the top', {a: {b: null}}, {a: {b: null}}, {a: {b: null}}],
    ['keep lists of the user whole', {a: [1]}, {a: [1, 2, 3]}, {a: [1]}],
  ])('%s', (_, user, defaults, expected) => {
    expect(toPlain(withDefaults(values(user), values(defaults)).values)).toEqual(expected)
  })

  test('a value of another form is kept, and told', () => {
    const {values: merged, warnings} = withDefaults(values({a: 1, b: {c: 1}}), values({a: {x: 1}, b: 2}))

    expect(toPlain(merged)).toEqual({a: 1, b: {c: 1}})
    expect(warnings).toEqual(['a is not a map, its default is one', 'b is a map, its default is not'])
  })
})
