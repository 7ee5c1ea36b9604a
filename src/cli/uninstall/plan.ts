/** What an uninstallation will remove, before it removes anything. */
import type {Pod} from '../../k8s/resources.ts'
import {fail} from '../../runtime/errors.ts'
import {objectsOf} from '../chart/release.ts'
import {renderChart} from '../chart/render.ts'
import {toPlain, tree} from '../chart/template/value.ts'
import {withDefaults} from '../chart/values.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {chartFrom} from '../install/chart-source.ts'
import {type AnyObject, type ClusterAccess, nameOf} from '../install/cluster-access.ts'
import {INSTALL_NOT_FOUND} from '../install/errors.ts'
import {ReleaseStore} from '../install/release-store.ts'
import {findCustomObjects} from './custom-objects.ts'
import {cleanupDaemonSet, cleanupName} from './node-cleanup.ts'
import {markedNodes} from './node-marks.ts'
import {findStuckPods, type StuckPods} from './stuck-pods.ts'

export interface UninstallRequest {
  readonly cluster: ClusterOptions
  /** --test-namespace: prefix of the namespaces that connectivity tests made */
  readonly testNamespace: string
  /** --delete-crds */
  readonly deleteDefinitions: boolean
  /** --skip-node-cleanup */
  readonly skipNodeCleanup: boolean
}

export interface UninstallPlan {
  readonly release: string
  readonly namespace: string
  /** version of the release; undefined when it was not installed as one */
  readonly version: string | undefined
  /** objects of the release that are there, in the order of their installation */
  readonly objects: readonly AnyObject[]
  /** the agent's DaemonSet, as it is or as the release has it; undefined when neither is there */
  readonly agent: AnyObject | undefined
  /** why nodes need no cleaning; undefined when they do */
  readonly cleanBecause: string | undefined
  /** an earlier attempt has left the DaemonSet that cleans */
  readonly hasLeftover: boolean
  readonly testNamespaces: readonly string[]
  /** custom resources that users wrote */
  readonly own: readonly AnyObject[]
  /** custom resources that we wrote */
  readonly books: readonly AnyObject[]
  /** definitions that are removed */
  readonly definitions: readonly AnyObject[]
  /** names of definitions that stay, because users' objects are left */
  readonly keptDefinitions: readonly string[]
  readonly markedNodes: readonly string[]
  readonly stuckPods: readonly StuckPods[]
}

/** @throws INSTALL_NOT_FOUND when there is nothing of ours; errors of the Kubernetes client */
export async function planUninstall(access: ClusterAccess, request: UninstallRequest): Promise<UninstallPlan> {
  const {namespace, helmReleaseName: name} = request.cluster
  const release = await new ReleaseStore(access, namespace, name).newest()
  const wanted =
    release === undefined
      ? await defaultObjects(namespace)
      : objectsOf(release).map((object) => toPlain(object) as unknown as AnyObject)
  const present = (await Promise.all(wanted.map((object) => access.find(object)))).map((found, index) =>
    found === undefined ? undefined : {...found, apiVersion: wanted[index]!.apiVersion, kind: wanted[index]!.kind},
  )
  const objects = present
    .filter((object) => object !== undefined)
    .filter((object) => release !== undefined || isOurs(object))
  const isAgent = (object: AnyObject): boolean => object.kind === 'DaemonSet' && object.metadata.name === 'cilium'
  const agent = objects.find(isAgent) ?? (release === undefined ? undefined : wanted.find(isAgent))
  const [custom, nodes, pods, leftover, namespaces] = await Promise.all([
    findCustomObjects(access),
    markedNodes(access),
    access.list<Pod>('/api/v1/pods'),
    access.get(`/apis/apps/v1/namespaces/${namespace}/daemonsets/${cleanupName}`),
    access.list<AnyObject>('/api/v1/namespaces'),
  ])
  if (release === undefined && objects.length === 0 && leftover === undefined && custom.definitions.length === 0) {
    fail(INSTALL_NOT_FOUND, {release: name, namespace})
  }
  const keepsDefinitions = custom.own.length > 0 && !request.deleteDefinitions
  const endpoints = custom.definitions.some(({metadata}) => metadata.name === 'ciliumendpoints.cilium.io')
    ? custom.books.filter(({kind}) => kind === 'CiliumEndpoint')
    : undefined
  return {
    release: name,
    namespace,
    version: release?.chart.metadata.version,
    objects,
    agent,
    hasLeftover: leftover !== undefined,
    cleanBecause: cleanBecause(request, agent, custom.books, pods),
    testNamespaces: namespaces
      .map(({metadata}) => metadata.name)
      .filter((one) => isTestNamespace(one, request.testNamespace)),
    own: custom.own,
    books: custom.books,
    definitions: keepsDefinitions ? [] : custom.definitions,
    keptDefinitions: keepsDefinitions ? custom.definitions.map(({metadata}) => metadata.name) : [],
    markedNodes: nodes,
    // without an agent or its endpoints nobody can tell whose network a pod is on
    stuckPods: endpoints === undefined && agent === undefined ? [] : findStuckPods(pods, endpoints),
  }
}

