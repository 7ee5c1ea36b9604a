/** Start-up of the command line against a bare oclif program in the same run. Budget: 1.5 times the bare one. */
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {BenchRow} from './rows.ts'

const root = join(import.meta.dirname, '../..')
const rounds = 15
const budget = 1.5

/** A program with one command, started as oclif's own template does. */
function makeBareProgram(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cilium-bench-oclif-'))
  mkdirSync(join(folder, 'commands'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({name: 'bare', version: '1.0.0', type: 'module', oclif: {bin: 'bare', commands: './commands'}}),
  )
  writeFileSync(
    join(folder, 'commands/hello.js'),
    "import {Command} from '@oclif/core'\nexport default class Hello extends Command {\n  static summary = 'says hello'\n  async run() {}\n}\n",
  )
  writeFileSync(
    join(folder, 'run.js'),
    "import module from 'node:module'\nmodule.enableCompileCache()\nconst {execute} = await import('@oclif/core')\nawait execute({dir: import.meta.url})\n",
  )
  return folder
}

export default async function benchCli(): Promise<BenchRow[]> {
  const bare = makeBareProgram()
  try {
    const bundled = join(root, 'dist/bundle')
    const programs: (readonly [string, readonly string[]])[] = [
      ['node alone', ['--eval', '0']],
      ['bare oclif --help', [join(bare, 'run.js'), '--help']],
      ['cilium --help', [join(root, 'bin/cilium.js'), '--help']],
      ['hubble --version', [join(root, 'bin/hubble.js'), '--version']],
      ['cilium status --help', [join(root, 'bin/cilium.js'), 'status', '--help']],
      ...(existsSync(join(bundled, 'cilium.js'))
        ? [
            ['bundled cilium --help', [join(bundled, 'cilium.js'), '--help']] as const,
            ['bundled hubble --version', [join(bundled, 'hubble.js'), '--version']] as const,
          ]
        : []),
    ]
    const times = new Map(programs.map(([name]) => [name, [] as number[]]))
    // the first round fills the compile cache; all programs take turns, so that a busy moment meets all of them
    for (let round = 0; round <= rounds; round++) {
      for (const [name, args] of programs) {
        const started = performance.now()
        execFileSync(process.execPath, [...args], {stdio: 'ignore'})
        if (round > 0) times.get(name)!.push(performance.now() - started)
      }
    }
    const bareMedian = median(times.get('bare oclif --help')!)
    return programs.map(([name]) => {
      const all = times.get(name)!
      const ratio = median(all) / bareMedian
      const isOurs = !name.startsWith('node') && !name.startsWith('bare')
      const note = `${ratio.toFixed(2)} x bare oclif${isOurs ? `, budget ${budget}` : ''}`
      return {name, unit: 'ms', median: median(all), min: Math.min(...all), max: Math.max(...all), runs: rounds, note}
    })
  } finally {
    rmSync(bare, {recursive: true, force: true})
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
