/**
 * How a command line program of a checkout starts: under Node 24, from the TypeScript sources. Plain JavaScript that
 * old Node versions can read, so that they get an answer too.
 */
import {spawn} from 'node:child_process'
import {existsSync, readdirSync} from 'node:fs'
import nodeModule from 'node:module'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const neededMajor = 24

/** @param {'cilium' | 'hubble' | 'cilium-dbg'} program whose commands to offer */
export async function start(program) {
  if (Number(process.versions.node.split('.')[0]) < neededMajor) return startUnderNewerNode()
  nodeModule.enableCompileCache?.()
  const {runProgram} = await import('../src/cli/program.ts')
  const {sourceTree} = await import('../src/cli/source-tree.ts')
  await runProgram(program, sourceTree(root))
}

/** Runs this same command line under the Node that the project brings along, or says how to get it. */
function startUnderNewerNode() {
  const packages = join(root, '.node/node_modules')
  const name = existsSync(packages) ? readdirSync(packages).find((entry) => entry.startsWith('node-linux-')) : undefined
  const node = name === undefined ? undefined : join(packages, name, 'bin/node')
  if (node === undefined || !existsSync(node)) {
    console.error(
      `this program needs Node ${neededMajor} or newer and found ${process.version}: ` +
        `run "npm install --prefix ${join(root, '.node')} node-linux-${process.arch}@${neededMajor}" once, then try again`,
    )
    process.exitCode = 1
    return
  }
  const child = spawn(node, process.argv.slice(1), {stdio: 'inherit'})
  // The terminal sends Ctrl-C to both of us; the child decides what it means.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGTERM' ? 15 : 9) : code
  })
}
