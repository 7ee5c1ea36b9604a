/** Brings the workloads of a test namespace up and waits until they can be tested with. */
import {fail} from '../../runtime/errors.ts'
import {duration} from '../render/duration.ts'
import {clean} from '../render/text.ts'
import {TEST_NAMESPACE_FOREIGN, TEST_WORKLOAD_STUCK} from './errors.ts'
import type {KubernetesObject, PodObject, TestCluster, WorkloadObject} from './test-cluster.ts'
import {until} from './until.ts'
import {
  ownerLabel,
  ownerValue,
  type PlannedWorkload,
  plannedWorkloads,
  type WorkloadPlan,
  workloadObjects,
} from './workloads/objects.ts'

/** for one workload to become ready: pulling an image may take its time */
const readyMs = 300_000
/** after this long the reason is told, and again whenever it is another one */
const patienceMs = 15_000

export interface DeployOptions {
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Applies all objects of a namespace. Those that are as they should be stay as they are. */
export async function deploy(cluster: TestCluster, plan: WorkloadPlan, {signal, say}: DeployOptions): Promise<void> {
  const {namespace} = plan
  await refuseForeign(cluster, namespace)
  say(`✨ [${namespace}] Deploying the workloads of the test (image ${plan.image})…`)
  for (const object of workloadObjects(plan)) {
    signal.throwIfAborted()
    await cluster.apply(object)
  }
  await Promise.all(
    plannedWorkloads(plan).map(async (workload) => {
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
  const started = performance.now()
  let told = ''
  const ready = await until(
    async () => {
      const workload = await cluster.get<WorkloadObject>(ref)
      if (workload !== undefined && isReady(kind, workload)) return true
      if (performance.now() - started > patienceMs) {
        const {reason} = await whyNotReady(cluster, namespace, name)
        if (reason !== told) say(`⏳ [${namespace}] ${name}: ${clean(reason)}`)
        told = reason
      }
      return undefined
    },
    {signal, timeoutMs: readyMs},
  )
  if (ready === true) return
  const {reason, advice} = await whyNotReady(cluster, namespace, name)
  fail(TEST_WORKLOAD_STUCK, {workload: `${kind} ${namespace}/${name}`, waited: duration(readyMs), reason, advice})
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

/** What the pods of a workload say about themselves, so that nobody has to look. */
async function whyNotReady(
  cluster: TestCluster,
  namespace: string,
  name: string,
): Promise<{reason: string; advice: string}> {
  const pods = await cluster.list<PodObject>({apiVersion: 'v1', kind: 'Pod'}, {namespace, selector: `name=${name}`})
  for (const {status, metadata, spec} of pods) {
    const scheduled = status.conditions?.find(({type, status: is}) => type === 'PodScheduled' && is === 'False')
    if (scheduled !== undefined) {
      return {
        reason: `pod ${metadata.name} cannot be scheduled: ${scheduled.message ?? scheduled.reason ?? ''}`,
        advice: 'make room for it, or place the test with --node-selector, --tolerations or --single-node',
      }
    }
    const waiting = status.containerStatuses?.find(({state}) => state?.waiting !== undefined)?.state?.waiting
    if (
      waiting?.reason === 'ErrImagePull' ||
      waiting?.reason === 'ImagePullBackOff' ||
      waiting?.reason === 'ErrImageNeverPull'
    ) {
      return {
        reason: `image ${spec.containers[0]?.image} is not there: ${waiting.message ?? waiting.reason}`,
        advice: 'load the image onto all nodes, or name another one with --test-image',
      }
    }
    if (waiting !== undefined) {
      return {
        reason:
          `pod ${metadata.name} on node ${spec.nodeName ?? ''}: ${waiting.reason ?? ''} ${waiting.message ?? ''}`.trim(),
        advice: `read its events: kubectl -n ${namespace} describe pod ${metadata.name}`,
      }
    }
    if (status.containerStatuses?.some(({ready}) => !ready) === true) {
      return {
        reason: `pod ${metadata.name} runs on node ${spec.nodeName ?? ''} and does not become ready: its node does not reach it`,
        advice: 'host to pod traffic is broken on that node: look at "cilium status" and the log of its agent',
      }
    }
  }
  return {
    reason: pods.length === 0 ? 'no pod was made' : 'no reason is given',
    advice: `look at it: kubectl -n ${namespace} describe pods -l name=${name}`,
  }
}
