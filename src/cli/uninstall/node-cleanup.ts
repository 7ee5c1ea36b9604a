/**
 * Cleaning of the nodes: a short-lived DaemonSet with the agent's image, rights and mounts runs `cilium-agent
 * cleanup` on every node once the agent is gone, then sleeps, so that "ready" means "clean".
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {fail} from '../../runtime/errors.ts'
import type {AnyObject, ClusterAccess} from '../install/cluster-access.ts'
import {UNINSTALL_CLEANUP, UNINSTALL_TIMEOUT} from '../install/errors.ts'

export const cleanupName = 'cilium-cleanup'

/** The DaemonSet by name alone, for finding and deleting it. */
export function cleanupObject(namespace: string): AnyObject {
  return {apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: {name: cleanupName, namespace}} as AnyObject
}

interface Container {
  readonly name: string
  readonly image?: string
  readonly imagePullPolicy?: string
  readonly env?: unknown
  readonly securityContext?: unknown
  readonly volumeMounts?: readonly {readonly name: string; readonly mountPath: string}[]
}

interface PodTemplate {
  readonly spec: {
    readonly containers: readonly Container[]
    readonly affinity?: {readonly nodeAffinity?: unknown}
    readonly volumes?: readonly {readonly name: string; readonly [source: string]: unknown}[]
    readonly [field: string]: unknown
  }
}

/**
 * The DaemonSet that cleans, made of the agent's.
 *
 * @param agent the agent's DaemonSet
 * @param marks labels and annotations of the release
 */
export function cleanupDaemonSet(agent: AnyObject): AnyObject {
  const {spec} = (agent['spec'] as {template: PodTemplate}).template
  const container = spec.containers.find(({name}) => name === 'cilium-agent') ?? spec.containers[0]!
  const {image, imagePullPolicy, env, securityContext, volumeMounts = []} = container
  // certificates are not needed, and their mount below the folder of our state would keep that from being removed
  const volumes = (spec.volumes ?? []).filter((volume) => !('projected' in volume) && !('secret' in volume))
  const isThere = ({name}: {readonly name: string}) => volumes.some((volume) => volume.name === name)
  const plugins = {name: 'cni-path', mountPath: '/host/opt/cni/bin'}
  const mounts = [...volumeMounts, plugins].filter(isThere)
  const {initContainers: _i, containers: _c, affinity, serviceAccountName: _s, serviceAccount: _a, ...rest} = spec
  const labels = {'k8s-app': cleanupName, 'app.kubernetes.io/part-of': 'cilium'}
  const base = {image, imagePullPolicy}
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: {name: cleanupName, ...(agent.metadata.namespace && {namespace: agent.metadata.namespace}), labels},
    spec: {
      selector: {matchLabels: {'k8s-app': cleanupName}},
      updateStrategy: {type: 'RollingUpdate', rollingUpdate: {maxUnavailable: '100%'}},
      template: {
        metadata: {labels},
        spec: {
          ...rest,
          volumes,
          ...(affinity?.nodeAffinity === undefined ? {} : {affinity: {nodeAffinity: affinity.nodeAffinity}}),
          // nodes are cleaned without asking the API server
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 0,
          initContainers: [
            {
              ...base,
              name: 'clean',
              command: ['cilium-agent', 'cleanup', '--config-dir=/tmp/cilium/config-map', '--force'],
              env,
              securityContext,
              volumeMounts: mounts,
              terminationMessagePolicy: 'FallbackToLogsOnError',
            },
          ],
          containers: [
            {
              ...base,
              name: 'done',
              command: ['sleep', 'infinity'],
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: {drop: ['ALL']},
              },
            },
          ],
        },
      },
    },
  } as unknown as AnyObject
}

interface CleanupPod {
  readonly spec?: {readonly nodeName?: string}
  readonly status?: {
    readonly initContainerStatuses?: readonly {
      readonly restartCount?: number
      readonly state?: {readonly waiting?: {readonly reason?: string; readonly message?: string}}
      readonly lastState?: {readonly terminated?: {readonly exitCode?: number; readonly message?: string}}
    }[]
    readonly conditions?: readonly {readonly type: string; readonly status: string}[]
  }
}

/** A node's clean-up that has failed so often will not go well by itself. */
const failuresGiveUp = 3

/**
 * Waits until every node is clean.
 *
 * @throws UNINSTALL_CLEANUP when it fails on a node, UNINSTALL_TIMEOUT naming the nodes that did not answer
 */
export async function waitForCleanup(
  access: ClusterAccess,
  cleanup: AnyObject,
  wait: {deadline: number; seconds: number; signal: AbortSignal; say: (text: string) => void},
): Promise<void> {
  const {namespace} = cleanup.metadata
  for (;;) {
    const present = (await access.find(cleanup)) as (AnyObject & {status?: Record<string, number>}) | undefined
    const {desiredNumberScheduled: desired = 0, numberReady: ready = 0, observedGeneration = 0} = present?.status ?? {}
    const pods = await access.list<CleanupPod>(`/api/v1/namespaces/${namespace}/pods`, {
      labelSelector: `k8s-app=${cleanupName}`,
    })
    wait.say(`${ready} of ${desired} nodes are clean`)
    if (observedGeneration >= (present?.metadata.generation ?? 1) && ready >= desired && desired > 0) return
    refuseFailed(pods)
    if (Date.now() > wait.deadline) {
      const left = pods.filter((pod) => !isReady(pod)).map((pod) => pod.spec?.nodeName ?? '?')
      fail(UNINSTALL_TIMEOUT, {seconds: wait.seconds, left: `nodes not cleaned: ${left.join(', ') || 'all'}`})
    }
    await sleep(500, undefined, {signal: wait.signal})
  }
}

function refuseFailed(pods: readonly CleanupPod[]): void {
  for (const pod of pods) {
    const status = pod.status?.initContainerStatuses?.[0]
    const terminated = status?.lastState?.terminated
    if ((status?.restartCount ?? 0) < failuresGiveUp || terminated === undefined) continue
    const detail = `exit code ${terminated.exitCode}: ${(terminated.message ?? '').trim().split('\n')[0]}`
    fail(UNINSTALL_CLEANUP, {node: pod.spec?.nodeName, detail})
  }
}

function isReady({status}: CleanupPod): boolean {
  return status?.conditions?.some(({type, status: is}) => type === 'Ready' && is === 'True') ?? false
}
