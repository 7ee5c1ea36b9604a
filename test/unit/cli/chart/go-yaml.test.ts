import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import {fromYaml, parseYaml, toYaml} from '../../../../src/cli/chart/template/go-yaml.ts'
import {toPlain, toValue} from '../../../../src/cli/chart/template/value.ts'

describe('reading', () => {
  test.each([
    ['yes', true],
    ['Off', false],
    ['"yes"', 'yes'],
    ['~', null],
    ['', null],
    ['010', 8],
    ['0x1f', 31],
    ['1_000', 1000],
    ['1e3', 1000],
    ['.5', 0.5],
    ['12:30:45', '12:30:45'],
    ['2001-02-03', '2001-02-03'],
    ['v1.2.3', 'v1.2.3'],
    ['1.2.3', '1.2.3'],
  ])('%s', (text, expected) => expect(parseYaml(text)).toBe(expected))

  test('a merge key takes over what it names', () => {
    expect(toPlain(parseYaml('a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n'))).toEqual({a: {b: 1}, c: {b: 1, d: 2}})
  })

  test('a key given twice is refused', () => expect(() => parseYaml('a: 1\na: 2\n')).toThrow(/unique/))

  test('aliases that would blow up are refused', () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (const [index, name] of ['b', 'c', 'd', 'e'].entries()) {
      const before = ['a', 'b', 'c', 'd'][index]!
      lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`)
    }
    expect(() => parseYaml(lines.join('\n'))).toThrow(/alias/i)
  })

  test('__proto__ is a key like any other', () => {
    const value = fromYaml('__proto__: {polluted: 1}')

    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('writing', () => {
  test.each([
    [{b: 1, a: [1, {c: 2}], d: {}, e: []}, 'a:\n- 1\n- c: 2\nb: 1\nd: {}\ne: []'],
    ['true', '"true"'],
    ['1e3', '"1e3"'],
    ['', '""'],
    ['a: b', "'a: b'"],
    ["it's", "it's"],
    ["'x", "'''x'"],
    ['a\nb', '|-\n  a\n  b'],
    [{x: 'a\nb\n'}, 'x: |\n  a\n  b'],
    [[[1, 2], [3]], '- - 1\n  - 2\n- - 3'],
    [{a10: 1, a2: 1, _: 1, B: 1}, '_: 1\nB: 1\na2: 1\na10: 1'],
    [1_000_000, '1000000'],
    [0.5, '0.5'],
    [null, 'null'],
  ])('%j', (value, expected) => expect(toYaml(toValue(value))).toBe(expected))

  test('whatever is written reads back as it was', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom('a', ' ', '\n', ':', '#', '-', "'", '"', '\t', '{', '0', '.', 'é', '\u0007', '~', 'y'),
      }),
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        {depthSize: 'small'},
        texts,
        fc.boolean(),
        fc.integer(),
        fc.constant(null),
        tie('list'),
        tie('map'),
      ),
      list: fc.array(tie('any'), {maxLength: 4}),
      map: fc.dictionary(texts, tie('any'), {maxKeys: 4}),
    })).any
    fc.assert(
      fc.property(value, (data) => {
        // templates put a line feed behind it, which ends the last line
        const text = `${toYaml(toValue(data))}\n`
        expect(parse(text)).toEqual(JSON.parse(JSON.stringify(data)))
        expect(toPlain(parseYaml(text))).toEqual(toPlain(toValue(data)))
      }),
      {numRuns: 500},
    )
  })
})
