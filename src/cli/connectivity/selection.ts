/** Which tests and scenarios --test asks for. */
import {fail} from '../../runtime/errors.ts'
import {nearest} from '../suggestion.ts'
import {TEST_PATTERN_INVALID, TEST_UNKNOWN} from './errors.ts'
import type {ConnectivityTest} from './test.ts'

/** Patterns are separated by commas as well. */
export function splitPatterns(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(',')).filter((text) => text !== '')
}

/**
 * Leaves the tests and scenarios that the patterns name: regular expressions over "test/scenario"; one that begins
 * with ! leaves out, and leaving out wins. Without patterns that choose, all are chosen.
 *
 * @throws TEST_PATTERN_INVALID; TEST_UNKNOWN when nothing is left
 */
export function selectTests(
  tests: readonly ConnectivityTest[],
  patterns: readonly string[],
): readonly ConnectivityTest[] {
  const skip = patterns.filter((text) => text.startsWith('!')).map((text) => compile(text.slice(1)))
  const run = patterns.filter((text) => !text.startsWith('!')).map(compile)
  const wanted = (path: string) =>
    !skip.some((pattern) => pattern.test(path)) && (run.length === 0 || run.some((pattern) => pattern.test(path)))
  const selected = tests
    .map((test) => ({...test, scenarios: test.scenarios.filter(({name}) => wanted(`${test.name}/${name}`))}))
    .filter(({scenarios}) => scenarios.length > 0)
  if (selected.length === 0) {
    const meant = nearest(
      patterns[0] ?? '',
      tests.map(({name}) => name),
    )
    fail(TEST_UNKNOWN, {
      patterns: patterns.join(','),
      hint: meant === undefined ? '"cilium connectivity test --list" shows all' : `did you mean ${meant}?`,
    })
  }
  return selected
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (cause) {
    return fail(TEST_PATTERN_INVALID, {pattern, reason: (cause as Error).message}, {cause})
  }
}
