/** Runs tests one after another in each namespace, several namespaces at the same time. */
import {setTimeout as sleep} from 'node:timers/promises'
import {CiliumError} from '../../runtime/errors.ts'
import {judge} from './judge.ts'
import type {ActionResult, ScenarioResult, TestResult} from './report.ts'
import type {Action, ConnectivityTest, Expected, Scenario, TestContext} from './test.ts'
import type {CommandResult} from './test-cluster.ts'

/** actions that are to be denied and run at the same time */
const deniedAtOnce = 16

/** stands for a scenario where the policies of a test could not be put into force */
const policiesStep = 'policies'

/** Hears of everything as it happens. */
export interface Progress {
  testStarted(context: TestContext, test: ConnectivityTest, index: number, count: number): void
  testSkipped(context: TestContext, test: ConnectivityTest, reason: string, index: number, count: number): void
  scenarioStarted(test: ConnectivityTest, scenario: Scenario): void
  scenarioSkipped(test: ConnectivityTest, scenario: Scenario, reason: string): void
  actionEnded(test: ConnectivityTest, result: ActionResult): void
  testEnded(test: ConnectivityTest, result: TestResult): void
}

export interface RunnerOptions {
  readonly progress: Progress
  /** called after a failed action, before the next one */
  readonly onFailure?: (action: Action, result: ActionResult) => Promise<void>
  /** drops that the nodes of both ends count while an action runs again; asked for after a failure */
  readonly findDrops?: (context: TestContext, action: Action) => Promise<readonly string[]>
  /** the command line that repeats tests or scenarios by a pattern */
  readonly repeat: (pattern: string) => string
}

/**
 * Runs tests over contexts: each context takes the next test that waits. Tests that must be alone run in the first
 * context after all others.
 */
export async function runTests(
  contexts: readonly TestContext[],
  tests: readonly ConnectivityTest[],
  options: RunnerOptions,
): Promise<readonly TestResult[]> {
  const results = new Map<ConnectivityTest, TestResult>()
  const indexOf = (test: ConnectivityTest) => tests.indexOf(test) + 1
  const queue = tests.filter((test) => test.sequential !== true)
  const run = async (context: TestContext, test: ConnectivityTest) => {
    results.set(test, await runTest(context, test, indexOf(test), tests.length, options))
  }
  await Promise.all(
    contexts.map(async (context) => {
      for (let test = queue.shift(); test !== undefined; test = queue.shift()) await run(context, test)
    }),
  )
  for (const test of tests.filter((one) => one.sequential === true)) await run(contexts[0]!, test)
  return tests.flatMap((test) => results.get(test) ?? [])
}

async function runTest(
  context: TestContext,
  test: ConnectivityTest,
  index: number,
  count: number,
  options: RunnerOptions,
): Promise<TestResult> {
  const {progress} = options
  const started = performance.now()
  const base = {name: test.name, namespace: context.namespace}
  const reason = firstReason(test, context) ?? allScenariosSkipped(test, context)
  if (reason !== undefined) {
    progress.testSkipped(context, test, reason, index, count)
    const scenarios = test.scenarios.map(({name}) => ({name, outcome: 'skipped', reason, actions: []}) as const)
    return {...base, outcome: 'skipped', reason, seconds: 0, scenarios}
  }
  progress.testStarted(context, test, index, count)
  const scenarios = await runScenarios(context, test, options)
  const failed = scenarios.filter(({outcome}) => outcome === 'failed')
  const result: TestResult = {
    ...base,
    outcome: failed.length > 0 ? 'failed' : 'passed',
    seconds: secondsSince(started),
    scenarios,
    ...(failed.length === 0 ? {} : {repeat: options.repeat(repeatPattern(test, failed))}),
  }
  progress.testEnded(test, result)
  return result
}

async function runScenarios(
  context: TestContext,
  test: ConnectivityTest,
  options: RunnerOptions,
): Promise<readonly ScenarioResult[]> {
  const scenarios: ScenarioResult[] = []
  try {
    const policies = test.policies?.(context) ?? []
    await using _inForce = policies.length === 0 ? undefined : await context.enforce(policies)
    for (const scenario of test.scenarios) scenarios.push(await runScenario(context, test, scenario, options))
  } catch (thrown) {
    if (context.signal.aborted) throw context.signal.reason
    const broken = brokenScenario(`${test.name}/${policiesStep}`, thrown)
    options.progress.actionEnded(test, broken)
    scenarios.push({name: policiesStep, outcome: 'failed', actions: [broken]})
  }
  return scenarios
}

