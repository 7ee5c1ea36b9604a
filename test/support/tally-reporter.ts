/** Writes one tier's counts to the file that TALLY_FILE names, and says why each skipped test was skipped. */
import {appendFileSync} from 'node:fs'
import type {Reporter, TestModule} from 'vitest/node'

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tally = {passed: 0, failed: 0, skipped: 0}
    for (const module of modules) {
      // a file that failed to load has no tests to count, and must not pass for that
      if (!module.ok() && [...module.children.allTests('failed')].length === 0) tally.failed++
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') tally.passed++
        else if (result.state === 'failed') tally.failed++
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
