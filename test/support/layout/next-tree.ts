/** This source tree once more, as its next version might be: struct flow has one field more, and the state a new number. */
import {cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {execa} from 'execa'

const root = resolve(import.meta.dirname, '../../..')
const copied = [
  'bin',
  'bpf',
  'docs',
  'manifests',
  'scripts',
  'src',
  'test',
  'package.json',
  'tsconfig.json',
  'biome.json',
]

/**
 * Makes the tree, with objects and codecs built.
 *
 * @param folder an empty one
 */
export async function makeNextTree(folder: string): Promise<string> {
  for (const name of copied) cpSync(join(root, name), join(folder, name), {recursive: true})
  for (const name of ['package-lock.json', 'LICENSE', 'oclif.manifest.json', '.node', '.clang-format'])
    cpSync(join(root, name), join(folder, name), {recursive: true, verbatimSymlinks: true})
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'dist'), {recursive: true})
  edit(
    folder,
    'bpf/abi/types.h',
    /#define STATE_LAYOUT (\d+)/,
    (_, number: string) => `#define STATE_LAYOUT ${Number(number) + 1}`,
  )
  // in the middle, so that all behind it moves
  edit(folder, 'bpf/abi/flow.h', /\n\t__u32 epoch;/, () => '\n\t__u64 tried_new_field;\n\t__u32 epoch;')
  for (const script of ['build-bpf.ts', 'generate-codecs.ts'])
    await execa('nice', ['-n', '10', process.execPath, join(folder, 'scripts', script)], {cwd: folder})
  return folder
}

function edit(folder: string, file: string, from: RegExp, to: (...match: string[]) => string): void {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  if (!from.test(text)) throw new Error(`${file} has no ${from}`)
  writeFileSync(path, text.replace(from, to))
}
