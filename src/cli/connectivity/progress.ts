/** Shows a suite while it runs, line by line, on any kind of output. */
import {createInterface} from 'node:readline/promises'
import type {Style} from '../render/style.ts'
import {clean, cleanLines} from '../render/text.ts'
import type {SuiteHooks} from './connectivity.ts'
import type {ActionResult, TestResult} from './report.ts'
import type {ConnectivityTest, Scenario, TestContext} from './test.ts'

export interface ProgressOptions {
  /** every action on a line of its own, as it ends */
  readonly verbose: boolean
  /** also commands and what they printed */
  readonly debug: boolean
  /** begin each line with the time */
  readonly timestamps: boolean
  /** a dot for each action as it ends; only when one test runs at a time */
  readonly dots: boolean
  readonly style: Style
  readonly write: (text: string) => void
}

const nothing = () => {}

/** For output that a program reads. */
export const silentProgress: SuiteHooks = {
  say: nothing,
  suiteStarted: nothing,
  testStarted: nothing,
  testSkipped: nothing,
  scenarioStarted: nothing,
  scenarioSkipped: nothing,
  actionEnded: nothing,
  testEnded: nothing,
  pause: async () => {},
}

/** Lines as they come: quiet tests show dots and a sum, failed ones the actions that failed. */
export class LineProgress implements SuiteHooks {
  readonly #options: ProgressOptions
  #dotsOpen = false

  constructor(options: ProgressOptions) {
    this.#options = options
  }

  say(line: string): void {
    this.#line(line)
  }

  suiteStarted(tests: number, namespaces: readonly string[]): void {
    this.#line(`🏃[${namespaces.join(', ')}] Running ${tests} tests …`)
  }

  testStarted({namespace}: TestContext, {name}: ConnectivityTest, index: number, count: number): void {
    this.#line(`[=] [${namespace}] Test [${name}] [${index}/${count}]`)
  }

  testSkipped({namespace}: TestContext, {name}: ConnectivityTest, reason: string, index: number, count: number): void {
    this.#line(`[=] [${namespace}] Skipping test [${name}] [${index}/${count}] (${clean(reason)})`)
  }

  scenarioStarted(test: ConnectivityTest, {name}: Scenario): void {
    if (this.#options.verbose) this.#line(`  [-] Scenario [${test.name}/${name}]`)
  }

  scenarioSkipped(test: ConnectivityTest, {name}: Scenario, reason: string): void {
    this.#line(`  [-] Skipping Scenario [${test.name}/${name}] (${clean(reason)})`)
  }

  actionEnded(_test: ConnectivityTest, result: ActionResult): void {
    const {verbose, dots, debug} = this.#options
    if (result.outcome === 'failed') this.#failed(result)
    else if (verbose || debug) {
      this.#line(
        `  [.] Action [${clean(result.name)}: ${clean(result.from)} -> ${clean(result.to)}] ${result.seconds}s`,
      )
    } else if (dots) {
      this.#options.write(this.#dotsOpen ? '.' : '  .')
      this.#dotsOpen = true
    }
  }

  testEnded(_test: ConnectivityTest, {name, namespace, scenarios, seconds, outcome}: TestResult): void {
    const actions = scenarios.flatMap((scenario) => scenario.actions)
    const failed = actions.filter((action) => action.outcome === 'failed').length
    const text = outcome === 'passed' ? `${actions.length} actions` : `${failed}/${actions.length} actions failed`
    const {style, write} = this.#options
    const painted = outcome === 'passed' ? style.good(text) : style.bad(text)
    if (this.#dotsOpen) {
      write(` ${painted} in ${seconds}s\n`)
      this.#dotsOpen = false
    } else this.#line(`[=] [${namespace}] Test [${name}] ended: ${painted} in ${seconds}s`)
  }

  async pause(): Promise<void> {
    const terminal = createInterface({input: process.stdin, output: process.stderr})
    await terminal.question('⏸  paused after a failure: press Enter to go on ')
    terminal.close()
  }

  #failed({name, from, to, reason, command, stdout, stderr, drops}: ActionResult): void {
    const {style} = this.#options
    const way = from === '' ? '' : `: ${clean(from)} -> ${clean(to)}`
    this.#line(`  [.] Action [${clean(name)}${way}]`)
    this.#line(`  ${style.bad('❌')} ${clean(reason ?? 'failed')}`)
    if (command !== undefined) this.#line(`     command: ${clean(command)}`)
    for (const drop of drops ?? []) this.#line(`     dropped meanwhile on ${clean(drop)}`)
    if (!this.#options.debug) return
    for (const [title, text] of [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const) {
      if (text !== undefined && text.trim() !== '') this.#line(`     ${title}: ${cleanLines(text.trim())}`)
    }
  }

  #line(text: string): void {
    const {write, timestamps} = this.#options
    if (this.#dotsOpen) write('\n')
    this.#dotsOpen = false
    write(`${timestamps ? `${new Date().toISOString()} ` : ''}${text}\n`)
  }
}
