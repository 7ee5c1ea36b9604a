/**
 * Runs every bench of this folder, or those named on the command line, and prints a table; with --json, JSON; with
 * --write, the sections of docs/benchmarks.md that these benches own are written anew and the others stay. Budgets are
 * printed beside the figures; nothing here fails because a machine is slow.
 */
import {readdirSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {grid} from '../../src/cli/render/grid.ts'
import {machine, writeSections} from '../support/benchmark-page.ts'
import type {BenchRow} from './rows.ts'

const folder = import.meta.dirname
const json = process.argv.includes('--json')
const write = process.argv.includes('--write')
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const benches = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !['run.ts', 'rows.ts', 'spread.ts'].includes(file))
  .map((file) => file.replace(/\.ts$/, ''))
  .filter((name) => wanted.length === 0 || wanted.includes(name))

const rows: ({bench: string} & BenchRow)[] = []
for (const bench of benches) {
  const module = (await import(pathToFileURL(join(folder, `${bench}.ts`)).href)) as {default: () => Promise<BenchRow[]>}
  for (const row of await module.default()) rows.push({bench, ...row})
}

if (json) {
  process.stdout.write(`${JSON.stringify({node: process.version, machine: machine(), rows}, null, 2)}\n`)
} else {
  const cells = rows.map((row) => [
    row.bench,
    row.name,
    format(row.median),
    `${format(row.min)}..${format(row.max)}`,
    row.unit,
    String(row.runs),
    row.note ?? '',
  ])
  const header = ['bench', 'what', 'median', 'spread', 'unit', 'runs', 'note']
  process.stdout.write(grid(header, cells, process.stdout.columns))
}
if (write) writeSections(new Map([...new Set(rows.map((row) => row.bench))].map((bench) => [bench, section(bench)])))

function section(bench: string): string {
  const lines = rows
    .filter((row) => row.bench === bench)
    .map(({name, median, min, max, unit, runs, note}) =>
      [name, `${format(median)} ${unit}`, `${format(min)}..${format(max)}`, runs, note ?? ''].join(' | '),
    )
  const head = `## ${bench}\n\n\`npm run bench -- ${bench}\`, on ${machine()}\n\n`
  return `${head}| what | median | spread | runs | note |\n|---|---|---|---|---|\n${lines.map((line) => `| ${line} |`).join('\n')}`
}

function format(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3)
}
