import {expect, test} from 'vitest'
import {junitXml} from '../../../../src/cli/connectivity/junit.ts'
import type {SuiteReport, TestResult} from '../../../../src/cli/connectivity/report.ts'
import {reportText} from '../../../../src/cli/connectivity/report-text.ts'
import {plain} from '../../../../src/cli/render/style.ts'

const passed: TestResult = {
  name: 'no-policies',
  namespace: 'cilium-test-1',
  outcome: 'passed',
  seconds: 1.5,
  scenarios: [
    {
      name: 'pod-to-pod',
      outcome: 'passed',
      actions: [
        {name: 'no-policies/pod-to-pod:curl-ipv4-0', from: 'a', to: 'b', outcome: 'passed', seconds: 0.1, tries: 1},
      ],
    },
    {name: 'pod-to-world', outcome: 'skipped', reason: 'no services', actions: []},
  ],
}
const failed: TestResult = {
  name: 'health',
  namespace: 'cilium-test-1',
  outcome: 'failed',
  seconds: 2,
  repeat: "cilium connectivity test --test '^health/cilium-health$'",
  scenarios: [
    {
      name: 'cilium-health',
      outcome: 'failed',
      actions: [
        {
          name: 'health/cilium-health:probe-0',
          from: 'kube-system/cilium-a (172.18.0.2)',
          to: 'all nodes (/x.sock)',
          outcome: 'failed',
          seconds: 1,
          tries: 4,
          cause: 'wrong',
          reason: 'n2: host <10.0.0.2> does not answer \u001b[2JICMP',
          drops: ['n2: Policy denied (INGRESS) +1'],
        },
      ],
    },
  ],
}
const skipped: TestResult = {
  name: 'no-policies-extra',
  namespace: 'cilium-test-1',
  outcome: 'skipped',
  reason: 'no node ports',
  seconds: 0,
  scenarios: [{name: 'x', outcome: 'skipped', reason: 'no node ports', actions: []}],
}

const report = (tests: readonly TestResult[]): SuiteReport => ({
  outcome: tests.some(({outcome}) => outcome === 'failed') ? 'failed' : 'passed',
  version: '0.1.0',
  seconds: 3.5,
  features: {},
  tests,
})

test('a suite that passed is one line with its counts', () => {
  expect(reportText(report([passed, skipped]), plain)).toBe(
    '\n✅ [cilium-test-1] All 1 tests (1 actions) successful, 1 tests skipped, 2 scenarios skipped.\n',
  )
})

test('a suite that failed names each action, why it failed, what was dropped, and how to repeat it', () => {
  expect(reportText(report([passed, failed, skipped]), plain)).toBe(`
📋 Test Report [cilium-test-1]
❌ 1/2 tests failed (1/2 actions), 1 tests skipped, 2 scenarios skipped:
Test [health]:
  🟥 health/cilium-health:probe-0: kube-system/cilium-a (172.18.0.2) -> all nodes (/x.sock)
     n2: host <10.0.0.2> does not answer [2JICMP
       dropped meanwhile on n2: Policy denied (INGRESS) +1
  again: cilium connectivity test --test '^health/cilium-health$'
`)
})

test('the JUnit report counts failures and skips, and escapes what is not XML', () => {
  const xml = junitXml(report([passed, failed, skipped]), {build: '<7>'})

  expect(xml).toContain('<testsuites tests="3" disabled="1" errors="0" failures="1" time="3.500">')
  expect(xml).toContain('<property name="build" value="&lt;7&gt;"/>')
  expect(xml).toContain('<testcase name="no-policies" classname="connectivity test" status="passed" time="1.500"/>')
  expect(xml).toContain('<skipped message="no node ports"/>')
  expect(xml).toContain('n2: host &lt;10.0.0.2&gt; does not answer [2JICMP</failure>')
  expect(xml).not.toContain('\u001b')
})

test('a suite that could not begin is one failed case', () => {
  const setupError = {code: 'K8S_UNREACHABLE', message: 'cannot reach the API server'}

  const xml = junitXml({...report([]), outcome: 'failed', setupError}, {})

  expect(xml).toContain('tests="1" disabled="0" errors="0" failures="1"')
  expect(xml).toContain('<testcase name="setup" classname="connectivity test" status="failed"')
})
