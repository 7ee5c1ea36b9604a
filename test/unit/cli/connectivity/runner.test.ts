import {expect, test} from 'vitest'
import {silentProgress} from '../../../../src/cli/connectivity/progress.ts'
import type {TestResult} from '../../../../src/cli/connectivity/report.ts'
import {type RunnerOptions, runTests} from '../../../../src/cli/connectivity/runner.ts'
import {repeatCommand} from '../../../../src/cli/connectivity/session.ts'
import type {Action, ConnectivityTest, Scenario, TestContext} from '../../../../src/cli/connectivity/test.ts'
import type {CommandResult} from '../../../../src/cli/connectivity/test-cluster.ts'
import {context, fine, peer} from './fake-context.ts'

const broken: CommandResult = {stdout: '', stderr: 'boom', exitCode: 9}

function action(name: string, exec: () => Promise<CommandResult>, overrides: Partial<Action> = {}): Action {
  const from = peer('client', 'n1', 1, exec)
  return {
    name,
    from,
    to: {name: 'echo', address: '10.0.0.11', port: 8080},
    command: ['true'],
    tool: 'other',
    ...overrides,
  }
}

const scenario = (name: string, ...actions: Action[]): Scenario => ({name, actions: () => actions})

const suiteTest = (name: string, ...scenarios: Scenario[]): ConnectivityTest => ({name, summary: '', scenarios})

const runner: RunnerOptions = {progress: silentProgress, repeat: (pattern) => `again ${pattern}`}

async function run(
  tests: readonly ConnectivityTest[],
  options: Partial<RunnerOptions> = {},
  contexts: readonly TestContext[] = [context()],
): Promise<readonly TestResult[]> {
  return runTests(contexts, tests, {...runner, ...options})
}

test('a test whose actions all end well has passed', async () => {
  const [result] = await run([
    suiteTest(
      't',
      scenario(
        's',
        action('a', async () => fine),
      ),
    ),
  ])

  expect(result).toMatchObject({name: 't', namespace: 'cilium-test-1', outcome: 'passed'})
  expect(result!.scenarios[0]!.actions[0]).toMatchObject({
    name: 't/s:a',
    from: 'cilium-test-1/client (10.0.0.1)',
    to: 'echo (10.0.0.11:8080)',
    outcome: 'passed',
    tries: 1,
  })
  expect(result!.repeat).toBeUndefined()
})

test('a failure says why and how to repeat it, and the others still run', async () => {
  const tests = [
    suiteTest(
      'bad',
      scenario(
        's',
        action('a', async () => broken),
        action('b', async () => fine),
      ),
    ),
    suiteTest(
      'good',
      scenario(
        's',
        action('a', async () => fine),
      ),
    ),
  ]

  const [bad, good] = await run(tests)

  expect(bad).toMatchObject({outcome: 'failed', repeat: 'again ^bad/s$'})
  expect(bad!.scenarios[0]!.actions.map(({outcome}) => outcome)).toEqual(['failed', 'passed'])
  expect(bad!.scenarios[0]!.actions[0]).toMatchObject({reason: 'true ended with exit code 9: boom', cause: 'command'})
  expect(good!.outcome).toBe('passed')
})

test('the repetition names all failed scenarios and only those', async () => {
  const failing = async () => broken
  const [result] = await run([
    suiteTest(
      't',
      scenario('a', action('x', failing)),
      scenario(
        'b',
        action('x', async () => fine),
      ),
      scenario('c', action('x', failing)),
    ),
  ])

  expect(result!.repeat).toBe('again ^t/(a|c)$')
})

test('an action is tried again as often as it says', async () => {
  let tries = 0
  const exec = async () => (++tries < 3 ? broken : fine)

  const [result] = await run([suiteTest('t', scenario('s', action('a', exec, {retries: 3})))])

  expect(result!.outcome).toBe('passed')
  expect(result!.scenarios[0]!.actions[0]!.tries).toBe(3)
})

