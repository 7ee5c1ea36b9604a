import {describe, expect, test} from 'vitest'
import {templateSet} from '../../../../src/cli/chart/template/evaluate.ts'
import {templateFunctions} from '../../../../src/cli/chart/template/functions.ts'
import {parseTemplate} from '../../../../src/cli/chart/template/parse.ts'
import {toValue, type Value} from '../../../../src/cli/chart/template/value.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'

function render(source: string, data: unknown = {}): string {
  return templateSet([parseTemplate('t.yaml', source)], templateFunctions).render('t.yaml', toValue(data) as Value)
}

function refusal(source: string, data: unknown = {}): string {
  try {
    render(source, data)
  } catch (thrown) {
    if (thrown instanceof CiliumError) return `${thrown.code} ${thrown.message}`
    throw thrown
  }
  throw new Error('it was not refused')
}

describe('actions', () => {
  test.each([
    ['{{ .a }} {{ .b.c }}', {a: 1, b: {c: 'x'}}, '1 x'],
    ['{{ $.a }}{{ with .b }}{{ . }}{{ $.a }}{{ end }}', {a: 1, b: 2}, '121'],
    ['{{ if .a }}yes{{ else }}no{{ end }}', {a: 0}, 'no'],
    ['{{ if .a }}1{{ else if .b }}2{{ else }}3{{ end }}', {b: 'x'}, '2'],
    ['{{ with .a }}{{ . }}{{ else }}none{{ end }}', {}, 'none'],
    ['{{ range .l }}<{{ . }}>{{ end }}', {l: [1, 'a']}, '<1><a>'],
    ['{{ range $i, $v := .l }}{{ $i }}={{ $v }} {{ end }}', {l: ['a', 'b']}, '0=a 1=b '],
    ['{{ range $k, $v := .m }}{{ $k }}={{ $v }} {{ end }}', {m: {b: 1, a: 2}}, 'a=2 b=1 '],
    ['{{ range .l }}x{{ else }}empty{{ end }}', {l: []}, 'empty'],
    [
      '{{ range .l }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ if eq . "d" }}{{ break }}{{ end }}{{ . }}{{ end }}',
      {l: ['a', 'b', 'c', 'd', 'e']},
      'ac',
    ],
    ['{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}', {}, '2'],
    ['{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}', {}, '1'],
    ['{{ define "a" }}[{{ . }}]{{ end }}{{ include "a" 5 }}{{ template "a" "b" }}', {}, '[5][b]'],
    ['{{ (dict "a" (dict "b" "c")).a.b }}', {}, 'c'],
    ['{{ "a" | printf "%s-%s" "b" | upper }}', {}, 'B-A'],
    ['{{ `raw\\n` }}{{ "a\\tb" }}', {}, 'raw\\na\tb'],
    ['a {{- /* gone */ -}} b', {}, 'ab'],
    ['a  {{- 1 -}}  \n b', {}, 'a1b'],
    ['{{ -3 }}', {}, '-3'],
  ])('%s', (source, data, expected) => expect(render(source, data)).toBe(expected))

  test('what is not there prints nothing', () => expect(render('[{{ .a }}]')).toBe('[]'))
})

describe('logic', () => {
  test.each([
    ['{{ and 1 0 }}', '0'],
    ['{{ and "a" "b" }}', 'b'],
    ['{{ or "" "b" "c" }}', 'b'],
    ['{{ or 0 "" }}', ''],
    // the second argument would be an error, were it looked at
    ['{{ and false (fail "looked at") }}', 'false'],
    ['{{ or true (fail "looked at") }}', 'true'],
    ['{{ not list }}', 'true'],
    ['{{ eq 1 2 1 }}', 'true'],
    ['{{ ne "a" "b" }}', 'true'],
    ['{{ lt 1 2 }}{{ ge 2 2 }}{{ gt "b" "a" }}', 'truetruetrue'],
    ['{{ ternary "y" "n" false }}', 'n'],
    ['{{ default "d" "" }}{{ default "d" "x" }}', 'dx'],
    ['{{ coalesce "" 0 "c" }}', 'c'],
    ['{{ empty dict }}', 'true'],
    ['{{ kindIs "map" dict }}{{ kindIs "slice" list }}{{ kindIs "invalid" nil }}', 'truetruetrue'],
  ])('%s', (source, expected) => expect(render(source)).toBe(expected))
})

