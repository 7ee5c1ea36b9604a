/** Kernels as Debian builds them: fetched once with apt, unpacked into a cache, never installed. */
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {homedir} from 'node:os'
import {basename, join} from 'node:path'
import {execa} from 'execa'
import {CiliumError, fail} from '../../src/runtime/errors.ts'
import {KERNEL_MODULE_MISSING, KERNEL_NOT_FETCHED} from './errors.ts'

export interface DebianKernel {
  readonly suite: string
  /** as uname says it */
  readonly release: string
  readonly image: string
  /** lib/modules/RELEASE */
  readonly modules: string
}

/** Debian's releases whose kernels are tried: the oldest that is promised, the next, the newest there is. */
export const suites = ['bookworm', 'trixie', 'sid'] as const
export type Suite = (typeof suites)[number]

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cilium-kernels')

/** The kernel of a suite, from the cache when it is there. @throws KERNEL_NOT_FETCHED */
export async function debianKernel(suite: Suite): Promise<DebianKernel> {
  const folder = join(cache, suite)
  if (!existsSync(folder)) await fetchKernel(suite, folder)
  const modulesRoot = ['usr/lib/modules', 'lib/modules'].map((path) => join(folder, path)).find(existsSync)
  const release = modulesRoot === undefined ? undefined : readdirSync(modulesRoot)[0]
  if (modulesRoot === undefined || release === undefined)
    return fail(KERNEL_NOT_FETCHED, {suite, detail: `${folder} has no modules`})
  const modules = join(modulesRoot, release)
  const image = [join(folder, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')].find(existsSync)
  if (image === undefined) return fail(KERNEL_NOT_FETCHED, {suite, detail: `${folder} has no vmlinuz`})
  return {suite, release, image, modules}
}

/** With lists of apt's own beside the machine's: what is installed here has nothing to do with it. */
async function fetchKernel(suite: Suite, folder: string): Promise<void> {
  const work = `${folder}.${process.pid}`
  const lists = join(work, 'apt')
  for (const path of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(lists, path), {recursive: true})
  writeFileSync(join(lists, 'sources.list'), `deb ${mirror()} ${suite} main\n`)
  const options = [
    `Dir::Etc::SourceList=${join(lists, 'sources.list')}`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${join(lists, 'lists')}`,
    `Dir::Cache=${join(lists, 'cache')}`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option])
  const apt = async (tool: string, ...words: string[]) =>
    (await execa(tool, [...options, ...words], {cwd: work, stdin: 'ignore'})).stdout
  try {
    await apt('apt-get', 'update', '-qq')
    const dependencies = async (name: string, wanted: RegExp) =>
      [...(await apt('apt-cache', 'depends', name)).matchAll(/^\s*Depends: (\S+)/gm)]
        .map(([, one]) => one!)
        .filter((one) => wanted.test(one))
    const [name] = await dependencies('linux-image-amd64', /^linux-image-\d/)
    if (name === undefined) throw new Error('linux-image-amd64 names no kernel')
    // from 7 on an image is split
    const parts = [name, ...(await dependencies(name, /^linux-(binary|modules)-/))]
    for (const part of parts) await apt('apt-get', 'download', part)
    for (const file of readdirSync(work).filter((one) => one.endsWith('.deb'))) {
      await execa('dpkg-deb', ['-x', file, 'root'], {cwd: work})
    }
    renameSync(join(work, 'root'), folder)
  } catch (thrown) {
    fail(KERNEL_NOT_FETCHED, {suite, detail: CiliumError.from(thrown).message.split('\n')[0]}, {cause: thrown})
  } finally {
    rmSync(work, {recursive: true, force: true})
  }
}

function mirror(): string {
  return process.env['DEBIAN_MIRROR'] ?? 'http://deb.debian.org/debian'
}

/**
 * Modules and what they need, in the order in which they can be loaded. What is built in is left out.
 *
 * @throws KERNEL_MODULE_MISSING
 */
export function modulesFor({release, modules}: DebianKernel, names: readonly string[]): ReadonlyMap<string, Buffer> {
  const files = new Map<string, string>()
  for (const path of readdirSync(modules, {recursive: true, encoding: 'utf8'})) {
    const name = /^(.*)\.ko(\.xz|\.zst)?$/.exec(basename(path))?.[1]
    if (name !== undefined) files.set(name.replaceAll('-', '_'), join(modules, path))
  }
  const builtin = existsSync(join(modules, 'modules.builtin'))
    ? readFileSync(join(modules, 'modules.builtin'), 'utf8')
    : ''
  const isBuiltIn = (name: string) => new RegExp(`/${name.replaceAll('_', '[-_]')}\\.ko$`, 'm').test(builtin)
  const found = new Map<string, Buffer>()
  const add = (name: string, needed: boolean) => {
    const key = name.replaceAll('-', '_')
    if (found.has(key) || isBuiltIn(key)) return
    const file = files.get(key)
    if (file === undefined)
      return needed && builtin !== '' ? fail(KERNEL_MODULE_MISSING, {release, module: name}) : undefined
    const bytes = file.endsWith('.ko') ? readFileSync(file) : execFileSync('xz', ['-dc', file], {maxBuffer: 1 << 28})
    const depends = /\0?depends=([^\0]*)\0/.exec(bytes.toString('latin1'))?.[1] ?? ''
    for (const other of depends.split(',').filter(Boolean)) add(other, true)
    found.set(key, bytes)
  }
  for (const name of names) add(name, true)
  return found
}
