/** All static checks, each as one line; the output of those that fail follows. Exit 1 when one failed. */
import {existsSync} from 'node:fs'
import {execa} from 'execa'
import {Listr} from 'listr2'

const checks: readonly (readonly [title: string, command: string, ...args: string[]])[] = [
  ['types', 'node', 'node_modules/typescript-native/bin/tsc', '--noEmit'],
  ['types of the page', 'node', 'node_modules/typescript-native/bin/tsc', '--noEmit', '-p', 'src/hubble/ui/page'],
  ['format and rules (TypeScript)', 'biome', 'check', '--error-on-warnings', '.'],
  ['format (C)', 'node', 'scripts/format-c.ts'],
  ['import rules', 'depcruise', 'src', '--config'],
  ['unused code', 'knip'],
  ['lockfile', 'node', 'scripts/lockfile.ts'],
  ...(existsSync('scripts/lint-chart.ts') ? ([['chart', 'node', 'scripts/lint-chart.ts']] as const) : []),
]

const tasks = new Listr(
  checks.map(([title, command, ...args]) => ({
    title,
    task: async () => {
      const done = await execa(command, args, {reject: false, all: true, preferLocal: true, env: {NO_COLOR: '1'}})
      if (done.exitCode !== 0) throw new Error(`${title}\n${done.all}`)
    },
  })),
  {concurrent: 2, exitOnError: false, collectErrors: true, fallbackRendererCondition: () => !process.stdout.isTTY},
)
await tasks.run()
const errors = tasks.errors ?? []
for (const error of errors) process.stderr.write(`\n${error.message}\n`)
process.exit(errors.length > 0 ? 1 : 0)
