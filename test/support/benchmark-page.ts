/** docs/benchmarks.md: a section is all from one `## NAME` to the next; the text before the first is kept as it is. */
import {readFileSync, writeFileSync} from 'node:fs'
import {cpus, release, totalmem} from 'node:os'
import {join} from 'node:path'

const file = join(import.meta.dirname, '../../docs/benchmarks.md')

/** Writes these sections anew, by name; others stay. @param sections each with its heading */
export function writeSections(sections: ReadonlyMap<string, string>): void {
  const [head = '', ...old] = readFileSync(file, 'utf8').split(/^(?=## )/m)
  const all = new Map(old.map((text) => [/^## (.*)$/m.exec(text)?.[1] ?? '', text.trimEnd()]))
  for (const [name, text] of sections) all.set(name, text)
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text)
  writeFileSync(file, `${[head.trimEnd(), ...sorted].join('\n\n')}\n`)
}

export function machine(): string {
  const [cpu] = cpus()
  return `${cpus().length} processors (${cpu?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`
}
