/** The JUnit form of a report, for CI. */
import {rename, writeFile} from 'node:fs/promises'
import type {SuiteReport, TestResult} from './report.ts'
import {tally} from './report.ts'

/** Writes the report as a whole or not at all. */
export async function writeJunit(
  file: string,
  report: SuiteReport,
  properties: Readonly<Record<string, string>>,
): Promise<void> {
  const unfinished = `${file}.new`
  await writeFile(unfinished, junitXml(report, properties))
  await rename(unfinished, file)
}

export function junitXml(report: SuiteReport, properties: Readonly<Record<string, string>>): string {
  const setup = report.setupError
  const {failedTests, skippedTests} = tally(report.tests)
  const counts = {
    tests: report.tests.length + (setup === undefined ? 0 : 1),
    disabled: skippedTests,
    errors: 0,
    failures: failedTests + (setup === undefined ? 0 : 1),
    time: report.seconds.toFixed(3),
  }
  const cases = [
    ...(setup === undefined
      ? []
      : [testCase('setup', 'failed', 0, failure(`${setup.code}: ${setup.message}`, setup.message))]),
    ...report.tests.map(caseOf),
  ]
  const propertyLines = Object.entries({Args: process.argv.slice(2).join(' '), ...properties})
    .map(([name, value]) => `      <property name=${quoted(name)} value=${quoted(value)}/>\n`)
    .join('')
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites${attributes(counts)}>
  <testsuite name="connectivity test" package="cilium"${attributes(counts)}>
    <properties>
${propertyLines}    </properties>
${cases.join('')}  </testsuite>
</testsuites>
`
}

function caseOf(test: TestResult): string {
  if (test.outcome === 'skipped') {
    return testCase(test.name, 'skipped', 0, `      <skipped message=${quoted(test.reason ?? '')}/>\n`)
  }
  if (test.outcome === 'passed') return testCase(test.name, 'passed', test.seconds, '')
  const failed = test.scenarios.flatMap(({actions}) => actions).filter(({outcome}) => outcome === 'failed')
  const lines = failed.map(({name, from, to, reason}) => `${name}: ${from} -> ${to}: ${reason ?? 'failed'}`)
  return testCase(test.name, 'failed', test.seconds, failure(`${failed.length} actions failed`, lines.join('\n')))
}

function testCase(name: string, status: string, seconds: number, content: string): string {
  const start = `    <testcase name=${quoted(name)} classname="connectivity test" status="${status}" time="${seconds.toFixed(3)}"`
  return content === '' ? `${start}/>\n` : `${start}>\n${content}    </testcase>\n`
}

function failure(message: string, text: string): string {
  return `      <failure type="failureMessage" message=${quoted(message)}>${escapeXml(text)}</failure>\n`
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${value}"`)
    .join('')
}

function quoted(text: string): string {
  return `"${escapeXml(text).replace(/\n/g, '&#10;')}"`
}

/** XML 1.0 has no way at all to write most control characters, so they are left out. */
function escapeXml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g, '')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
}
