import {existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {runProgram} from './support/program.ts'

test.each([
  ['cilium', 'status'],
  ['cilium-dbg', 'endpoint'],
] as const)('%s --help names the program and its commands', async (program, word) => {
  const {stdout, exitCode} = await runProgram(program, ['--help'])

  expect(exitCode).toBe(0)
  expect(stdout).toContain(`$ ${program} [COMMAND]`)
  expect(stdout).toMatch(new RegExp(`^ {2}${word} {2}`, 'm'))
})

test('a command under two programs shows the name of each', async () => {
  const short = await runProgram('cilium-dbg', ['endpoint', 'list', '--help'])
  const long = await runProgram('cilium', ['dbg', 'endpoint', 'list', '--help'])

  expect(short.stdout).toContain('$ cilium-dbg endpoint list [')
  expect(long.stdout).toContain('$ cilium dbg endpoint list [')
})

test.each([['--help'], ['-h']])('%s after a command is about that command', async (flag) => {
  const {stdout} = await runProgram('cilium', ['status', flag])

  expect(stdout).toContain('$ cilium status [')
})

test('help as a word and a topic alone show help too', async () => {
  const word = await runProgram('cilium', ['help', 'status'])
  const topic = await runProgram('cilium', ['connectivity'])

  expect(word.stdout).toContain('$ cilium status [')
  expect(topic.exitCode).toBe(0)
  expect(topic.stdout).toContain('connectivity test')
})

test.each(['cilium', 'hubble', 'cilium-dbg'] as const)('%s --version names itself', async (program) => {
  const {stdout} = await runProgram(program, ['--version'])

  expect(stdout).toMatch(new RegExp(`^${program}/\\d+\\.\\d+\\.\\d+ linux-`))
})

test('a mistyped command is a usage error with what was meant', async () => {
  const {stderr, exitCode} = await runProgram('cilium', ['statsu', '--wait'])

  expect(exitCode).toBe(2)
  expect(stderr).toBe(
    'error COMMAND_UNKNOWN  there is no command "cilium statsu"\n  try: did you mean "cilium status"?   docs: reference/errors#COMMAND_UNKNOWN\n',
  )
})

test('a mistyped word below a topic is found as well', async () => {
  const {stderr, exitCode} = await runProgram('cilium', ['connectivity', 'tets'])

  expect(exitCode).toBe(2)
  expect(stderr).toContain('did you mean "cilium connectivity test"?')
})

test('a mistyped flag is a usage error with what was meant', async () => {
  const {stderr, exitCode} = await runProgram('cilium', ['status', '--wiat'])

  expect(exitCode).toBe(2)
  expect(stderr).toContain('FLAG_UNKNOWN  there is no flag --wiat here\n  try: did you mean --wait?')
})

test.each([
  ['a value that is no duration', ['status', '--wait-duration', 'soon'], 'DURATION_INVALID'],
  ['an output format that does not exist', ['status', '-o', 'xml'], 'OUTPUT_FORMAT_UNKNOWN'],
  ['a number that is none', ['status', '--worker-count', 'many'], 'USAGE'],
  ['an argument too many', ['status', 'now'], 'USAGE'],
])('%s is a usage error', async (_, args, code) => {
  const {stderr, exitCode} = await runProgram('cilium', args)

  expect(exitCode).toBe(2)
  expect(stderr).toContain(`error ${code}  `)
})

test('with -o json an error is one JSON document on stdout and stderr stays empty', async () => {
  const {stdout, stderr, exitCode} = await runProgram('cilium', ['status', '--wiat', '-o', 'json'])

  expect(exitCode).toBe(2)
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({
    error: {
      code: 'FLAG_UNKNOWN',
      message: 'there is no flag --wiat here',
      advice: 'did you mean --wait?',
      docs: 'reference/errors#FLAG_UNKNOWN',
      fields: {flag: '--wiat', hint: 'did you mean --wait?'},
    },
  })
})

test('stack traces show with --debug only', async () => {
  const args = ['status', '--kubeconfig', '/nowhere']
  const quiet = await runProgram('cilium', args)
  const loud = await runProgram('cilium', [...args, '--debug'])

  expect(quiet.exitCode).toBe(1)
  expect(quiet.stderr).not.toContain('    at ')
  expect(loud.stderr).toContain('    at ')
})

test('global flags may stand before the command', async () => {
  const {stderr, exitCode} = await runProgram('cilium', ['--kubeconfig', '/nowhere', 'status'])

  expect(exitCode).toBe(1)
  expect(stderr).toContain('kubeconfig /nowhere cannot be used')
})

test('colours are left out without a terminal and with NO_COLOR, and can be forced', async () => {
  const plain = await runProgram('cilium', ['nothing'])
  const forced = await runProgram('cilium', ['nothing'], {env: {FORCE_COLOR: '1'}})
  const refused = await runProgram('cilium', ['nothing'], {env: {FORCE_COLOR: '1', NO_COLOR: '1'}})

  expect(plain.stderr).not.toContain('\u001b')
  expect(forced.stderr).toContain('\u001b')
  expect(refused.stderr).not.toContain('\u001b')
})

test('Ctrl-C ends a waiting command with 130 and one line', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cilium-cli-test-'))
  const asked = Promise.withResolvers<void>()
  // an API server that never answers
  const server = createServer(() => asked.resolve())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as {port: number}
  const kubeconfig = join(folder, 'config')
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{name: 'c', context: {cluster: 'c', user: 'u'}}],
      clusters: [{name: 'c', cluster: {server: `http://127.0.0.1:${port}`}}],
      users: [{name: 'u', user: {}}],
    }),
  )

  const started = performance.now()
  let pid = 0
  const running = runProgram('cilium', ['status', '--wait', '--kubeconfig', kubeconfig], {
    onStart: (id) => {
      pid = id
    },
  })
  await asked.promise
  process.kill(pid, 'SIGINT')
  const {stderr, exitCode} = await running

  expect(exitCode).toBe(130)
  expect(stderr).toMatch(/^error INTERRUPTED {2}interrupted\n/)
  expect(performance.now() - started).toBeLessThan(10_000)
  server.closeAllConnections()
  server.close()
  rmSync(folder, {recursive: true})
})

const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => existsSync(path))

test('an older Node hands over to the one that the project brings along', async ({skip}) => {
  skip(oldNode === undefined, 'this machine has no other Node')
  const {execFileSync} = await import('node:child_process')
  const bin = join(import.meta.dirname, '../../bin/cilium.js')

  const text = execFileSync(oldNode!, [bin, '--version'], {encoding: 'utf8'})

  expect(Number(/node-v(\d+)/.exec(text)?.[1])).toBeGreaterThanOrEqual(24)
})
