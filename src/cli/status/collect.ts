/** Asks a cluster how its network is. Questions run side by side; each answer shows in the next snapshot. */
import type {Endpoint, KernelSummary, ProgramGeneration, StatusResponse} from '../../api/models.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {ClusterView, Pod} from './cluster-view.ts'
import {agentComponent, agentContainer, type Component, components} from './components.ts'
import {STATUS_EXEC_FAILED, STATUS_EXEC_UNREADABLE} from './errors.ts'
import {
  agentFindings,
  containerOf,
  currentPods,
  endpointFindings,
  formerRunFinding,
  isCrashLooping,
  podFindings,
  podState,
  stoppedAgentFinding,
  workloadFindings,
} from './findings.ts'
import type {ComponentFindings, Finding, PodState, StatusReport, Verdict} from './report.ts'

export interface CollectOptions {
  /** agents asked at the same time */
  readonly workerCount: number
  /** keep all last words of a stopped agent, not only its warnings and errors */
  readonly verbose: boolean
  readonly signal: AbortSignal
  /** called whenever an answer has come in */
  readonly onProgress?: (report: StatusReport) => void
}

/** annotations of the ConfigMap under this prefix are warnings that the chart left */
const configWarningPrefix = 'config.cilium.io'
/** logs of at most this many stopped containers are read: the first explains the others */
const logsRead = 1

export interface Collection {
  readonly report: StatusReport
  /** an agent keeps ending: waiting is of no use */
  readonly crashLooping: boolean
}

/**
 * Collects a whole report. What could not be asked is in `collection_errors`.
 *
 * @throws whatever the first question to the API server throws when it cannot be reached at all
 */
export async function collectStatus(view: ClusterView, options: CollectOptions): Promise<Collection> {
  const draft = new Draft(options.onProgress)
  const {signal} = options
  await Promise.all([
    ...components.map((component) =>
      draft.part(component.name, () => collectComponent(view, component, draft, options)),
    ),
    draft.part('cluster pods', async () => {
      const [all, byCilium] = await Promise.all([view.countPods(), view.countEndpoints()])
      draft.podsCount = {all, by_cilium: byCilium ?? 0}
    }),
    draft.part('configuration', async () => {
      const annotations = (await view.configAnnotations()) ?? {}
      draft.configErrors = Object.entries(annotations)
        .filter(([key]) => key.startsWith(configWarningPrefix))
        .map(([, text]) => text)
        .sort()
    }),
    draft.part('helm release', async () => {
      draft.chartVersion = (await view.chartVersion()) ?? ''
    }),
  ])
  signal.throwIfAborted()
  return {report: draft.snapshot(), crashLooping: draft.crashLooping}
}

async function collectComponent(
  view: ClusterView,
  component: Component,
  draft: Draft,
  options: CollectOptions,
): Promise<void> {
  const {name, kind} = component
  const workload = kind === 'DaemonSet' ? await view.daemonSet(name) : await view.deployment(name)
  if (workload === undefined) {
    if (component.required === true) {
      draft.add(name, {pod: name, severity: 'error', text: `${kind} ${name} does not exist: is Cilium installed?`})
      draft.collectionErrors.push(`${kind} ${name} was not found`)
    } else draft.disabled.add(name)
    return
  }
  draft.podStates.set(name, podState(kind, workload))
  for (const finding of workloadFindings(component, workload)) draft.add(name, finding)

  const pods = await view.pods(component.selector)
  for (const pod of pods) {
    draft.count(name, pod)
    for (const finding of podFindings(pod)) draft.add(name, finding)
  }
  draft.progress()
  if (name !== agentComponent) return
  draft.crashLooping = currentPods(workload, pods).some(isCrashLooping)
  await collectAgents(view, pods, draft, options)
}

