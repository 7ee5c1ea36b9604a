/** The summary of `cilium connectivity test`: what failed, why, and how to look again. */
import type {Style} from '../render/style.ts'
import {clean} from '../render/text.ts'
import {type ActionResult, type SuiteReport, type TestResult, tally} from './report.ts'

export function reportText(report: SuiteReport, style: Style): string {
  const {tests, failedTests, skippedTests, actions, failedActions, skippedScenarios} = tally(report.tests)
  const skipped = `${skippedTests} tests skipped, ${skippedScenarios} scenarios skipped`
  const namespaces = [...new Set(report.tests.map(({namespace}) => namespace))].join(', ')
  if (report.outcome === 'passed') {
    return `\n${style.good(`✅ [${namespaces}] All ${tests} tests (${actions} actions) successful, ${skipped}.`)}\n`
  }
  const failed = report.tests.filter(({outcome}) => outcome === 'failed')
  return `
📋 Test Report [${namespaces}]
${style.bad(`❌ ${failedTests}/${tests} tests failed (${failedActions}/${actions} actions), ${skipped}:`)}
${failed.map((test) => testText(test, style)).join('')}`
}

function testText(test: TestResult, style: Style): string {
  const failed = test.scenarios.flatMap(({actions}) => actions).filter(({outcome}) => outcome === 'failed')
  const again = test.repeat === undefined ? '' : `  again: ${style.strong(test.repeat)}\n`
  return `Test [${test.name}]:\n${failed.map((action) => actionText(action, style)).join('')}${again}`
}

function actionText({name, from, to, reason, drops}: ActionResult, style: Style): string {
  const way = from === '' ? '' : `: ${clean(from)} -> ${clean(to)}`
  const dropLines = (drops ?? []).map((drop) => `       dropped meanwhile on ${clean(drop)}\n`).join('')
  return `  🟥 ${clean(name)}${way}\n     ${style.bad(clean(reason ?? 'failed'))}\n${dropLines}`
}
