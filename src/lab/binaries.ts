/** Kubernetes, CoreDNS and the pause program: built once per version, then found in the cache. */
import {existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {basename, join} from 'node:path'
import {fail, hasCode} from '../runtime/errors.ts'
import {LAB_BUILD_FAILED, LAB_BUSY, LAB_PREREQUISITE} from './errors.ts'
import {corednsModule, corednsVersion, kubernetesModule} from './go-module.ts'
import {takeLock} from './lock.ts'
import {cacheFolder} from './paths.ts'
import type {KubeProxyMode} from './plan.ts'
import type {Step} from './steps.ts'
import {runTool, tail, tryTool} from './tool.ts'
import {waitFor} from './wait.ts'

export interface BinaryChoice {
  readonly kubernetes: string
  readonly binDir?: string
  readonly kubeProxy: KubeProxyMode
}

type Build = (say: (text: string) => void, signal: AbortSignal) => Promise<void>

/** longer than any build */
const hourMs = 3_600_000

const kubernetesCommands = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
] as const

/** The folder with the binaries of this choice. CoreDNS and pause may come from the cache beside a given folder. */
export function binariesFolder(choice: BinaryChoice): string {
  return choice.binDir ?? join(cacheFolder(), choice.kubernetes, 'bin')
}

export function corednsBinary(choice: BinaryChoice): string {
  const given = choice.binDir === undefined ? undefined : join(choice.binDir, 'coredns')
  return given !== undefined && existsSync(given) ? given : join(cacheFolder(), `coredns-${corednsVersion}`, 'coredns')
}

export function pauseBinary(): string {
  return join(cacheFolder(), 'pause-1', 'pause')
}

/**
 * The Kubernetes version of ready binaries.
 *
 * @throws LAB_PREREQUISITE when there is no kubelet that runs
 */
export async function versionOf(binDir: string): Promise<string> {
  const kubelet = join(binDir, 'kubelet')
  if (!existsSync(kubelet)) {
    fail(LAB_PREREQUISITE, {missing: `${binDir} has no kubelet`, advice: 'leave --bin-dir out to build Kubernetes'})
  }
  const printed = await runTool(kubelet, ['--version'])
  return (
    /v1\.\d+\.\d+/.exec(printed)?.[0] ??
    fail(LAB_PREREQUISITE, {
      missing: `${kubelet} prints no version: ${tail(printed)}`,
      advice: 'give another --bin-dir',
    })
  )
}

/** One step per binary that is not there yet: "kubelet (2 of 6)". */
export function buildSteps(choice: BinaryChoice): readonly Step[] {
  const folder = binariesFolder(choice)
  const wanted = [...kubernetesCommands, ...(choice.kubeProxy === 'none' ? [] : ['kube-proxy'])]
  const missing = wanted.filter((command) => !existsSync(join(folder, command)))
  if (choice.binDir !== undefined && missing.length > 0) {
    fail(LAB_PREREQUISITE, {
      missing: `${choice.binDir} has no ${missing.join(', ')}`,
      advice: 'put them there, or leave --bin-dir out to build them',
    })
  }
  const work: {readonly component: string; readonly output: string; readonly build: Build}[] = missing.map(
    (command) => ({
      component: command,
      output: join(folder, command),
      build: (say, signal) => buildKubernetes(choice, command, say, signal),
    }),
  )
  const coredns = corednsBinary(choice)
  if (!existsSync(coredns)) work.push({component: 'coredns', output: coredns, build: buildCoredns})
  if (!existsSync(pauseBinary())) work.push({component: 'pause', output: pauseBinary(), build: buildPause})
  return work.map(({component, build, output}, i) => ({
    title: `Build ${component} (${i + 1} of ${work.length})`,
    run: (say, signal) => buildAlone(output, build, say, signal),
  }))
}

