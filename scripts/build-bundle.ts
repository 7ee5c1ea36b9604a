/**
 * Bundles each process into dist/bundle: `node dist/bundle/cilium-agent.js` needs nothing else of this repository.
 *
 *     dist/bundle/<process>.js      one file per long-running process
 *                 hubble-ui-page/   what hubble-ui shows in browsers
 *                 cilium.js, …      the command line tools; commands and what they share load lazily from chunks/
 *                 node_modules/     koffi with the one native file of the target architecture
 *                 maps/             source maps, kept out of the image
 *
 * The same inputs give the same bytes.
 */
import {existsSync} from 'node:fs'
import {cp, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {relative} from 'node:path'
import {pathToFileURL} from 'node:url'
import {type BuildFailure, type BuildOptions, build, type Plugin} from 'esbuild'
import {CiliumError, fail} from '../src/runtime/errors.ts'
import {exitCodes} from '../src/runtime/exit-codes.ts'
import {buildPage} from './build-page.ts'
import {type Architecture, architectures, hostArchitecture} from './image/architecture.ts'
import {BUILD_STEP_FAILED} from './image/errors.ts'
import {koffiPackage} from './image/npm-package.ts'
import {type Release, readRelease, repositoryRoot} from './release.ts'

/** The command line tools share one tree of commands; every other process of bin/ is a program of its own. */
const commandLineTools = new Set(['cilium', 'cilium-dbg', 'hubble'])

/** Worker threads by their process: files of their own, beside it. */
const threads: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'cilium-agent': {'hubble-worker': 'src/hubble/server/worker.ts'},
}

export interface BundleOptions {
  readonly architecture: Architecture
  readonly release: Release
  readonly outputFolder: string
}

export interface BundleResult {
  /** names of the bundled processes, sorted: `cilium-agent`, … */
  readonly processes: readonly string[]
  /** processes that package.json names and bin/ does not hold */
  readonly missing: readonly string[]
  /** files that went into it, relative to the repository, sorted */
  readonly inputs: readonly string[]
}

/** Writes the bundle. The old one is replaced only when the new one is complete. */
export async function buildBundle({architecture, release, outputFolder}: BundleOptions): Promise<BundleResult> {
  const scratch = `${outputFolder}.${process.pid}`
  await rm(scratch, {recursive: true, force: true})
  await mkdir(scratch, {recursive: true})

  const {bin} = JSON.parse(await readFile(`${repositoryRoot}package.json`, 'utf8')) as {bin: Record<string, string>}
  const names = Object.keys(bin).sort()
  const processes = names.filter((name) => existsSync(`${repositoryRoot}${bin[name]}`))

  const inputs = new Set<string>()
  const note = (files: readonly string[]) => {
    for (const file of files) inputs.add(file)
  }
  for (const name of processes.filter((name) => !commandLineTools.has(name))) {
    note(await bundle({...settings(release, scratch), entryPoints: {[name]: bin[name]!, ...(threads[name] ?? {})}}))
  }
  note(
    await bundleTools(
      processes.filter((name) => commandLineTools.has(name)),
      release,
      scratch,
    ),
  )
  note(await buildPage(`${scratch}/hubble-ui-page`))
  note(await copyKoffi(architecture, scratch))
  await separateMaps(scratch)
  await writeFile(
    `${scratch}/package.json`,
    `${JSON.stringify({name: 'cilium', version: release.version, type: 'module'})}\n`,
  )

  await rm(outputFolder, {recursive: true, force: true})
  await rename(scratch, outputFolder)
  return {processes, missing: names.filter((name) => !processes.includes(name)), inputs: [...inputs].sort()}
}

/** @returns the files that were read, relative to the repository */
async function bundle(options: BuildOptions): Promise<string[]> {
  try {
    const {metafile} = await build({...options, metafile: true})
    return Object.keys(metafile.inputs)
  } catch (thrown) {
    const [first] = (thrown as BuildFailure).errors ?? []
    if (first === undefined) throw thrown
    const place = first.location === null ? '' : `${first.location.file}:${first.location.line}: `
    fail(
      BUILD_STEP_FAILED,
      {step: 'bundling', detail: `${place}${first.text}`, command: 'npm run bundle'},
      {cause: thrown},
    )
  }
}

