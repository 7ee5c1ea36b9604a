/** Runs the differential test of policies over a copy of the sources with one fault put in. */
import {execFile} from 'node:child_process'
import {cp, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join, resolve} from 'node:path'
import {promisify} from 'node:util'
import type {Mutant} from './policy.ts'

const root = resolve(import.meta.dirname, '../../..')
const copied = ['src/model', 'src/policy', 'test/support/policy-reference', 'test/support/seeded-random.ts']

export interface MutantOutcome {
  readonly found: boolean
  readonly verdicts: number
}

/** @throws Error when the fault does not fit the source any more */
export async function runPolicyMutant(
  mutant: Mutant,
  options: {seed: number; verdicts: number},
): Promise<MutantOutcome> {
  const directory = await mkdtemp(join(tmpdir(), 'cilium-mutant-'))
  try {
    for (const path of copied) {
      await mkdir(dirname(join(directory, path)), {recursive: true})
      await cp(join(root, path), join(directory, path), {recursive: true})
    }
    await writeFile(join(directory, 'package.json'), '{"type": "module"}')
    const target = join(directory, mutant.file)
    const source = await readFile(target, 'utf8')
    if (source.split(mutant.find).length !== 2) throw new Error(`${mutant.name}: not once in ${mutant.file}`)
    await writeFile(
      target,
      source.replace(mutant.find, () => mutant.replace),
    )
    const program = `
      import {compare} from ${JSON.stringify(join(directory, 'test/support/policy-reference/differential.ts'))}
      const {difference, verdicts} = compare(${JSON.stringify({...options, shrink: false})})
      console.log(JSON.stringify({found: difference !== undefined, verdicts}))`
    const {stdout} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    return JSON.parse(stdout)
  } finally {
    await rm(directory, {recursive: true, force: true})
  }
}
