import type {Cause} from './judge.ts'

export interface ActionResult {
  /** test/scenario:action */
  readonly name: string
  readonly from: string
  readonly to: string
  readonly outcome: 'passed' | 'failed'
  readonly seconds: number
  /** how often it was tried; more than once for outside targets */
  readonly tries: number
  readonly cause?: Cause
  /** what happened, in words */
  readonly reason?: string
  readonly command?: string
  readonly stdout?: string
  readonly stderr?: string
  /** drops that the nodes of both ends counted while the command ran once more */
  readonly drops?: readonly string[]
}

export interface ScenarioResult {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** why it was skipped */
  readonly reason?: string
  readonly actions: readonly ActionResult[]
}

export interface TestResult {
  readonly name: string
  readonly namespace: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly reason?: string
  readonly seconds: number
  readonly scenarios: readonly ScenarioResult[]
  /** the command that runs what failed once more */
  readonly repeat?: string
}

/** Result of `cilium connectivity test`. */
export interface SuiteReport {
  readonly outcome: 'passed' | 'failed'
  readonly version: string
  readonly seconds: number
  readonly features: Readonly<Record<string, unknown>>
  readonly tests: readonly TestResult[]
  /** the suite itself could not go on: why */
  readonly setupError?: {readonly code: string; readonly message: string}
}

export interface Tally {
  readonly tests: number
  readonly failedTests: number
  readonly skippedTests: number
  readonly actions: number
  readonly failedActions: number
  readonly skippedScenarios: number
}

/** Tests that ran, actions of all of them, and what was left out. */
export function tally(tests: readonly TestResult[]): Tally {
  const ran = tests.filter(({outcome}) => outcome !== 'skipped')
  const scenarios = tests.flatMap((test) => test.scenarios)
  const actions = scenarios.flatMap((scenario) => scenario.actions)
  return {
    tests: ran.length,
    failedTests: ran.filter(({outcome}) => outcome === 'failed').length,
    skippedTests: tests.length - ran.length,
    actions: actions.length,
    failedActions: actions.filter(({outcome}) => outcome === 'failed').length,
    skippedScenarios: scenarios.filter(({outcome}) => outcome === 'skipped').length,
  }
}