/** Nodes on which no container of an agent pod ever ran hold nothing of ours. */
function cleanBecause(
  {cluster, skipNodeCleanup}: UninstallRequest,
  agent: AnyObject | undefined,
  books: readonly AnyObject[],
  pods: readonly Pod[],
): string | undefined {
  if (skipNodeCleanup) return '--skip-node-cleanup'
  if (agent === undefined) return 'there was no agent'
  const agents = pods.filter(
    ({metadata}) => metadata.namespace === cluster.namespace && metadata.labels?.['k8s-app'] === 'cilium',
  )
  if (agents.length === 0 || books.length > 0) return undefined
  return agents.some(hasRun) ? undefined : 'no agent ever ran'
}

interface ContainerRun {
  readonly restartCount?: number
  readonly state?: {readonly running?: unknown; readonly terminated?: unknown}
}

function hasRun(pod: Pod): boolean {
  const status = pod.status as {
    readonly initContainerStatuses?: readonly ContainerRun[]
    readonly containerStatuses?: readonly ContainerRun[]
  }
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  return containers.some(({restartCount = 0, state}) => {
    return restartCount > 0 || state?.running !== undefined || state?.terminated !== undefined
  })
}

/** The DaemonSet that cleans the nodes; undefined when they need no cleaning. */
export function plannedCleanup({agent, cleanBecause, namespace}: UninstallPlan): AnyObject | undefined {
  if (agent === undefined || cleanBecause !== undefined) return undefined
  return cleanupDaemonSet({...agent, metadata: {...agent.metadata, namespace}})
}

/** What quick-install.yaml makes: objects of a cluster without a release. */
async function defaultObjects(namespace: string): Promise<readonly AnyObject[]> {
  const chart = await chartFrom(undefined)
  const {manifests} = renderChart(chart, withDefaults(tree(), chart.values).values, {
    releaseName: 'cilium',
    namespace,
    revision: 1,
    isUpgrade: false,
    kubernetesVersion: 'v1.34.0',
  })
  return manifests.map(({object}) => toPlain(object) as unknown as AnyObject)
}

function isOurs({metadata}: AnyObject): boolean {
  return metadata.labels?.['app.kubernetes.io/part-of'] === 'cilium'
}

function isTestNamespace(name: string, prefix: string): boolean {
  return name === prefix || (name.startsWith(`${prefix}-`) && /^(\d+|ccnp\d+)$/.test(name.slice(prefix.length + 1)))
}

/** Objects that run programs: they have to end before nodes can be cleaned. */
export function isWorkload({kind}: AnyObject): boolean {
  return ['DaemonSet', 'Deployment', 'StatefulSet', 'Job', 'CronJob'].includes(kind)
}

/** What is left for later, named for people. */
export function namesOf(objects: readonly AnyObject[]): string {
  const shown = objects.slice(0, 5).map(nameOf).join(', ')
  return objects.length > 5 ? `${shown} and ${objects.length - 5} more` : shown
}
