/**
 * Builds dist/image/cilium.tar: the one image that agent, operator, relay and test workloads run from.
 *
 *     our layer    /usr/lib/cilium (bundles, bpf/*.o), /opt/cni/bin, /usr/bin/cilium-agent, …      changes with the code
 *     node layer   /usr/bin/node                                                                   with Node
 *     base layer   Debian and tools                                                                with the package list
 *
 *     node scripts/build-image.ts --architecture arm64      into dist/arm64; the eBPF objects are the same
 *
 * Needs no docker; needs no network once the base is cached. The same inputs give the same bytes.
 */
import {mkdir, readFile, rename, writeFile} from 'node:fs/promises'
import {pathToFileURL} from 'node:url'
import {parseArgs} from 'node:util'
import {CiliumError} from '../src/runtime/errors.ts'
import {exitCodes} from '../src/runtime/exit-codes.ts'
import {buildBpf} from './build-bpf.ts'
import {buildBundle} from './build-bundle.ts'
import {buildCniShim} from './build-cni.ts'
import {type Architecture, architectures, hostArchitecture} from './image/architecture.ts'
import {baseLayer} from './image/base-layer.ts'
import {cachedLayer, compressLayer, type Layer} from './image/layer.ts'
import {debianMaterials, nodeMaterial, noticeText, npmMaterials, spdxDocument} from './image/materials.ts'
import {nodePackage} from './image/npm-package.ts'
import {writeImageArchive} from './image/oci.ts'
import {folderEntries, parentFolders, wrapper} from './image/our-layer.ts'
import {type TarEntry, writeTar} from './image/tar.ts'
import {toolScripts} from './image/tool-scripts.ts'
import {type Release, readRelease, repositoryRoot} from './release.ts'

/** Names on PATH in a container, and the bundled process each one starts. The agent's tools are called `cilium` there. */
const commands: Readonly<Record<string, string>> = {
  cilium: 'cilium-dbg',
  'cilium-dbg': 'cilium-dbg',
  hubble: 'hubble',
  'cilium-agent': 'cilium-agent',
  'cilium-operator': 'cilium-operator',
  'cilium-operator-generic': 'cilium-operator',
  'hubble-relay': 'hubble-relay',
  'hubble-ui': 'hubble-ui',
  'test-workload': 'test-workload',
}

/** Keeps a container of the test workload's kind running without doing anything; ends at once when asked to. */
const pauseScript = `#!/bin/sh
trap 'exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
`

export interface ImageOptions {
  readonly architecture: Architecture
  readonly release: Release
  /** gets bundle/, bpf/, cni/ and image/ */
  readonly dist: string
  readonly say: (line: string) => void
}

/**
 * Builds what the image is made of, and the image.
 *
 * @returns the archive and its digest
 */
export async function buildImage(options: ImageOptions): Promise<{readonly file: string; readonly digest: string}> {
  const {architecture, release, dist, say} = options
  const folder = `${dist}/image`
  await mkdir(folder, {recursive: true})

  await buildBpf({from: `${repositoryRoot}bpf`, to: `${dist}/bpf`})
  await buildCniShim(`${dist}/cni/cilium-cni`, architecture)
  const {processes, missing, inputs} = await buildBundle({architecture, release, outputFolder: `${dist}/bundle`})
  for (const name of missing) say(`skipped ${name}: its file in bin/ does not exist`)

  const base = await baseLayer(architecture, say)
  const materials = [
    ...npmMaterials(inputs),
    nodeMaterial(await nodePackage(architecture)),
    ...(await debianMaterials(base.file)),
  ]
  const bill = spdxDocument({version: release.version, architecture, created: release.epoch, materials})
  await writeFile(`${folder}/cilium.spdx.json`, bill)
  const documents = new Map([
    ['sbom.spdx.json', bill],
    ['NOTICE', noticeText(materials)],
    ['LICENSE', await readFile(`${repositoryRoot}LICENSE`, 'utf8')],
  ])
  const layers = [base, await nodeLayer(architecture), await ourLayer(processes, documents, options)]
  const file = `${folder}/cilium.tar`
  const unfinished = `${file}.${process.pid}`
  const {digest, size} = await writeImageArchive(unfinished, {
    architecture,
    name: 'cilium',
    tag: release.version,
    created: release.epoch,
    layers,
    environment: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'],
    command: ['/usr/bin/test-workload'],
    labels: {
      'org.opencontainers.image.title': 'cilium',
      'org.opencontainers.image.version': release.version,
      'org.opencontainers.image.revision': release.commit,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
  })
  await rename(unfinished, file)
  say(`${file}  cilium:${release.version}  ${Math.round(size / 1e6)} MB  ${digest}`)
  return {file, digest}
}

async function ourLayer(
  processes: readonly string[],
  documents: ReadonlyMap<string, string>,
  {dist, release}: ImageOptions,
): Promise<Layer> {
  const file = `${dist}/image/our-layer.tar`
  const shim = `${dist}/cni/cilium-cni`
  const files: TarEntry[] = [
    ...(await folderEntries(`${dist}/bundle`, 'usr/lib/cilium', (path) => !path.startsWith('maps'))),
    ...(await folderEntries(`${dist}/bpf`, 'usr/lib/cilium/bpf', (path) => path.endsWith('.o'))),
    // one program under two names: it does the loopback plugin's job when called so
    ...['cilium-cni', 'loopback'].map(
      (name): TarEntry => ({path: `opt/cni/bin/${name}`, kind: 'file', mode: 0o755, content: {file: shim}}),
    ),
    ...Object.entries(commands)
      .filter(([, bundled]) => processes.includes(bundled))
      .map(([name, bundled]) => wrapper(`usr/bin/${name}`, bundled)),
    ...toolScripts,
    ...[...documents].map(
      ([name, text]): TarEntry => ({
        path: `usr/share/doc/cilium/${name}`,
        kind: 'file',
        mode: 0o644,
        content: Buffer.from(text),
      }),
    ),
    {path: 'usr/bin/pause', kind: 'file', mode: 0o755, content: Buffer.from(pauseScript)},
  ]
  await writeTar(file, [...parentFolders(files), ...files], release.epoch)
  return compressLayer(file)
}

/** The official Node binary as the npm registry has it. */
async function nodeLayer(architecture: Architecture): Promise<Layer> {
  const folder = await nodePackage(architecture)
  const {version} = JSON.parse(await readFile(`${folder}/package.json`, 'utf8')) as {version: string}

  return cachedLayer(`node-${architecture}-${version}`, async (scratch) => {
    const file = `${scratch}/layer.tar`
    const files: TarEntry[] = [{path: 'usr/bin/node', kind: 'file', mode: 0o755, content: {file: `${folder}/bin/node`}}]
    await writeTar(file, [...parentFolders(files), ...files], 0)
    return compressLayer(file)
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const started = performance.now()
  try {
    const {values} = parseArgs({options: {architecture: {type: 'string', default: hostArchitecture()}}})
    const architecture = values.architecture as Architecture
    if (!(architecture in architectures))
      throw new Error(`--architecture is ${Object.keys(architectures).join(' or ')}`)
    await buildImage({
      architecture,
      release: readRelease(),
      dist: `${repositoryRoot}dist${architecture === hostArchitecture() ? '' : `/${architecture}`}`,
      say: (line) => console.log(line.replace(repositoryRoot, '')),
    })
    console.log(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    process.exitCode = exitCodes.failed
  }
}
