/** Brings the workloads of a test namespace up and waits until they can be tested with. */
import {fail} from '../../runtime/errors.ts'
import {duration} from '../render/duration.ts'
import {clean} from '../render/text.ts'
import {TEST_NAMESPACE_FOREIGN, TEST_WORKLOAD_STUCK} from './errors.ts'
import type {KubernetesObject, PodObject, TestCluster, WorkloadObject} from './test-cluster.ts'
import {until} from './until.ts'
import {
  neighbour,
  neighbourObjects,
  ownerLabel,
  ownerValue,
  type PlannedWorkload,
  plannedWorkloads,
  type WorkloadPlan,
  workloadObjects,
} from './workloads/objects.ts'

/** for one workload to become ready: pulling an image may take its time */
const readyMs = 300_000
/** after this long the reason is told, each one once */
const patienceMs = 15_000

export interface DeployOptions {
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Applies all objects of a namespace. Those that are as they should be stay as they are. */
export async function deploy(cluster: TestCluster, plan: WorkloadPlan, {signal, say}: DeployOptions): Promise<void> {
  await deployAll(cluster, plan, {objects: workloadObjects(plan), workloads: plannedWorkloads(plan)}, {signal, say})
}

/** A namespace with one client, for policies that look beyond one namespace. */
export async function deployNeighbour(cluster: TestCluster, plan: WorkloadPlan, options: DeployOptions): Promise<void> {
  await deployAll(cluster, plan, {objects: neighbourObjects(plan), workloads: [neighbour]}, options)
}

async function deployAll(
  cluster: TestCluster,
  {namespace, image}: WorkloadPlan,
  {objects, workloads}: {readonly objects: readonly KubernetesObject[]; readonly workloads: readonly PlannedWorkload[]},
  {signal, say}: DeployOptions,
): Promise<void> {
  await refuseForeign(cluster, namespace)
  say(`✨ [${namespace}] Deploying the workloads of the test (image ${image})…`)
  for (const object of objects) {
    signal.throwIfAborted()
    await cluster.apply(object)
  }
  await Promise.all(
    workloads.map(async (workload) => {
      say(`⌛ [${namespace}] Waiting for ${workload.kind.toLowerCase()} ${namespace}/${workload.name} to become ready…`)
      await untilReady(cluster, namespace, workload, {signal, say})
    }),
  )
}

/** A namespace of the same name that somebody else made is left alone. */
async function refuseForeign(cluster: TestCluster, namespace: string): Promise<void> {
  const existing = await cluster.get<KubernetesObject>({apiVersion: 'v1', kind: 'Namespace', name: namespace})
  if (existing !== undefined && existing.metadata.labels?.[ownerLabel] !== ownerValue) {
    fail(TEST_NAMESPACE_FOREIGN, {namespace})
  }
}

async function untilReady(
  cluster: TestCluster,
  namespace: string,
  {name, kind}: PlannedWorkload,
  {signal, say}: DeployOptions,
): Promise<void> {
  const ref = {apiVersion: 'apps/v1', kind, name, namespace}
  const shown = `${kind} ${namespace}/${name}`
  const started = performance.now()
  const told = new Set<string>()
  const ready = await until(
    async () => {
      const workload = await cluster.get<WorkloadObject>(ref)
      if (workload !== undefined && isReady(kind, workload)) return true
      if (performance.now() - started > patienceMs) {
        const {reason, advice, hopeless} = await whyNotReady(cluster, namespace, name)
        const waited = duration(performance.now() - started)
        if (hopeless === true) fail(TEST_WORKLOAD_STUCK, {workload: shown, waited, reason, advice})
        if (!told.has(reason)) say(`⏳ [${namespace}] ${name}: ${clean(reason)}`)
        told.add(reason)
      }
      return undefined
    },
    {signal, timeoutMs: readyMs},
  )
  if (ready === true) return
  const {reason, advice} = await whyNotReady(cluster, namespace, name)
  fail(TEST_WORKLOAD_STUCK, {workload: shown, waited: duration(readyMs), reason, advice})
}

function isReady(kind: PlannedWorkload['kind'], {metadata, spec, status}: WorkloadObject): boolean {
  const count = (field: string) => Number(status[field] ?? 0)
  if (count('observedGeneration') < (metadata.generation ?? 0)) return false
  if (kind === 'DaemonSet') {
    const wanted = count('desiredNumberScheduled')
    return (
      wanted > 0 &&
      ['currentNumberScheduled', 'numberReady', 'updatedNumberScheduled'].every((f) => count(f) === wanted)
    )
  }
  const wanted = spec.replicas ?? 1
  return ['replicas', 'readyReplicas', 'updatedReplicas', 'availableReplicas'].every((field) => count(field) === wanted)
}

interface NotReady {
  readonly reason: string
  readonly advice: string
  /** waiting will not help */
  readonly hopeless?: true
}

/** a container that has ended so often will not come to stay */
const hopelessRestarts = 8

/** What the pods of a workload say about themselves, so that nobody has to look. */
async function whyNotReady(cluster: TestCluster, namespace: string, name: string): Promise<NotReady> {
  const pods = await cluster.list<PodObject>({apiVersion: 'v1', kind: 'Pod'}, {namespace, selector: `name=${name}`})
  for (const pod of pods) {
    const reason = whyPodNotReady(pod)
    if (reason !== undefined) return reason
  }
  return {
    reason: pods.length === 0 ? 'no pod was made' : 'no reason is given',
    advice: `look at it: kubectl -n ${namespace} describe pods -l name=${name}`,
  }
}

function whyPodNotReady({status, metadata, spec}: PodObject): NotReady | undefined {
  const {namespace, name} = metadata
  const on = `pod ${name} on node ${spec.nodeName ?? '?'}`
  const scheduled = status.conditions?.find(({type, status: is}) => type === 'PodScheduled' && is === 'False')
  if (scheduled !== undefined) {
    return {
      reason: `pod ${name} cannot be scheduled: ${scheduled.message ?? scheduled.reason ?? ''}`,
      advice: 'make room for it, or place the test with --node-selector, --tolerations or --single-node',
    }
  }
  const container = status.containerStatuses?.find(({ready}) => !ready)
  if (container === undefined) return undefined
  const {waiting, terminated} = container.state ?? {}
  if (/ErrImage|ImagePull/.test(waiting?.reason ?? '')) {
    return {
      reason: `${on}: image ${spec.containers[0]?.image} is not there: ${waiting?.message ?? waiting?.reason}`,
      advice: 'load the image onto all nodes, or name another one with --test-image',
    }
  }
  const restarts = container.restartCount ?? 0
  if (restarts > 0 || terminated !== undefined) {
    const code = (terminated ?? container.lastState?.terminated)?.exitCode
    return {
      reason: `${on}: its container keeps ending${code === undefined ? '' : ` with exit code ${code}`}`,
      advice: `read what it said: kubectl -n ${namespace} logs ${name}`,
      ...(restarts >= hopelessRestarts ? {hopeless: true} : {}),
    }
  }
  if (waiting !== undefined) {
    return {
      reason: `${on}: ${waiting.reason ?? 'waiting'} ${waiting.message ?? ''}`.trim(),
      advice: `read its events: kubectl -n ${namespace} describe pod ${name}`,
    }
  }
  return {
    reason: `${on} runs and does not become ready: its node does not reach it`,
    advice: 'host to pod traffic is broken on that node: look at "cilium status" and the log of its agent',
  }
}