test('a command that cannot be run at all is a failure of its action', async () => {
  const exec = async () => Promise.reject(new Error('connection refused'))

  const [result] = await run([suiteTest('t', scenario('s', action('a', exec)))])

  expect(result!.scenarios[0]!.actions[0]!.reason).toContain('the command could not be run in cilium-test-1/client')
})

test('a scenario that cannot even say what to do has failed', async () => {
  const throwing: Scenario = {
    name: 's',
    // biome-ignore lint/correctness/useYield: it throws before its first action
    *actions() {
      throw new Error('no route to look at')
    },
  }

  const [result] = await run([suiteTest('t', throwing)])

  expect(result!.outcome).toBe('failed')
  expect(result!.scenarios[0]!.actions[0]!.reason).toBe('no route to look at')
})

test('what a scenario needs and does not have skips it with the reason', async () => {
  const needy: Scenario = {
    ...scenario(
      's',
      action('a', async () => broken),
    ),
    requires: [() => 'no services here'],
  }
  const fineOne = scenario(
    'f',
    action('a', async () => fine),
  )

  const [mixed, alone] = await run([suiteTest('mixed', needy, fineOne), suiteTest('alone', needy)])

  expect(mixed!.outcome).toBe('passed')
  expect(mixed!.scenarios[0]).toMatchObject({outcome: 'skipped', reason: 'no services here'})
  expect(alone).toMatchObject({outcome: 'skipped', reason: 'no services here'})
})

test('a scenario without any pair to talk is skipped and not passed', async () => {
  const [result] = await run([
    suiteTest(
      't',
      scenario('empty'),
      scenario(
        's',
        action('a', async () => fine),
      ),
    ),
  ])

  expect(result!.scenarios[0]!.outcome).toBe('skipped')
})

test('each namespace takes the next test that waits, and lonely tests come last', async () => {
  const order: string[] = []
  const one = (name: string) =>
    suiteTest(
      name,
      scenario(
        's',
        action('a', async () => {
          order.push(name)
          return fine
        }),
      ),
    )
  const contexts = [context(), context({namespace: 'cilium-test-2'})]

  const results = await run([{...one('alone'), sequential: true}, one('a'), one('b'), one('c')], {}, contexts)

  expect(order.at(-1)).toBe('alone')
  expect(results.map(({name}) => name)).toEqual(['alone', 'a', 'b', 'c'])
  expect(new Set(results.map(({namespace}) => namespace))).toEqual(new Set(['cilium-test-1', 'cilium-test-2']))
})

test('an interruption ends the run at once', async () => {
  const controller = new AbortController()
  const exec = async () => {
    controller.abort(new Error('stop'))
    return Promise.reject(new Error('aborted'))
  }

  const running = run([suiteTest('t', scenario('s', action('a', exec)))], {}, [context({signal: controller.signal})])

  await expect(running).rejects.toThrow('stop')
})

test('drops that nodes counted meanwhile come with the failure', async () => {
  const findDrops = async () => ['n2: Policy denied (INGRESS) +1']

  const failing = action('a', async () => ({...fine, exitCode: 1}), {tool: 'ping'})
  const [result] = await run([suiteTest('t', scenario('s', failing))], {findDrops})

  expect(result!.scenarios[0]!.actions[0]!.drops).toEqual(['n2: Policy denied (INGRESS) +1'])
})

test('the command that repeats keeps other flags and replaces the choice of tests', () => {
  const argv = ['--context', 'my lab', '--test', 'x', '--junit-file=r.xml', '--force-deploy', '-v']

  expect(repeatCommand(argv, '^t/(a|c)$')).toBe("cilium connectivity test --context 'my lab' -v --test '^t/(a|c)$'")
})

const timedOut: CommandResult = {
  stdout: '',
  stderr: '{"errormsg":"Connection timed out","time_connect":0}',
  exitCode: 28,
}

