/** `cilium sysdump`: all that helps to understand a cluster's network, in one archive that may be shown to others. */
import {stat} from 'node:fs/promises'
import type {KubeObject, Node, Pod} from '../../k8s/resources.ts'
import {CiliumError, declareErrors, fail} from '../../runtime/errors.ts'
import {versionText} from '../../runtime/version.ts'
import {ClusterAccess} from '../install/cluster-access.ts'
import {LiveBlock} from '../render/live-block.ts'
import {clean} from '../render/text.ts'
import {toYaml} from '../render/yaml.ts'
import type {SysdumpOptions, SysdumpResult} from './options.ts'
import {Scrubber} from './scrub.ts'
import {clusterTasks, podsBy, podTasks, type Task, type TaskContext} from './tasks.ts'
import {ZipFile} from './zip.ts'

export const {SYSDUMP_FILE} = declareErrors({
  SYSDUMP_FILE: {
    what: 'the archive {file} cannot be written: {detail}',
    advice: 'give another place with --output-filename',
  },
})

/**
 * Collects what can be collected; what cannot is told in the result and in the archive.
 *
 * @throws SYSDUMP_FILE; errors of the Kubernetes client when there is no cluster at all
 */
export async function collectSysdump(options: SysdumpOptions): Promise<SysdumpResult> {
  const began = new Date()
  const {signal} = options.progress
  using access = await ClusterAccess.connect(options.cluster)
  await access.get('/version', signal)
  const file = fileName(options.file, began)
  const zip = await ZipFile.create(file, began).catch((thrown: unknown) =>
    fail(SYSDUMP_FILE, {file, detail: (thrown as Error).message}, {cause: thrown}),
  )
  const log = new DumpLog(began)
  try {
    const scrubber = new Scrubber()
    await log.about('secrets', async () => scrubber.know(await knownSecrets(access, options.cluster.namespace)))
    const context: TaskContext = {
      access,
      options,
      signal,
      object: async (name, value) => add(name, toYaml(scrubber.value(value))),
      text: async (name, text) => add(name, scrubber.text(text)),
    }
    const add = async (name: string, text: string): Promise<void> => {
      if (!(await zip.add(name, text))) throw new Error(`the archive is full: ${name} was left out`)
    }
    const tasks = clusterTasks(options)
    await log.about('pods', async () => tasks.push(...podTasks(...(await ownPods(access, options)))))
    const wanted = tasks.filter(({quick}) => quick || !options.quick)
    await runTasks(wanted, context, log)
    signal.throwIfAborted()
    await zip.add('cilium-sysdump.log', scrubber.text(log.text()))
    await zip.close()
  } catch (thrown) {
    await zip.abandon()
    throw thrown
  }
  const {size} = await stat(file)
  const seconds = Math.round((Date.now() - began.getTime()) / 100) / 10
  return {file, bytes: size, entries: zip.names.length, failed: log.failed, seconds}
}

/** Runs tasks, so many at once; one that fails is noted, and one that hangs is left behind. */
async function runTasks(tasks: readonly Task[], context: TaskContext, log: DumpLog): Promise<void> {
  const queue = [...tasks]
  const running = new Set<string>()
  let done = 0
  const {quiet, signal} = context.options.progress
  const block = quiet || !process.stderr.isTTY ? undefined : new LiveBlock(process.stderr)
  const show = () => block?.draw(`${done} of ${tasks.length}: ${clean([...running].slice(0, 3).join(', '))}\n`)
  const worker = async () => {
    for (let task = queue.shift(); task !== undefined && !signal.aborted; task = queue.shift()) {
      const {name, run} = task
      running.add(name)
      show()
      const limit = AbortSignal.any([signal, AbortSignal.timeout(context.options.taskMs)])
      await log.about(name, async () => await beforeEnd(run({...context, signal: limit}), limit))
      running.delete(name)
      done++
      show()
    }
  }
  await Promise.all(Array.from({length: Math.max(1, context.options.workerCount)}, worker))
  block?.clear()
}

/** What the work gives, or the signal's reason when that comes first. */
async function beforeEnd<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const stop = new AbortController()
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), {once: true, signal: stop.signal})
  })
  try {
    return await Promise.race([work, ended])
  } finally {
    stop.abort()
  }
}

/** What was done and what failed, with times: part of the archive. */
class DumpLog {
  readonly failed: {task: string; reason: string}[] = []
  readonly #lines: string[]
  readonly #began: number

  constructor(began: Date) {
    this.#began = began.getTime()
    this.#lines = [`${began.toISOString()} cilium sysdump, ${versionText()}`]
  }

  async about(task: string, work: () => Promise<unknown>): Promise<void> {
    const began = Date.now()
    let outcome = 'ok'
    try {
      await work()
    } catch (thrown) {
      const {code, message} = CiliumError.from(thrown)
      const reason = code === 'INTERNAL' ? (thrown as Error).message : `${code} ${message}`
      this.failed.push({task, reason})
      outcome = `failed: ${reason}`
    }
    this.#lines.push(`+${Date.now() - this.#began} ms ${task} (${Date.now() - began} ms): ${outcome}`)
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

/** The values of Secrets of our namespace: never kept, only looked for in what is collected. */
async function knownSecrets(access: ClusterAccess, namespace: string): Promise<string[]> {
  const secrets = await access.list<KubeObject & {type?: string; data?: Readonly<Record<string, string>>}>(
    `/api/v1/namespaces/${namespace}/secrets`,
  )
  return secrets
    .filter(({type}) => type !== 'helm.sh/release.v1')
    .flatMap(({data}) => Object.values(data ?? {}).map((value) => Buffer.from(value, 'base64').toString('utf8')))
}

/** Pods of ours on the wanted nodes, and which of them are agents. */
async function ownPods(
  access: ClusterAccess,
  {cluster, nodes, agentSelector, ...options}: SysdumpOptions,
): Promise<[Pod[], Set<string>]> {
  const {namespace} = cluster
  const agents = await podsBy(access, namespace, agentSelector)
  const others = [options.operatorSelector, options.relaySelector, options.uiSelector, ...options.extraSelectors]
  const lists = await Promise.all(others.map((selector) => podsBy(access, namespace, selector)))
  const names = await nodeNames(access, nodes)
  const here = ({spec}: Pod): boolean => names === undefined || names.has(spec?.nodeName ?? '')
  const pods = new Map([...agents.filter(here), ...lists.flat()].map((pod) => [pod.metadata.name, pod]))
  return [[...pods.values()], new Set(agents.map(({metadata}) => metadata.name))]
}

async function nodeNames(access: ClusterAccess, wanted: readonly string[]): Promise<Set<string> | undefined> {
  if (wanted.length === 0) return undefined
  const nodes = await access.list<Node>('/api/v1/nodes')
  const isWanted = ({metadata, status}: Node): boolean =>
    wanted.includes(metadata.name) || (status?.addresses ?? []).some(({address}) => wanted.includes(address))
  return new Set(nodes.filter(isWanted).map(({metadata}) => metadata.name))
}

/** Puts the time in, and the ending on. */
function fileName(name: string, now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-')
  const file = name.replaceAll('<ts>', stamp)
  return file.endsWith('.zip') ? file : `${file}.zip`
}