async function collectAgents(
  view: ClusterView,
  pods: readonly Pod[],
  draft: Draft,
  {workerCount, verbose, signal}: CollectOptions,
): Promise<void> {
  const queue = pods.filter(({status}) => status.phase === 'Running')
  let logs = 0
  const worker = async () => {
    for (let pod = queue.shift(); pod !== undefined; pod = queue.shift()) {
      if (signal.aborted) return
      const container = containerOf(pod, agentContainer)
      const isRunning = container?.state?.running !== undefined
      const hasEnded = container?.ready !== true && container?.lastState?.terminated !== undefined
      const lastWords = (!isRunning || hasEnded) && logs++ < logsRead ? await lastLog(view, pod, verbose) : ''
      if (!isRunning) {
        draft.add(agentComponent, stoppedAgentFinding(pod, lastWords))
      } else {
        await collectAgent(view, pod, draft, verbose)
        const former = formerRunFinding(pod, lastWords)
        if (former !== undefined) draft.add(agentComponent, former)
      }
      draft.progress()
    }
  }
  await Promise.all(Array.from({length: Math.max(1, workerCount)}, worker))
}

async function collectAgent(view: ClusterView, pod: Pod, draft: Draft, verbose: boolean): Promise<void> {
  const {name} = pod.metadata
  try {
    const [status, endpoints] = await Promise.all([
      execJson<StatusResponse>(view, name, ['cilium', 'status', '-o', 'json']),
      execJson<readonly Endpoint[]>(view, name, ['cilium', 'endpoint', 'list', '-o', 'json']),
    ])
    draft.statuses.set(name, status)
    draft.endpoints.set(name, endpoints ?? [])
    const generation = status['program-generation']
    if (verbose && status.kernel !== undefined) draft.kernels.set(pod.spec.nodeName ?? name, status.kernel)
    if (generation !== undefined) draft.generations.set(pod.spec.nodeName ?? name, generation)
    for (const finding of agentFindings(name, status, Date.now())) draft.add(agentComponent, finding)
    for (const finding of endpointFindings(name, endpoints ?? [])) draft.add(agentComponent, finding)
  } catch (thrown) {
    // one agent that does not answer is a finding about that agent
    draft.add(agentComponent, {pod: name, severity: 'error', text: CiliumError.from(thrown).message})
  }
}

