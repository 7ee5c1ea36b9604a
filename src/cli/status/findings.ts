/**
 * What counts as wrong. Pure functions from what the cluster says to findings.
 * An error means that something does not work; a warning that it may soon, or is on its way.
 */
import type {Endpoint, StatusResponse} from '../../api/models.ts'
import {duration} from '../render/duration.ts'
import type {ContainerStatus, Pod, Workload} from './cluster-view.ts'
import {agentContainer, type Component} from './components.ts'
import type {Finding, PodState} from './report.ts'

type Found = Omit<Finding, 'component'>

/** Pods that end so have been replaced by their controller already. */
const replacedReasons: ReadonlySet<string> = new Set([
  'TaintToleration',
  'NodeAffinity',
  'NodeLost',
  'Evicted',
  'Shutdown',
  'Preempting',
  'UnexpectedAdmissionError',
])

/** Counts of a workload, the same for both kinds. */
export function podState(kind: Component['kind'], {spec, status}: Workload): PodState {
  return kind === 'DaemonSet'
    ? {
        Type: kind,
        Desired: status.desiredNumberScheduled ?? 0,
        Ready: status.numberReady ?? 0,
        Available: status.numberAvailable ?? 0,
        Unavailable: status.numberUnavailable ?? 0,
      }
    : {
        Type: kind,
        Desired: spec.replicas ?? status.replicas ?? 0,
        Ready: status.readyReplicas ?? 0,
        Available: status.availableReplicas ?? 0,
        Unavailable: status.unavailableReplicas ?? 0,
      }
}

/** 1 not ready: error; 2 ready but not yet available: warning; 3 roll-out not started or not finished: error. */
export function workloadFindings(component: Component, workload: Workload): Found[] {
  const {name, kind} = component
  const {Desired, Ready, Unavailable} = podState(kind, workload)
  const found: Found[] = []
  const available = workload.status.conditions?.find(({type}) => type === 'Available')
  const since = available?.status === 'False' ? available.lastTransitionTime : undefined
  const add = (severity: Finding['severity'], text: string) =>
    found.push({pod: name, severity, text, ...(since === undefined ? {} : {since})})

  const notReady = Desired - Ready
  if (notReady > 0) add('error', `${notReady} pods of ${kind} ${name} are not ready`)
  if (Unavailable - Math.max(0, notReady) > 0) {
    add('warning', `${Unavailable - Math.max(0, notReady)} pods of ${kind} ${name} are not available`)
  }
  const {generation} = workload.metadata
  const {observedGeneration, updatedNumberScheduled, updatedReplicas} = workload.status
  if (generation !== undefined && observedGeneration !== generation) {
    add('error', `${kind} ${name} is rolled out but its controller has not started`)
  }
  const updated = (kind === 'DaemonSet' ? updatedNumberScheduled : updatedReplicas) ?? 0
  if (updated < Desired) add('error', `${kind} ${name} is rolling out - ${updated} out of ${Desired} pods updated`)
  return found
}

/** 1 failed and not replaced: error; 2 waiting to start: warning. */
export function podFindings(pod: Pod): Found[] {
  const {phase, reason} = pod.status
  const name = pod.metadata.name
  if (phase === 'Failed' && !replacedReasons.has(reason ?? '')) {
    return [{pod: name, severity: 'error', text: `pod has failed${reason === undefined ? '' : `: ${reason}`}`}]
  }
  if (phase !== 'Pending') return []
  const since = pod.metadata.creationTimestamp
  const why = waitingFor(pod)
  const text = `pod is pending${why === '' ? '' : `: ${why}`}`
  return [{pod: name, severity: 'warning', text, ...(since === undefined ? {} : {since})}]
}

/** Phases of every start, which say nothing. */
const ordinary = new Set(['PodInitializing', 'ContainerCreating'])

/** Why the first container that waits does; else why no node has been found. */
function waitingFor({status}: Pod): string {
  for (const {state} of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
    const {reason = '', message = ''} = state?.waiting ?? {}
    if (reason !== '' && !ordinary.has(reason)) return [reason, message].filter(Boolean).join(': ')
  }
  const scheduled = status.conditions?.find(({type}) => type === 'PodScheduled')
  return scheduled?.status === 'False' ? (scheduled.message ?? '') : ''
}

/** The state of one container of a pod; undefined while the pod has none yet. */
export function containerOf(pod: Pod, container: string): ContainerStatus | undefined {
  return pod.status.containerStatuses?.find(({name}) => name === container)
}

/** True when the container keeps ending: waiting will not help. */
export function isCrashLooping(pod: Pod): boolean {
  return containerOf(pod, agentContainer)?.state?.waiting?.reason === 'CrashLoopBackOff'
}

/** The label by which the pods of one revision of a DaemonSet know each other. */
const revisionLabel = 'controller-revision-hash'

/**
 * The pods of the DaemonSet as it is wanted now. Those of the revision before say nothing about it: a way back begins
 * with agents that crash.
 */
