/** This source tree once more, as its next version might be: struct flow has one field more, and the state a new number. */
import {cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
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

/** A file on a node that says at which step: it ends there once. */
export const failpointFile = '/var/run/cilium/failpoint'

/**
 * Makes the tree, with objects and codecs built.
 *
 * @param folder an empty one
 */
export async function makeNextTree(folder: string): Promise<string> {
  copyTree(folder)
  edit(
    folder,
    'bpf/abi/types.h',
    /#define STATE_LAYOUT (\d+)/,
    (_, number: string) => `#define STATE_LAYOUT ${Number(number) + 1}`,
  )
  // in the middle, so that all behind it moves
  edit(folder, 'bpf/abi/flow.h', /\n\t__u32 epoch;/, () => '\n\t__u64 tried_new_field;\n\t__u32 epoch;')
  setVersion(folder, '0.2.0')
  addFailpoints(folder)
  for (const script of ['build-bpf.ts', 'generate-codecs.ts'])
    await execa('nice', ['-n', '10', process.execPath, join(folder, 'scripts', script)], {cwd: folder})
  return folder
}

/** Makes a tree whose programs for pods drop everything. Its agents must not put them on any hook. */
export async function makeBrokenTree(folder: string): Promise<string> {
  copyTree(folder)
  edit(
    folder,
    'bpf/pod.c',
    /(int cil_from_container\(struct __sk_buff \*\w+\)\n\{)/,
    (head) => `${head}\n\tif (cfg.generation)\n\t\treturn TC_ACT_SHOT;`,
  )
  setVersion(folder, '0.3.0')
  takeObjects(folder, 'pod')
  return folder
}

/** Builds the image of a tree. @returns the archive */
export async function makeImage(tree: string): Promise<string> {
  const env = {SOURCE_DATE_EPOCH: '1700000000'}
  await execa('nice', ['-n', '10', process.execPath, join(tree, 'scripts/build-image.ts')], {cwd: tree, env})
  return join(tree, 'dist/image/cilium.tar')
}

function setVersion(folder: string, version: string): void {
  edit(folder, 'package.json', /"version": "[^"]+"/, () => `"version": "${version}"`)
  edit(folder, 'manifests/chart/Chart.yaml', /^version: .*$/m, () => `version: ${version}`)
  edit(folder, 'manifests/chart/Chart.yaml', /^appVersion: .*$/m, () => `appVersion: ${version}`)
}

/** The process goes at once, as with a crash; a signal would not end the first process of a container. */
function addFailpoints(folder: string): void {
  const file = 'src/agent/node/open-datapath.ts'
  edit(folder, file, / {4}objects: objectsFolder\(\),\n/, (line) => `${line}    onStep: endAt,\n`)
  edit(
    folder,
    file,
    /$(?![\s\S])/,
    () => `
/** For tests. */
export function endAt(step: string): void {
  if (!existsSync('${failpointFile}') || readFileSync('${failpointFile}', 'utf8').trim() !== step) return
  rmSync('${failpointFile}')
  ;(process as unknown as {reallyExit(code: number): never}).reallyExit(86)
}
`,
  )
  const hooks = 'src/agent/reconcile/loaded-datapath.ts'
  edit(
    folder,
    hooks,
    /attachPod: \(ifindex\) => (attach\(.*\)),\n/,
    (_, attach: string) => `attachPod: (ifindex) => {\n      ${attach}\n      endAt('between-hooks')\n    },\n`,
  )
  edit(folder, hooks, /\nconst noAddress/, (line) => `\nimport {endAt} from '../node/open-datapath.ts'\n${line}`)
  edit(
    folder,
    file,
    /import \{existsSync\} from 'node:fs'/,
    () => "import {existsSync, readFileSync, rmSync} from 'node:fs'",
  )
}

function copyTree(folder: string): void {
  for (const name of copied) cpSync(join(root, name), join(folder, name), {recursive: true})
  for (const name of ['package-lock.json', 'LICENSE', 'oclif.manifest.json', '.node', '.clang-format'])
    cpSync(join(root, name), join(folder, name), {recursive: true, verbatimSymlinks: true})
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'dist'), {recursive: true})
}

/** Objects that are built already, as new as the tree, but for the one whose source differs. */
function takeObjects(folder: string, but: string): void {
  const built = join(root, 'dist/bpf')
  if (!existsSync(built)) return
  cpSync(built, join(folder, 'dist/bpf'), {recursive: true})
  rmSync(join(folder, 'dist/bpf', `${but}.o`), {force: true})
}

function edit(folder: string, file: string, from: RegExp, to: (...match: string[]) => string): void {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  if (!from.test(text)) throw new Error(`${file} has no ${from}`)
  writeFileSync(path, text.replace(from, to))
}
