/** Writes one tier's counts and failures to the file that TALLY_FILE names, and says why each skipped test was skipped. */
import {appendFileSync} from 'node:fs'
import type {Reporter, TestModule} from 'vitest/node'

/** one tier's outcome: how many tests ended how, and a line for each that failed */
export interface Tally {
  passed: number
  failed: number
  skipped: number
  failures: string[]
}

const firstLine = (errors: readonly {message?: string}[] | undefined): string =>
  (errors?.[0]?.message ?? 'no message').split('\n', 1)[0] ?? ''

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tally: Tally = {passed: 0, failed: 0, skipped: 0, failures: []}
    const fail = (module: TestModule, name: string, errors: readonly {message?: string}[] | undefined): void => {
      tally.failed++
      tally.failures.push(`${module.relativeModuleId} > ${name}: ${firstLine(errors)}`)
    }
    for (const module of modules) {
      // a file that failed to load has no tests to count, and must not pass for that
      if (!module.ok() && [...module.children.allTests('failed')].length === 0) {
        const suites = [...module.children.allSuites()].flatMap((suite) => suite.errors())
        fail(module, 'the file as a whole', [...module.errors(), ...suites])
      }
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') tally.passed++
        else if (result.state === 'failed') fail(module, test.fullName, result.errors)
        else {
          tally.skipped++
          const note = 'note' in result && result.note ? result.note : 'no reason given'
          process.stdout.write(`skipped: ${test.fullName}: ${note}\n`)
        }
      }
    }
    const file = process.env['TALLY_FILE']
    if (file) appendFileSync(file, `${JSON.stringify(tally)}\n`)
  }
}