export function currentPods({metadata, status}: Workload, pods: readonly Pod[]): readonly Pod[] {
  if (status.observedGeneration !== metadata.generation) return []
  const updated = status.updatedNumberScheduled ?? 0
  if (updated === 0) return []
  if (updated >= (status.desiredNumberScheduled ?? 0)) return pods
  const created = ({metadata: {creationTimestamp}}: Pod) => creationTimestamp ?? ''
  const [newest] = [...pods].sort((a, b) => (created(a) < created(b) ? 1 : -1))
  return pods.filter((pod) => pod.metadata.labels?.[revisionLabel] === newest?.metadata.labels?.[revisionLabel])
}

/** An agent that does not run, with what it said last. */
export function stoppedAgentFinding(pod: Pod, lastWords: string): Found {
  const container = containerOf(pod, agentContainer)
  const ended = container?.lastState?.terminated ?? container?.state?.terminated
  const waiting = container?.state?.waiting
  const parts = [
    isCrashLooping(pod)
      ? `container ${agentContainer} is in CrashLoopBackOff`
      : `container ${agentContainer} is not running`,
  ]
  if (waiting?.reason !== undefined && !isCrashLooping(pod)) parts.push(`waiting: ${waiting.reason}`)
  if (ended?.exitCode !== undefined) parts.push(`exited with code ${ended.exitCode}`)
  const words = ended?.message ?? lastWords
  if (words.trim() !== '') parts.push(words.trim())
  const since = ended?.finishedAt ?? notReadySince(pod)
  return {
    pod: pod.metadata.name,
    severity: 'error',
    text: parts.join(', '),
    ...(since === undefined ? {} : {since}),
  }
}

/** An agent that runs again but is not ready yet: how its last run ended. Undefined when that was no failure. */
export function formerRunFinding(pod: Pod, lastWords: string): Found | undefined {
  const container = containerOf(pod, agentContainer)
  const ended = container?.lastState?.terminated
  if (ended === undefined || ended.exitCode === 0 || container?.ready === true) return undefined
  const words = (ended.message ?? lastWords).trim()
  const text = `container ${agentContainer} has started again after it exited with code ${ended.exitCode}`
  return {
    pod: pod.metadata.name,
    severity: 'error',
    text: words === '' ? text : `${text}, ${words}`,
    ...(ended.finishedAt === undefined ? {} : {since: ended.finishedAt}),
  }
}

function notReadySince(pod: Pod): string | undefined {
  const ready = pod.status.conditions?.find(({type}) => type === 'Ready')
  return ready?.status === 'False' ? ready.lastTransitionTime : undefined
}

/** What one agent says of itself: 1 a subsystem in Failure: error, in Warning: warning; 2 a failing controller: error. */
export function agentFindings(pod: string, status: StatusResponse, nowMs: number): Found[] {
  const found: Found[] = []
  const subsystems = [
    ['Cilium', status.cilium],
    ['Health', status.cluster?.ciliumHealth],
    ['Hubble', status.hubble],
    ['Kubernetes', status.kubernetes],
    ['KVStore', status.kvstore],
    ['Auth', status['auth-certificate-provider']],
  ] as const
  for (const [name, subsystem] of subsystems) {
    const severity = {failure: 'error', warning: 'warning'}[subsystem?.state?.toLowerCase() ?? ''] as
      | Finding['severity']
      | undefined
    if (subsystem === undefined || severity === undefined) continue
    const since = 'since' in subsystem ? subsystem.since : undefined
    const text = `${name}: ${subsystem.msg ?? subsystem.state}`
    found.push({pod, severity, text, ...(since === undefined ? {} : {since})})
  }
  for (const {name, status: state} of status.controllers ?? []) {
    const count = state?.['consecutive-failure-count'] ?? 0
    if (count === 0) continue
    const last = happened(state?.['last-failure-timestamp'])
    const age = last === undefined ? '' : ` since ${duration(nowMs - Date.parse(last))}`
    const text = `controller ${name} is failing${age} (${count}x): ${state?.['last-failure-msg'] ?? 'no message'}`
    // the last success is when it began to fail; never succeeded: the last failure is all that is known
    const since = happened(state?.['last-success-timestamp']) ?? last
    found.push({pod, severity: 'error', text, ...(since === undefined ? {} : {since})})
  }
  return found
}

/** A time of the agent; year 1 is its way to say never. */
function happened(time: string | undefined): string | undefined {
  return time === undefined || time === '' || time.startsWith('0001-') ? undefined : time
}

/** Endpoints whose traffic may not flow yet. */
export function endpointFindings(pod: string, endpoints: readonly Endpoint[]): Found[] {
  const notReady = endpoints.filter(({status}) => status !== undefined && status.state !== 'ready').length
  return notReady === 0 ? [] : [{pod, severity: 'warning', text: `${notReady} endpoints are not ready`}]
}