function settings({commit}: Release, outdir: string): BuildOptions {
  return {
    absWorkingDir: repositoryRoot,
    outdir,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['koffi', 'typescript'], // oclif asks for TypeScript in source checkouts only
    sourcemap: 'external',
    minifySyntax: true,
    minifyWhitespace: true, // names stay: a stack trace from a cluster must be readable
    legalComments: 'none',
    logLevel: 'silent', // failures are thrown and shown once
    define: {CILIUM_GIT_COMMIT: JSON.stringify(commit)},
    // CommonJS dependencies inside an ES module still ask for these three
    banner: {
      js: [
        `import {createRequire as __cr} from 'node:module';import {dirname as __dn} from 'node:path';`,
        `import {fileURLToPath as __fp} from 'node:url';`,
        `const require=__cr(import.meta.url),__filename=__fp(import.meta.url),__dirname=__dn(__filename);`,
      ].join(''),
    },
  }
}

/** A checkout finds commands as files; a bundle has none, so its programs get an explicit map, loaded one by one. */
async function bundleTools(tools: readonly string[], release: Release, outdir: string): Promise<string[]> {
  if (tools.length === 0) return []
  const manifest = await readFile(`${repositoryRoot}oclif.manifest.json`, 'utf8')
  const files = (await readdir(`${repositoryRoot}src/commands`, {recursive: true}))
    .filter((file) => file.endsWith('.ts'))
    .sort()
  const commandSource = [
    `const loaders = {`,
    ...files.map((file) => `  ${JSON.stringify(commandId(file))}: () => import('./src/commands/${file}'),`),
    `}`,
    `export const commandSource = {`,
    `  manifest: JSON.parse(${JSON.stringify(JSON.stringify(JSON.parse(manifest)))}),`,
    `  root: import.meta.dirname,`,
    `  load: async (id) => (Object.hasOwn(loaders, id) ? (await loaders[id]()).default : undefined),`,
    `}`,
  ]
  const entry = (name: string) => [
    `import nodeModule from 'node:module'`,
    `import {runProgram} from './src/cli/program.ts'`,
    `import {commandSource} from 'bundle:command-source'`,
    `nodeModule.enableCompileCache?.()`,
    `await runProgram(${JSON.stringify(name)}, commandSource)`,
  ]

  return await bundle({
    ...settings(release, outdir),
    entryPoints: Object.fromEntries(tools.map((name) => [name, `bundle:${name}`])),
    plugins: [
      inlineModules({
        'bundle:command-source': commandSource.join('\n'),
        ...Object.fromEntries(tools.map((name) => [`bundle:${name}`, entry(name).join('\n')])),
      }),
    ],
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  })
}

/** `connectivity/test.ts` is the command `connectivity:test`, `config/index.ts` is `config`. */
function commandId(file: string): string {
  const id = file.slice(0, -'.ts'.length).replaceAll('/', ':')
  return id.endsWith(':index') ? id.slice(0, -':index'.length) : id
}

/** Modules whose text is made here, resolved as if they lay in the repository's root. */
function inlineModules(texts: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'inline-modules',
    setup({onResolve, onLoad}) {
      onResolve({filter: /^bundle:/}, ({path}) => ({path, namespace: 'inline'}))
      onLoad({filter: /.*/, namespace: 'inline'}, ({path}) => ({
        contents: texts[path]!,
        loader: 'js',
        resolveDir: repositoryRoot,
      }))
    },
  }
}

/** koffi stays a package: it looks for its native file beside itself. Everything but that file is dropped. */
async function copyKoffi(architecture: Architecture, outdir: string): Promise<string[]> {
  const {koffiPackage: name, koffiFolder} = architectures[architecture]
  const from = `${repositoryRoot}node_modules/`
  const to = `${outdir}/node_modules/`
  const native = await koffiPackage(architecture)

  for (const file of ['package.json', 'LICENSE.txt', 'index.js', 'src/koffi/index.js', 'src/koffi/src/static.js']) {
    await cp(`${from}koffi/${file}`, `${to}koffi/${file}`)
  }
  for (const file of ['package.json', 'index.js', `${koffiFolder}/koffi.node`]) {
    await cp(`${native}/${file}`, `${to}${name}/${file}`)
  }
  return ['node_modules/koffi/package.json', `${relative(repositoryRoot, native)}/package.json`]
}

async function separateMaps(outdir: string): Promise<void> {
  for (const file of await readdir(outdir, {recursive: true})) {
    if (!file.endsWith('.js.map')) continue
    const target = `${outdir}/maps/${file}`
    await mkdir(target.slice(0, target.lastIndexOf('/')), {recursive: true})
    await rename(`${outdir}/${file}`, target)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const started = performance.now()
  try {
    const {processes, missing} = await buildBundle({
      architecture: hostArchitecture(),
      release: readRelease(),
      outputFolder: `${repositoryRoot}dist/bundle`,
    })
    for (const name of missing) console.log(`skipped ${name}: its file in bin/ does not exist`)
    console.log(`bundled ${processes.join(', ')} into dist/bundle in ${Math.round(performance.now() - started)} ms`)
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    process.exitCode = exitCodes.failed
  }
}