async function runScenario(
  context: TestContext,
  test: ConnectivityTest,
  scenario: Scenario,
  options: RunnerOptions,
): Promise<ScenarioResult> {
  const reason = firstReason(scenario, context)
  if (reason !== undefined) {
    options.progress.scenarioSkipped(test, scenario, reason)
    return {name: scenario.name, outcome: 'skipped', reason, actions: []}
  }
  options.progress.scenarioStarted(test, scenario)
  const actions: ActionResult[] = []
  const path = `${test.name}/${scenario.name}`
  const ended = async (action: Action, result: ActionResult) => {
    actions.push(result)
    options.progress.actionEnded(test, result)
    if (result.outcome === 'failed') await options.onFailure?.(action, result)
  }
  const waiting = new Set<Promise<ActionResult>>()
  try {
    const denied: (readonly [Action, Promise<ActionResult>])[] = []
    for await (const action of scenario.actions(context)) {
      if (test.expect?.(action, context) !== 'denied') {
        await ended(action, await runAction(context, path, action, 'passes', aloneWhenAsked(options, waiting)))
        continue
      }
      // these wait for answers that do not come: the others go on meanwhile
      if (waiting.size >= deniedAtOnce) await Promise.race(waiting)
      const run = runAction(context, path, action, 'denied', options)
      waiting.add(run)
      const over = () => void waiting.delete(run)
      run.then(over, over)
      denied.push([action, run])
    }
    for (const [action, run] of denied) await ended(action, await run)
  } catch (thrown) {
    // what an action needs could not be found out: that is a failure of the scenario
    if (context.signal.aborted) throw context.signal.reason
    const broken = brokenScenario(`${test.name}/${scenario.name}`, thrown)
    actions.push(broken)
    options.progress.actionEnded(test, broken)
  } finally {
    // the policies that they wait under are about to go
    await Promise.allSettled(waiting)
  }
  if (actions.length === 0) {
    const nothing = 'no pair of pods has the addresses it needs'
    options.progress.scenarioSkipped(test, scenario, nothing)
    return {name: scenario.name, outcome: 'skipped', reason: nothing, actions}
  }
  const failed = actions.some(({outcome}) => outcome === 'failed')
  return {name: scenario.name, outcome: failed ? 'failed' : 'passed', actions}
}

/** What nodes drop is told of one action only while no other runs. */
function aloneWhenAsked(options: RunnerOptions, others: ReadonlySet<Promise<unknown>>): RunnerOptions {
  const {findDrops} = options
  if (findDrops === undefined) return options
  return {
    ...options,
    findDrops: async (context, action) => {
      await Promise.allSettled(others)
      return await findDrops(context, action)
    },
  }
}

async function runAction(
  context: TestContext,
  path: string,
  action: Action,
  expected: Expected,
  {findDrops}: RunnerOptions,
): Promise<ActionResult> {
  const started = performance.now()
  const {options, signal} = context
  const attempts = expected === 'denied' ? 1 : 1 + (action.retries ?? 0)
  const {from, to} = action
  const common = {
    name: `${path}:${action.name}`,
    from: describePeer(from.name, from.addresses, to.address),
    to: describeTarget(to.name, to.address, to.port),
  }
  for (let tries = 1; ; tries++) {
    const result = await execute(context, action)
    const {ok, cause, text} = judge(action, result, expected)
    if (ok) return {...common, outcome: 'passed', seconds: secondsSince(started), tries}
    if (tries < attempts) {
      await sleep(options.retryDelayMs, undefined, {signal})
      continue
    }
    const drops = cause === 'command' || cause === 'allowed' ? [] : ((await findDrops?.(context, action)) ?? [])
    return {
      ...common,
      outcome: 'failed',
      seconds: secondsSince(started),
      tries,
      ...(cause === undefined ? {} : {cause}),
      ...(text === undefined ? {} : {reason: text}),
      command: action.command.join(' '),
      stdout: shorten(result.stdout),
      stderr: shorten(result.stderr),
      ...(drops.length === 0 ? {} : {drops}),
    }
  }
}

/** Runs the command of an action. That it could not be run at all counts as its failure, not as the suite's. */
async function execute({options, signal}: TestContext, {from, command}: Action): Promise<CommandResult> {
  try {
    return await from.exec(command, {signal, timeoutMs: options.requestTimeoutMs + options.connectTimeoutMs + 30_000})
  } catch (thrown) {
    if (signal.aborted) throw signal.reason
    const {code, message} = CiliumError.from(thrown)
    return {stdout: '', stderr: `the command could not be run in ${from.name}: ${code} ${message}`, exitCode: 126}
  }
}

function firstReason({requires = []}: Pick<ConnectivityTest, 'requires'>, context: TestContext): string | undefined {
  for (const requirement of requires) {
    const reason = requirement(context)
    if (reason !== undefined) return reason
  }
  return undefined
}

function allScenariosSkipped(test: ConnectivityTest, context: TestContext): string | undefined {
  const reasons = test.scenarios.map((scenario) => firstReason(scenario, context))
  return reasons.every((reason) => reason !== undefined) ? reasons[0] : undefined
}

function brokenScenario(path: string, thrown: unknown): ActionResult {
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return {name: path, from: '', to: '', outcome: 'failed', seconds: 0, tries: 1, cause: 'command', reason}
}

function repeatPattern(test: ConnectivityTest, failed: readonly ScenarioResult[]): string {
  const names = failed.map(({name}) => name)
  if (names.includes(policiesStep)) return `^${test.name}/`
  return names.length === 1 ? `^${test.name}/${names[0]}$` : `^${test.name}/(${names.join('|')})$`
}

function describePeer(name: string, addresses: Readonly<Record<string, string | undefined>>, to: string): string {
  const address = addresses[to.includes(':') ? 'ipv6' : 'ipv4'] ?? addresses['ipv4'] ?? addresses['ipv6']
  return address === undefined || address === '' ? name : `${name} (${address})`
}

function describeTarget(name: string, address: string, port: number | undefined): string {
  const host = address.includes(':') && port !== undefined ? `[${address}]` : address
  return `${name} (${host}${port === undefined ? '' : `:${port}`})`
}

function shorten(text: string): string {
  return text.length <= 2_000 ? text : `${text.slice(0, 1_000)} … ${text.slice(-500)}`
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000
}
