/**
 * Tries the programs and the agent on the kernels of Debian's releases, each in an emulator: every object with every
 * extreme of its configuration, the packet tests, and two nodes whose pods talk. Writes docs/reference/kernels.md.
 *
 *     node scripts/test-kernels.ts [--suite bookworm] [--only verifier,packets,nodes] [--verbose]
 *
 * Needs qemu-system-x86, busybox-static, cpio and, the first time, a Debian mirror. Without virtualisation of the
 * processor an hour for all.
 */
import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {parseArgs} from 'node:util'
import {CiliumError, declareErrors, fail} from '../src/runtime/errors.ts'
import {exitCodes} from '../src/runtime/exit-codes.ts'
import {buildBpf} from './build-bpf.ts'
import {buildCniShim} from './build-cni.ts'
import {type DebianKernel, debianKernel, type Suite, suites} from './kernels/debian-kernel.ts'
import {runInGuest} from './kernels/guest.ts'
import {type KernelReport, kernelsPage, type ProgramReport} from './kernels/page.ts'

const codes = declareErrors({
  KERNEL_TESTS_FAILED: {what: 'on {release}: {what}', advice: 'see the lines above; --verbose shows all of them'},
})

const root = resolve(import.meta.dirname, '..')
const page = join(root, 'docs/reference/kernels.md')
const results = join(root, 'scripts/kernels/results.json')
const hourMs = 3_600_000

/** Tests of packets that would take an emulator hours, or that another stage does better. */
const leftOut = [
  'generation',
  'layout-change',
  'malformed',
  'masquerade-load',
  'policy-differential',
  'stack',
  'support',
  'verifier',
]
/** One process for all files, for the start of each costs a minute there. */
const vitest = (project: string, ...words: string[]) =>
  ['node', 'node_modules/vitest/vitest.mjs', 'run', '--project', project, '--no-isolate', ...words].join(' ')

/** What is run in the guest, in order of how much it says. */
const stages = {
  verifier: 'node test/support/verifier/guest-program.ts',
  packets: vitest('bpf', ...leftOut.map((name) => `--exclude '**/bpf/${name}.test.ts'`)),
  nodes: vitest('kernel', 'test/kernel/agent/two-nodes.test.ts'),
} as const
type Stage = keyof typeof stages

const environment = {HOME: '/tmp', NO_COLOR: '1', NODE_NO_WARNINGS: '1', CI: '1', TEST_PATIENCE: '20'}

async function tryKernel(kernel: DebianKernel, wanted: readonly Stage[], verbose: boolean): Promise<KernelReport> {
  const programs: ProgramReport[] = []
  const passed: Partial<Record<Stage, boolean>> = {}
  const tests: Partial<Record<Stage, number>> = {}
  let missing: readonly string[] | undefined
  for (const stage of wanted) {
    console.log(`${kernel.release}: ${stage}`)
    const said: string[] = []
    const code = await runInGuest({
      kernel,
      folder: root,
      script: stages[stage],
      environment: {...environment, PATH: process.env['PATH'] ?? ''},
      timeoutMs: hourMs,
      onLine: (line) => {
        said.push(line)
        if (verbose) console.log(`  ${line}`)
        const count = /\bTests +(?:.*\| )?(\d+) passed/.exec(line)?.[1]
        if (count !== undefined) tests[stage] = Number(count)
        // messages of the kernel and codes for the screen may stand before it on the console
        const text = /result (\{.*\})$/.exec(line.trim())?.[1]
        if (text === undefined) return
        const one = JSON.parse(text) as ProgramReport & {kernel?: string; missing?: readonly string[]}
        if (one.kernel !== undefined) missing = one.missing ?? []
        else programs.push(one)
      },
    })
    passed[stage] = code === 0
    if (code !== 0) {
      if (!verbose) console.log(said.slice(-60).join('\n'))
      fail(codes.KERNEL_TESTS_FAILED, {release: kernel.release, what: `${stage} ended with ${code}`})
    }
  }
  if (wanted.includes('verifier') && missing === undefined)
    fail(codes.KERNEL_TESTS_FAILED, {release: kernel.release, what: 'nothing was said of its features'})
  return {suite: kernel.suite, release: kernel.release, programs, missing: missing ?? [], passed, tests}
}

async function main(): Promise<void> {
  const {values} = parseArgs({
    options: {
      suite: {type: 'string', multiple: true},
      only: {type: 'string'},
      verbose: {type: 'boolean', default: false},
    },
  })
  const wanted = (values.only?.split(',') ?? Object.keys(stages)) as Stage[]
  await buildBpf({from: join(root, 'bpf'), to: join(root, 'dist/bpf')})
  await buildBpf({from: join(root, 'test/bpf/programs'), to: join(root, 'dist/test/datapath')})
  await buildCniShim(join(root, 'dist/cni/cilium-cni'))
  const known = existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as KernelReport[]) : []
  for (const suite of (values.suite as Suite[] | undefined) ?? suites) {
    const report = await tryKernel(await debianKernel(suite), wanted, values.verbose)
    const before = known.find((one) => one.suite === suite && one.release === report.release)
    const merged: KernelReport = {
      ...report,
      programs: report.programs.length > 0 ? report.programs : (before?.programs ?? []),
      missing: wanted.includes('verifier') ? report.missing : (before?.missing ?? []),
      passed: {...before?.passed, ...report.passed},
      tests: {...before?.tests, ...report.tests},
    }
    known.splice(0, known.length, ...known.filter((one) => one.suite !== suite), merged)
    known.sort((a, b) => suites.indexOf(a.suite as Suite) - suites.indexOf(b.suite as Suite))
    writeFileSync(results, `${JSON.stringify(known, null, 1)}\n`)
    writeFileSync(page, kernelsPage(known))
  }
}

try {
  await main()
} catch (thrown) {
  const {code, message, advice} = CiliumError.from(thrown)
  console.error(`error ${code}  ${message}\n  try: ${advice}`)
  process.exitCode = exitCodes.failed
}