/** Two labs may want the same program at the same time: one builds it, the other waits for it. */
async function buildAlone(
  output: string,
  build: Build,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const lock = `${output}.lock`
  const attempt = () => {
    try {
      return takeLock(lock, basename(output))
    } catch (thrown) {
      if (!hasCode(thrown, LAB_BUSY)) throw thrown
      say('another lab builds it')
      return undefined
    }
  }
  const unlock = await waitFor(basename(output), attempt, {signal, timeoutMs: hourMs, everyMs: 1000, where: lock})
  try {
    if (!existsSync(output)) await build(say, signal)
  } finally {
    unlock()
  }
}

async function buildKubernetes(
  choice: BinaryChoice,
  command: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const version = choice.kubernetes
  const module = join(cacheFolder(), version, 'k8s')
  mkdirSync(module, {recursive: true})
  if (!existsSync(join(module, 'go.mod'))) {
    say('downloading the module')
    const folder = join(cacheFolder(), version)
    const env = goEnvironment('-mod=mod')
    const listed = await tryTool('go', ['mod', 'download', '-json', `k8s.io/kubernetes@${version}`], {
      env,
      cwd: folder,
      signal,
    })
    const answer = JSON.parse(listed.stdout || '{}') as {GoMod?: string; Error?: string}
    if (answer.GoMod === undefined) {
      const detail = answer.Error ?? tail(listed.stderr)
      fail(LAB_BUILD_FAILED, {component: command, version, detail, log: 'go mod download'})
    }
    writeFileSync(join(module, 'go.mod.new'), kubernetesModule(version, readFileSync(answer.GoMod, 'utf8')))
    renameSync(join(module, 'go.mod.new'), join(module, 'go.mod'))
  }
  const stamp = `-X k8s.io/component-base/version.gitVersion=${version}`
  await goBuild(
    module,
    `k8s.io/kubernetes/cmd/${command}`,
    join(binariesFolder(choice), command),
    stamp,
    version,
    say,
    signal,
  )
}

async function buildCoredns(say: (text: string) => void, signal: AbortSignal): Promise<void> {
  const folder = join(cacheFolder(), `coredns-${corednsVersion}`)
  const module = join(folder, 'module')
  mkdirSync(module, {recursive: true})
  if (!existsSync(join(module, 'go.mod'))) writeFileSync(join(module, 'go.mod'), corednsModule(corednsVersion))
  await goBuild(module, 'github.com/coredns/coredns', join(folder, 'coredns'), '', corednsVersion, say, signal)
}

/** Builds into a new file and renames it, so that a file that is there is whole. */
async function goBuild(
  module: string,
  target: string,
  output: string,
  stamp: string,
  version: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const component = target.slice(target.lastIndexOf('/') + 1)
  mkdirSync(join(output, '..'), {recursive: true})
  const log = `${output}.log`
  const draft = `${output}.new`
  const args = ['build', '-trimpath', '-o', draft, '-ldflags', `-s -w ${stamp}`.trim(), target]
  const begun = performance.now()
  const ticker = setInterval(() => say(`${Math.round((performance.now() - begun) / 1000)} s`), 1000)
  try {
    const built = await tryTool('go', args, {
      env: goEnvironment('-mod=mod -buildvcs=false'),
      cwd: module,
      signal,
      onLine: (line) => say(tail(line, 1)),
    })
    if (built.status !== 0) {
      writeFileSync(log, built.stderr)
      fail(LAB_BUILD_FAILED, {component, version, detail: tail(built.stderr), log})
    }
  } finally {
    clearInterval(ticker)
  }
  renameSync(draft, output)
  rmSync(log, {force: true})
}

async function buildPause(_say: (text: string) => void, signal: AbortSignal): Promise<void> {
  const output = pauseBinary()
  mkdirSync(join(output, '..'), {recursive: true})
  const source = join(import.meta.dirname, 'image', 'pause.c')
  await runTool('cc', ['-static', '-Os', '-s', '-Wall', '-Werror', '-o', `${output}.new`, source], {signal})
  renameSync(`${output}.new`, output)
}

function goEnvironment(flags: string): NodeJS.ProcessEnv {
  return {...process.env, CGO_ENABLED: '0', GOFLAGS: flags}
}