describe('functions', () => {
  test.each([
    ['{{ quote "a\\"b" 1 }}', '"a\\"b" "1"'],
    ['{{ squote "a" }}', "'a'"],
    ['{{ .f }} {{ .f | int }} {{ .f | toString }}', '1e+06 1000000 1e+06'],
    ['{{ .g }}', '0.0025'],
    ['{{ printf "%d %v %q %t %%" 1 .g "x" true }}', '1 0.0025 "x" true %'],
    ['{{ indent 2 "a\\nb" }}', '  a\n  b'],
    ['{{ nindent 2 "a" }}', '\n  a'],
    ['{{ b64enc "hi" }}{{ b64dec "aGk=" }}', 'aGk=hi'],
    ['{{ sha256sum "a" }}', 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'],
    ['{{ join "," (list "a" 1) }}', 'a,1'],
    ['{{ (split "." "a.b")._1 }}', 'b'],
    ['{{ splitList "." "a.b" | last }}', 'b'],
    ['{{ trim " a " }}{{ trimSuffix "x" "ax" }}{{ trimPrefix "x" "xa" }}', 'aaa'],
    ['{{ lower "A" }}{{ replace "a" "b" "aa" }}{{ contains "a" "ba" }}', 'abbtrue'],
    ['{{ has 1 (list 2 1) }}{{ has "1" (list 1) }}', 'truefalse'],
    ['{{ hasKey (dict "a" nil) "a" }}{{ get (dict "a" 1) "b" }}', 'true'],
    ['{{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ toJson $d }}', '{"a":1,"b":2}'],
    ['{{ $d := dict "a" 1 }}{{ $_ := unset $d "a" }}{{ len $d }}', '0'],
    ['{{ merge (dict "a" (dict "x" 1)) (dict "a" (dict "x" 2 "y" 3)) | toJson }}', '{"a":{"x":1,"y":3}}'],
    ['{{ toJson (list "<" 1 nil true) }}', '["\\u003c",1,null,true]'],
    ['{{ keys (dict "b" 1 "a" 2) | sortAlpha | join "," }}', 'a,b'],
    ['{{ concat (list 1) (list 2 3) | toJson }}', '[1,2,3]'],
    ['{{ append (list 1) 2 | initial | toJson }}', '[1]'],
    ['{{ add 1 2 }}{{ sub 5 3 }}', '32'],
    ['{{ semverCompare ">=1.30-0" "v1.31.0-alpha.1" }}{{ semverCompare ">=1.30" "v1.29.9" }}', 'truefalse'],
    ['{{ (fromYaml "a: [1, x]").a | toJson }}', '[1,"x"]'],
    ['{{ fromYamlArray "- a" | toJson }}', '["a"]'],
    ['{{ lookup "v1" "Secret" "" "" | len }}', '0'],
    ['{{ required "r" "x" }}', 'x'],
    ['{{ print 1 2 "a" }}', '1 2a'],
  ])('%s', (source, expected) => expect(render(source, {f: 1_000_000, g: 0.0025})).toBe(expected))
})

describe('what goes wrong says where', () => {
  test.each([
    ['line\n{{ .a.b.c }}', 'TEMPLATE_FAILED template t.yaml:2: nil pointer evaluating .b'],
    ['{{ .s.x }}', "TEMPLATE_FAILED template t.yaml:1: can't evaluate field x in a string"],
    [
      '{{ lower .n }}',
      'TEMPLATE_FAILED template t.yaml:1: function "lower": argument 1 has to be a string, not a float64',
    ],
    ['{{ eq .n 1 }}', 'TEMPLATE_FAILED template t.yaml:1: a float64 cannot be compared with a int64'],
    ['{{ env "HOME" }}', 'TEMPLATE_FAILED template t.yaml:1: function "env" is not part of the subset'],
    ['{{ include "none" . }}', 'TEMPLATE_FAILED template t.yaml:1: there is no template "none"'],
    [
      '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}',
      'TEMPLATE_FAILED template t.yaml:1: template "a" includes itself without end',
    ],
    ['\n\n{{ fail "no good" }}', 'VALUES_REFUSED no good'],
    ['{{ required "name it" "" }}', 'VALUES_REFUSED name it'],
    ['{{ printf "%5d" 1 }}', 'TEMPLATE_FAILED template t.yaml:1: printf knows %s %d %v %q %t and %%, not "%5"'],
    ['{{ quote 1 | nope }}', 'TEMPLATE_FAILED template t.yaml:1: function "nope" is not part of the subset'],
  ])('%s', (source, expected) => expect(refusal(source, {s: 'x', n: 1})).toBe(expected))

  test.each([
    ['a\n{{ if .a }}', 't.yaml:2: if of line 2 has no {{ end }}'],
    ['{{ end }}', 't.yaml:1: {{ end }} ends nothing'],
    ['{{ $x }}', 't.yaml:1: variable $x is not defined'],
    ['{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}', 't.yaml:1: variable $x is not defined'],
    ['{{ .a .b }}', 't.yaml:1: only functions take arguments'],
    ['{{ block "a" . }}{{ end }}', 't.yaml:1: {{ block }} is not part of the subset; use define and include'],
    ['{{ "a }}', 't.yaml:1: ""a }}" is not part of the template language'],
    ["{{ 'a' }}", 't.yaml:1: "\'a\' }}" is not part of the template language'],
    ['{{ a', 't.yaml:1: an action is not closed'],
    ['{{/* a }}', 't.yaml:1: a comment is not closed'],
    ['{{ break }}', 't.yaml:1: {{ break }} stands outside of a range'],
    ['{{ }}', 't.yaml:1: a value is missing'],
    ['{{ (1 }}', 't.yaml:1: a closing parenthesis is missing'],
    ['{{ define "a" }}{{ end }}{{ define "a" }}{{ end }}', 't.yaml:1: template "a" is defined twice'],
    ['{{ if true }}{{ else }}{{ else }}{{ end }}', 't.yaml:1: if has a second {{ else }}'],
  ])('%s', (source, expected) => expect(refusal(source)).toContain(expected))
})

test("a map's key may be called like something of the language", () => {
  const data = JSON.parse('{"m": {"__proto__": "a", "constructor": "b", "toString": "c"}}')

  expect(render('{{ range $k, $v := .m }}{{ $k }}={{ $v }} {{ end }}{{ .m.valueOf }}', data)).toBe(
    '__proto__=a constructor=b toString=c ',
  )
})
