/**
 * Compiles eBPF C to objects that nodes load as they are: no compiler runs on a node.
 * `npm run bpf` builds bpf/*.c into dist/bpf/*.o; tests call buildBpf for their own programs.
 */
import {execFile, execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync} from 'node:fs'
import {basename, delimiter, dirname, join, relative, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'
import {CiliumError, declareErrors, fail} from '../src/runtime/errors.ts'
import {exitCodes} from '../src/runtime/exit-codes.ts'

const codes = declareErrors({
  BPF_COMPILER_MISSING: {
    what: '{tool} is not installed: eBPF programs cannot be compiled',
    advice: 'apt-get install clang llvm libbpf-dev linux-libc-dev',
  },
  BPF_COMPILE_FAILED: {what: '{source} does not compile:\n{detail}', advice: 'correct the program'},
})

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const run = promisify(execFile)
const newestCompiler = 22
const oldestCompiler = 14

export interface BpfBuild {
  /** folder with the *.c files, one object each */
  readonly from: string
  /** folder for the *.o files */
  readonly to: string
  /** include folders besides bpf/ */
  readonly include?: readonly string[]
  /** compile also what is up to date */
  readonly force?: boolean
}

export interface BpfObjectFile {
  readonly source: string
  readonly object: string
  /** false when it was up to date */
  readonly compiled: boolean
}

/**
 * Compiles every *.c of a folder, two at a time, skipping what is newer than its source and all files it includes.
 *
 * @throws BPF_COMPILER_MISSING, BPF_COMPILE_FAILED (with the compiler's own text)
 */
export async function buildBpf(build: BpfBuild): Promise<BpfObjectFile[]> {
  const sources = readdirSync(build.from)
    .filter((name) => name.endsWith('.c'))
    .sort()
    .map((name) => join(build.from, name))
  const objects: BpfObjectFile[] = new Array(sources.length)
  const queue = sources.entries()
  mkdirSync(join(build.to, '.dependencies'), {recursive: true})
  const worker = async () => {
    for (const [index, source] of queue) objects[index] = await compile(source, build)
  }
  await Promise.all([worker(), worker()])
  removeOrphans(build.to, objects)
  return objects
}

/** Objects whose source is gone would be loaded and shipped for ever. */
function removeOrphans(folder: string, objects: readonly BpfObjectFile[]): void {
  const wanted = new Set(objects.map(({object}) => basename(object)))
  for (const file of readdirSync(folder))
    if (file.endsWith('.o') && !wanted.has(file)) rmSync(join(folder, file), {force: true})
}

async function compile(source: string, build: BpfBuild): Promise<BpfObjectFile> {
  const object = join(build.to, `${basename(source, '.c')}.o`)
  const dependencies = join(build.to, '.dependencies', basename(source, '.c'))
  if (!build.force && isFresh(object, dependencies)) return {source, object, compiled: false}

  const clang = findTool('clang')
  const strip = findTool('llvm-strip')
  // a name of our own until it is whole: another process may build the same file at the same time
  const unfinished = `${dependencies}.${process.pid}`
  const include = [join(root, 'bpf'), ...(build.include ?? []), ...machineIncludes()]
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-std=gnu11', '-Wall', '-Werror', '-fno-ident']
  try {
    await run(clang, [
      ...flags,
      `-ffile-prefix-map=${root}=.`,
      ...include.flatMap((folder) => ['-I', folder]),
      ...['-MD', '-MT', 'object', '-MF', `${unfinished}.d`],
      ...['-c', source, '-o', unfinished],
    ])
    await run(strip, ['-g', unfinished])
    renameSync(`${unfinished}.d`, dependencies)
    renameSync(unfinished, object)
  } catch (thrown) {
    rmSync(unfinished, {force: true})
    rmSync(`${unfinished}.d`, {force: true})
    const detail = (thrown as {stderr?: string}).stderr || String(thrown)
    return fail(codes.BPF_COMPILE_FAILED, {source: relative(process.cwd(), source), detail}, {cause: thrown})
  }
  return {source, object, compiled: true}
}

function isFresh(object: string, dependencies: string): boolean {
  if (!existsSync(object) || !existsSync(dependencies)) return false
  const builtAt = statSync(object).mtimeMs
  const [, files = ''] = readFileSync(dependencies, 'utf8').split(/^object:/m)
  const inputs = [...files.replaceAll('\\\n', ' ').split(/\s+/).filter(Boolean), fileURLToPath(import.meta.url)]
  return inputs.every((file) => existsSync(file) && statSync(file).mtimeMs < builtAt)
}

/** The newest of clang, clang-22 … clang-14: the plain name first, for it is what the user chose. */
function findTool(tool: string): string {
  const versions = Array.from({length: newestCompiler - oldestCompiler + 1}, (_, i) => `${tool}-${newestCompiler - i}`)
  for (const name of [tool, ...versions])
    for (const folder of (process.env['PATH'] ?? '').split(delimiter))
      if (folder && existsSync(join(folder, name))) return join(folder, name)
  return fail(codes.BPF_COMPILER_MISSING, {tool})
}

/** <asm/types.h> lives in a folder per architecture that clang does not search for the bpf target. */
function machineIncludes(): string[] {
  const machine = {x64: 'x86_64', arm64: 'aarch64'}[process.arch as string] ?? process.arch
  const folder = `/usr/include/${machine}-linux-gnu`
  return existsSync(folder) ? [folder] : []
}

/** The compiler's version line, for records of how an object was made. */
export function compilerVersion(): string {
  return execFileSync(findTool('clang'), ['--version'], {encoding: 'utf8'}).split('\n')[0] ?? ''
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const objects = await buildBpf({
      from: join(root, 'bpf'),
      to: join(root, 'dist/bpf'),
      force: process.argv.includes('--force'),
    })
    for (const {object, compiled} of objects)
      console.log(`${compiled ? 'compiled  ' : 'up to date'} ${relative(root, object)} ${statSync(object).size} bytes`)
  } catch (thrown) {
    const error = CiliumError.from(thrown)
    console.error(`error ${error.code}  ${error.message}\n  try: ${error.advice}`)
    process.exitCode = exitCodes.failed
  }
}
