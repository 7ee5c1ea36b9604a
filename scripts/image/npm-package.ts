/**
 * Packages of the npm registry that hold something built for one processor: Node itself, and koffi's native part. Those
 * of this machine's are where `npm ci` and scripts/prepare put them; others are fetched once, beside the cached layers.
 */
import {existsSync, readFileSync} from 'node:fs'
import {mkdir, rename, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {extract} from 'tar'
import {CiliumError, fail} from '../../src/runtime/errors.ts'
import {repositoryRoot} from '../release.ts'
import {type Architecture, architectures, hostArchitecture} from './architecture.ts'
import {IMAGE_PACKAGE_CHANGED, IMAGE_PACKAGE_NOT_FETCHED, IMAGE_TOOL_MISSING} from './errors.ts'
import {cacheFolder} from './layer.ts'

/** Folder of the package that holds Node. @throws IMAGE_PACKAGE_NOT_FETCHED */
export async function nodePackage(architecture: Architecture): Promise<string> {
  const {name, version, integrity} = architectures[architecture].node
  return await builtPackage(architecture, name, version, integrity)
}

/** Folder of the package that holds koffi's native part, in the version that is installed. */
export async function koffiPackage(architecture: Architecture): Promise<string> {
  const name = architectures[architecture].koffiPackage
  const lock = JSON.parse(readFileSync(`${repositoryRoot}package-lock.json`, 'utf8')) as {
    packages: Readonly<Record<string, {version: string; integrity?: string} | undefined>>
  }
  const locked = lock.packages[`node_modules/${name}`]
  const {version} = JSON.parse(readFileSync(`${repositoryRoot}node_modules/koffi/package.json`, 'utf8')) as {
    version: string
  }
  return await builtPackage(architecture, name, version, locked?.version === version ? locked.integrity : undefined)
}

async function builtPackage(
  architecture: Architecture,
  name: string,
  version: string,
  integrity: string | undefined,
): Promise<string> {
  const installed =
    architecture === hostArchitecture()
      ? [`${repositoryRoot}.node/node_modules/${name}`, `${repositoryRoot}node_modules/${name}`]
      : []
  const folder = join(cacheFolder, `npm-${name.replace('/', '-')}-${version}`)
  const kept = `${folder}/node_modules/${name}`
  const found = [...installed, kept].find((one) => existsSync(`${one}/package.json`))
  if (found !== undefined) return found
  await fetchPackage(`${name}@${version}`, integrity, folder, name)
  return kept
}

/** The folder gets its name when all of the package is in it. */
async function fetchPackage(
  wanted: string,
  integrity: string | undefined,
  folder: string,
  name: string,
): Promise<void> {
  const scratch = `${folder}.${process.pid}`
  const into = `${scratch}/node_modules/${name}`
  try {
    await mkdir(into, {recursive: true})
    const packed = await pack(wanted, scratch)
    if (integrity !== undefined && packed.integrity !== integrity)
      fail(IMAGE_PACKAGE_CHANGED, {name: wanted, expected: integrity, found: packed.integrity})
    await extract({file: `${scratch}/${packed.filename}`, cwd: into, strip: 1, strict: true})
    await rm(`${scratch}/${packed.filename}`)
    await rm(folder, {recursive: true, force: true})
    await rename(scratch, folder)
  } finally {
    await rm(scratch, {recursive: true, force: true})
  }
}

/** npm's own client: it knows the registry and its rights, and compares what it gets with what that says of it. */
async function pack(wanted: string, to: string): Promise<{readonly filename: string; readonly integrity: string}> {
  try {
    const {stdout} = await execa('npm', ['pack', wanted, '--json', '--loglevel=error', `--pack-destination=${to}`], {
      stdin: 'ignore',
    })
    const [first] = JSON.parse(stdout) as {filename: string; integrity: string}[]
    return {filename: first!.filename.replace(/^@/, '').replace('/', '-'), integrity: first!.integrity}
  } catch (thrown) {
    const {code, stderr} = thrown as {code?: string; stderr?: string}
    if (code === 'ENOENT') fail(IMAGE_TOOL_MISSING, {tool: 'npm', debianPackage: 'npm'})
    const line = (stderr ?? '').split('\n').find((one) => one.startsWith('npm error '))
    return fail(
      IMAGE_PACKAGE_NOT_FETCHED,
      {name: wanted, detail: line?.slice('npm error '.length) ?? CiliumError.from(thrown).message.split('\n')[0]},
      {cause: thrown},
    )
  }
}
