import {describe, expect, test} from 'vitest'
import {lintChart} from '../../../../scripts/lint-chart.ts'
import {makeChart} from '../../../../src/cli/chart/chart.ts'
import {lintTemplates} from '../../../../src/cli/chart/lint.ts'

function lint(...templates: string[]): string[] {
  const texts = new Map([['Chart.yaml', 'name: c\nversion: 1.0.0\nappVersion: 1.0.0\n']])
  for (const [index, text] of templates.entries()) texts.set(`templates/${index}.yaml`, text)
  return lintTemplates(makeChart(texts, 'test')).map(({place, text}) => `${place}: ${text}`)
}

test('the chart of this repository is clean, and what is made of it is fresh', async () => {
  expect(await lintChart()).toEqual([])
})

describe('a template is told off, with file and line, for', () => {
  test.each([
    ['an unknown function', 'a\n{{ env "HOME" }}', 'c/templates/0.yaml:2: function "env" is not part of the subset'],
    ['one in a pipe', '{{ "a" | tpl }}', 'c/templates/0.yaml:1: function "tpl" is not part of the subset'],
    ['one as an argument', '{{ quote now }}', 'c/templates/0.yaml:1: function "now" is not part of the subset'],
    [
      'one in a branch that is never taken',
      '{{ if false }}{{ genCA "a" 1 }}{{ end }}',
      'c/templates/0.yaml:1: function "genCA" is not part of the subset',
    ],
    ['too few arguments', '{{ indent 2 }}', 'c/templates/0.yaml:1: function "indent" takes 2 arguments, not 1'],
    [
      'a kind that has several names in Go',
      '{{ kindIs "int" 1 }}',
      'c/templates/0.yaml:1: kindIs "int" is not part of the subset',
    ],
    ['a width in a format', '{{ printf "%05d" 1 }}', 'c/templates/0.yaml:1: printf "%05d" is not part of the subset'],
    ['files', '{{ .Files.Get "a" }}', 'c/templates/0.yaml:1: only functions take arguments'],
    ['the list of files', '{{ .Files }}', 'c/templates/0.yaml:1: .Files is not part of the subset'],
    [
      'an unknown field of the release',
      '{{ .Release.Time }}',
      'c/templates/0.yaml:1: .Release.Time is not part of the subset',
    ],
    ['a template that is not there', '{{ include "x" . }}', 'c/templates/0.yaml:1: there is no template "x"'],
    ['a template that nobody uses', '{{ define "x" }}{{ end }}', 'c/templates/0.yaml:1: template "x" is not used'],
  ])('%s', (_, template, expected) => expect(lint(template)).toEqual([expected]))

  test('a name that two files define', () => {
    const define = '{{ define "x" }}{{ end }}{{ include "x" . }}'

    expect(lint(define, define)).toEqual(['c/templates/1.yaml:1: template "x" is defined in c/templates/0.yaml too'])
  })
})