async function execJson<T>(view: ClusterView, pod: string, command: readonly string[]): Promise<T> {
  const {stdout, stderr, exitCode} = await view.exec(pod, agentContainer, command)
  const text = command.join(' ')
  // an unhealthy agent still answers, with exit code 1
  if (stdout.trim() === '') fail(STATUS_EXEC_FAILED, {command: text, exitCode, detail: firstLine(stderr)})
  try {
    return JSON.parse(stdout) as T
  } catch (cause) {
    return fail(STATUS_EXEC_UNREADABLE, {command: text, detail: firstLine(stdout)}, {cause})
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? ''
}

/** The end of what a stopped agent wrote, cut to what explains it. */
async function lastLog(view: ClusterView, pod: Pod, verbose: boolean): Promise<string> {
  const container = containerOf(pod, agentContainer)
  const finishedAt = container?.lastState?.terminated?.finishedAt
  if (finishedAt === undefined) return ''
  const sinceTime = new Date(Date.parse(finishedAt) - 120_000).toISOString()
  const log = await view.previousLog(pod.metadata.name, agentContainer, {sinceTime, tailLines: 200}).catch(() => '') // the log is a courtesy: the kubelet may have removed it
  const lines = log.trim().split('\n')
  if (verbose) return lines.join('\n')
  const telling = lines.filter((line) => /level=(warn|err|fatal)/.test(line) || /"level":"(warn|err|fatal)/.test(line))
  return [...new Set([...telling.slice(-5), ...lines.slice(-3)])].join('\n')
}

/** A report under construction. */
class Draft {
  podsCount = {all: 0, by_cilium: 0}
  configErrors: readonly string[] = []
  chartVersion = ''
  crashLooping = false
  readonly podStates = new Map<string, PodState>()
  readonly disabled = new Set<string>()
  readonly statuses = new Map<string, StatusResponse>()
  readonly endpoints = new Map<string, readonly Endpoint[]>()
  readonly generations = new Map<string, ProgramGeneration>()
  readonly kernels = new Map<string, KernelSummary>()
  readonly collectionErrors: string[] = []
  readonly #findings: Finding[] = []
  readonly #images = new Map<string, Map<string, number>>()
  readonly #phases = new Map<string, Map<string, number>>()
  readonly #pending = new Set<string>()
  readonly #onProgress: ((report: StatusReport) => void) | undefined

  constructor(onProgress: ((report: StatusReport) => void) | undefined) {
    this.#onProgress = onProgress
  }

  /** Runs one question; what it throws becomes a collection error, so that the others are still answered. */
  async part(name: string, collect: () => Promise<void>): Promise<void> {
    this.#pending.add(name)
    try {
      await collect()
    } catch (thrown) {
      const error = CiliumError.from(thrown)
      if (error.code === 'INTERRUPTED' || (thrown as Error).name === 'AbortError') throw thrown
      this.collectionErrors.push(`${name}: ${error.message}`)
    }
    this.#pending.delete(name)
    this.progress()
  }

  progress(): void {
    this.#onProgress?.(this.snapshot())
  }

  add(component: string, finding: Omit<Finding, 'component'>): void {
    this.#findings.push({component, ...finding})
  }

  count(component: string, pod: Pod): void {
    increment(this.#phases, component, pod.status.phase ?? 'Unknown')
    for (const {image} of pod.spec.containers) increment(this.#images, component, image ?? 'unknown')
  }

  snapshot(): StatusReport {
    const findings = [...this.#findings].sort((a, b) => order(a, b))
    const verdict = verdictOf(findings, this.collectionErrors)
    const since = earliest(findings.filter(({severity}) => verdict !== 'degraded' || severity === 'error'))
    return {
      image_count: plainObject(this.#images),
      phase_count: plainObject(this.#phases),
      pod_state: sortedObject(this.podStates),
      pods_count: this.podsCount,
      cilium_status: sortedObject(this.statuses),
      cilium_endpoints: sortedObject(this.endpoints),
      errors: byComponent(findings, this.disabled),
      collection_errors: [...this.collectionErrors],
      helm_chart_version: this.chartVersion,
      config_errors: this.configErrors,
      verdict,
      ...(verdict !== 'ok' && since !== undefined ? {since} : {}),
      findings,
      generations: sortedObject(this.generations),
      kernels: sortedObject(this.kernels),
      pending: [...this.#pending],
    }
  }
}

function increment(counts: Map<string, Map<string, number>>, component: string, key: string): void {
  const inner = counts.get(component) ?? new Map<string, number>()
  counts.set(component, inner.set(key, (inner.get(key) ?? 0) + 1))
}

function verdictOf(findings: readonly Finding[], collectionErrors: readonly string[]): Verdict {
  if (findings.some(({severity}) => severity === 'error')) return 'degraded'
  if (collectionErrors.length > 0) return 'unknown'
  return findings.length > 0 ? 'warning' : 'ok'
}

function earliest(findings: readonly Finding[]): string | undefined {
  const times = findings.flatMap(({since}) => (since === undefined ? [] : [since]))
  return times.sort((a, b) => Date.parse(a) - Date.parse(b))[0]
}

function byComponent(
  findings: readonly Finding[],
  disabled: ReadonlySet<string>,
): Record<string, Record<string, ComponentFindings>> {
  const result: Record<string, Record<string, ComponentFindings>> = {}
  for (const name of disabled) result[name] = {[name]: {Errors: [], Warnings: [], Disabled: true}}
  for (const {component, pod, severity, text} of findings) {
    const pods = (result[component] ??= {})
    const had = pods[pod] ?? {Errors: [], Warnings: [], Disabled: false}
    pods[pod] = {
      ...had,
      Errors: severity === 'error' ? [...had.Errors, text] : had.Errors,
      Warnings: severity === 'warning' ? [...had.Warnings, text] : had.Warnings,
    }
  }
  return result
}

function order(a: Finding, b: Finding): number {
  const keyOf = ({component, pod, text}: Finding) => `${component}\0${pod}\0${text}`
  return keyOf(a) < keyOf(b) ? -1 : 1
}

function sortedObject<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function plainObject(map: ReadonlyMap<string, ReadonlyMap<string, number>>): Record<string, Record<string, number>> {
  return sortedObject(new Map([...map].map(([key, inner]) => [key, sortedObject(inner)])))
}
