/**
 * All tests, fast tiers first. Builds what the later tiers need just before they need it. At the end it names again
 * what failed, with how often each tier passed; the last line counts: `N passed, N failed, N skipped`. A static
 * check, a build and a test count as one each.
 */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {Listr} from 'listr2'
import {buildSteps} from '../src/lab/binaries.ts'
import {defaultKubernetes} from '../src/lab/plan.ts'
import {runSteps} from '../src/lab/steps.ts'
import {CiliumError} from '../src/runtime/errors.ts'
import type {Tally} from '../test/support/tally-reporter.ts'
import {checkGo, checkKernel, installPackages} from './machine.ts'

const total: Tally = {passed: 0, failed: 0, skipped: 0, failures: []}
const counted: string[] = []
const seconds = new Map<string, number>()
const scratch = mkdtempSync(join(tmpdir(), 'cilium-test-'))

const command =
  (file: string, ...args: string[]) =>
  async (): Promise<Tally> => {
    const done = await execa(file, args, {stdio: ['ignore', 'inherit', 'inherit'], reject: false})
    return done.exitCode === 0
      ? {passed: 1, failed: 0, skipped: 0, failures: []}
      : {passed: 0, failed: 1, skipped: 0, failures: [`${[file, ...args].join(' ')}: ${done.shortMessage ?? 'failed'}`]}
  }

const tier = (name: string) => async (): Promise<Tally> => {
  const file = join(scratch, name)
  const args = ['run', '--project', name, '--reporter=default', '--reporter=./test/support/tally-reporter.ts']
  const done = await execa('vitest', [...args, '--passWithNoTests'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {TALLY_FILE: file},
    reject: false,
    preferLocal: true,
  })
  const tally: Tally = {passed: 0, failed: 0, skipped: 0, failures: []}
  let lines: string[] = []
  try {
    lines = readFileSync(file, 'utf8').trim().split('\n')
  } catch {
    // the run died before its end, or the tier holds no test; only the first is a failure
  }
  for (const line of lines) {
    const counted = JSON.parse(line) as Tally
    tally.passed += counted.passed
    tally.failed += counted.failed
    tally.skipped += counted.skipped
    tally.failures.push(...counted.failures)
  }
  if (done.exitCode !== 0 && tally.failed === 0) {
    tally.failed = 1
    tally.failures.push(`${name}: vitest ended with ${done.exitCode ?? done.signal} before it told what failed`)
  }
  return tally
}

const check = (run: () => Promise<string>) => async (): Promise<Tally> => {
  process.stdout.write(`${await run()}\n`)
  return {passed: 1, failed: 0, skipped: 0, failures: []}
}

/** Tests wait for clusters, not for a compiler: everything that a lab may want is there before the first. */
async function buildKubernetes(): Promise<string> {
  const work = buildSteps({kubernetes: defaultKubernetes, kubeProxy: 'iptables'})
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  await runSteps(work, new AbortController().signal, {done: say, slow: {everyMs: 30_000, tell: say}})
  return `Kubernetes ${defaultKubernetes} is there`
}

const steps: readonly (readonly [name: string, run: () => Promise<Tally>])[] = [
  ['programs', check(() => installPackages((line) => process.stdout.write(`${line}\n`)))],
  ['machine', check(async () => `${await checkKernel()}, ${await checkGo()}`)],
  ['ebpf', command('npm', 'run', '-s', 'bpf')],
  ['lint', command('npm', 'run', '-s', 'lint')],
  ['unit', tier('unit')],
  ['stories', tier('stories')],
  ['cli', tier('cli')],
  ['ui', tier('ui')],
  ['bpf', tier('bpf')],
  ['kernel', tier('kernel')],
  ['image', command('npm', 'run', '-s', 'image')],
  ['kubernetes', check(buildKubernetes)],
  ['lab', tier('lab')],
  ['conformance', tier('conformance')],
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !steps.some(([step]) => step === name))
if (unknown.length > 0) {
  process.stderr.write(
    `error TEST_STEP_UNKNOWN  ${unknown.join(', ')}\n  try: one of ${steps.map(([name]) => name).join(' ')}\n`,
  )
  process.exit(2)
}

/** nothing can run on a machine that lacks this */
let lacking: CiliumError | undefined

/** What a step prints goes straight out, between the line that says it began and the one that says how it ended. */
const tasks = new Listr(
  steps
    .filter(([name]) => wanted.length === 0 || wanted.includes(name))
    .map(([name, run]) => ({
      title: name,
      skip: () => lacking !== undefined,
      task: async (_, task) => {
        const started = performance.now()
        let tally: Tally
        try {
          tally = await run()
        } catch (thrown) {
          lacking = CiliumError.from(thrown)
          tally = {passed: 0, failed: 1, skipped: 0, failures: [`${name}: ${lacking.message}`]}
        }
        seconds.set(name, Math.round((performance.now() - started) / 1000))
        total.passed += tally.passed
        total.failed += tally.failed
        total.skipped += tally.skipped
        total.failures.push(...tally.failures)
        const counts = `${name}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`
        counted.push(counts)
        if (tally.failed > 0) throw new Error(counts)
        task.title = counts
      },
    })),
  {exitOnError: false, fallbackRendererCondition: () => true, fallbackRenderer: 'simple'},
)
await tasks.run()
if (lacking !== undefined) {
  process.stderr.write(`error ${lacking.code}  ${lacking.message}\n  try: ${lacking.advice}\n`)
}
rmSync(scratch, {recursive: true, force: true})

process.stdout.write(`\n${counted.join('\n')}\n`)
for (const failure of total.failures) process.stdout.write(`failed: ${failure}\n`)
process.stdout.write(`\n${[...seconds].map(([name, spent]) => `${name} ${spent}s`).join(', ')}\n`)
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`)
process.exit(total.failed > 0 ? 1 : 0)