test('policies of a test are in force while its actions run, and gone after them', async () => {
  const seen: string[] = []
  const where = context({
    enforce: async (policies) => {
      seen.push(`enforce ${policies.map(({metadata}) => metadata.name).join()}`)
      return {[Symbol.asyncDispose]: async () => void seen.push('withdraw')}
    },
  })
  const act = action('a', async () => {
    seen.push('action')
    return fine
  })
  const policy = {apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: {name: 'p'}}
  const [result] = await run([{...suiteTest('t', scenario('s', act)), policies: () => [policy]}], {}, [where])

  expect(result!.outcome).toBe('passed')
  expect(seen).toEqual(['enforce p', 'action', 'withdraw'])
})

test('policies that cannot be put into force fail the test, and no action runs', async () => {
  const where = context({
    enforce: async () => {
      throw new Error('node n1 did not take them')
    },
  })
  const never = action('a', async () => expect.fail('no action may run'))
  const policy = {apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: {name: 'p'}}
  const [result] = await run([{...suiteTest('t', scenario('s', never)), policies: () => [policy]}], {}, [where])

  expect(result).toMatchObject({outcome: 'failed', repeat: 'again ^t/'})
  expect(result!.scenarios[0]!.actions[0]!.reason).toBe('node n1 did not take them')
})

test('an action that is to be denied passes when it is, and is not tried again', async () => {
  let calls = 0
  const curl = (name: string, result: CommandResult) =>
    action(
      name,
      async () => {
        calls++
        return result
      },
      {tool: 'curl', retries: 3},
    )
  const expectDenied = {expect: () => 'denied' as const}
  const [good, bad] = await run([
    {...suiteTest('good', scenario('s', curl('a', timedOut))), ...expectDenied},
    {...suiteTest('bad', scenario('s', curl('b', fine))), ...expectDenied},
  ])

  expect(good!.outcome).toBe('passed')
  expect(bad!.scenarios[0]!.actions[0]).toMatchObject({outcome: 'failed', cause: 'allowed'})
  expect(calls).toBe(2)
})

test('while actions that are to be denied wait, the others go on; drops are asked for when nobody waits any more', async () => {
  const seen: string[] = []
  let release!: () => void
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const waits = action('waits', async () => {
    seen.push('denied begins')
    await released
    seen.push('denied ends')
    return timedOut
  })
  const fails = action('fails', async () => {
    seen.push('other')
    release()
    return timedOut
  })
  const findDrops = async () => {
    seen.push('drops')
    return []
  }
  const denied = {expect: (one: Action) => (one.name === 'waits' ? ('denied' as const) : ('passes' as const))}

  const [result] = await run(
    [{...suiteTest('t', scenario('s', {...waits, tool: 'curl'}, {...fails, tool: 'curl'})), ...denied}],
    {
      findDrops,
    },
  )

  expect(seen).toEqual(['denied begins', 'other', 'denied ends', 'drops'])
  expect(result!.scenarios[0]!.actions.map(({name, outcome}) => [name, outcome])).toEqual([
    ['t/s:fails', 'failed'],
    ['t/s:waits', 'passed'],
  ])
})

test('policies go only when nobody waits under them any more, whatever breaks', async () => {
  const seen: string[] = []
  const where = context({
    enforce: async () => ({[Symbol.asyncDispose]: async () => void seen.push('withdraw')}),
  })
  const slow = action('slow', async () => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    seen.push('denied')
    return timedOut
  })
  const breaks: Scenario = {
    name: 's',
    *actions() {
      yield slow
      throw new Error('nobody knows what else')
    },
  }
  const policy = {apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: {name: 'p'}}

  await run([{...suiteTest('t', breaks), expect: () => 'denied', policies: () => [policy]}], {}, [where])

  expect(seen).toEqual(['denied', 'withdraw'])
})
