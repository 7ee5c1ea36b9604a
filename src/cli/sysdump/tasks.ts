/** What a sysdump collects: a list of small tasks, none of which needs another. */
import {execOutput} from '../../k8s/exec.ts'
import {podLogText} from '../../k8s/logs.ts'
import {type KubeObject, type Pod, pathOf, resources} from '../../k8s/resources.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {decodeRelease, type ReleaseSecret} from '../chart/release.ts'
import type {ClusterAccess} from '../install/cluster-access.ts'
import type {SysdumpOptions} from './options.ts'

export interface Task {
  readonly name: string
  /** part of --quick */
  readonly quick: boolean
  readonly run: (context: TaskContext) => Promise<void>
}

export interface TaskContext {
  readonly access: ClusterAccess
  readonly options: SysdumpOptions
  readonly signal: AbortSignal
  /** an object or list, scrubbed, as YAML */
  object(name: string, value: unknown): Promise<void>
  /** a text, scrubbed */
  text(name: string, text: string): Promise<void>
}

/** Kinds that are listed whole, by file name. What a cluster does not know is an empty list. */
const lists: Readonly<Record<string, string>> = {
  nodes: '/api/v1/nodes',
  namespaces: '/api/v1/namespaces',
  pods: '/api/v1/pods',
  services: '/api/v1/services',
  endpoints: '/api/v1/endpoints',
  events: '/api/v1/events',
  endpointslices: '/apis/discovery.k8s.io/v1/endpointslices',
  networkpolicies: '/apis/networking.k8s.io/v1/networkpolicies',
  ingresses: '/apis/networking.k8s.io/v1/ingresses',
  ingressclasses: '/apis/networking.k8s.io/v1/ingressclasses',
  leases: '/apis/coordination.k8s.io/v1/leases',
  customresourcedefinitions: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  gateways: '/apis/gateway.networking.k8s.io/v1/gateways',
  gatewayclasses: '/apis/gateway.networking.k8s.io/v1/gatewayclasses',
  httproutes: '/apis/gateway.networking.k8s.io/v1/httproutes',
  nodemetrics: '/apis/metrics.k8s.io/v1beta1/nodes',
  podmetrics: '/apis/metrics.k8s.io/v1beta1/pods',
}

const ciliumLists: Readonly<Record<string, string>> = {
  ciliumnetworkpolicies: 'v2',
  ciliumclusterwidenetworkpolicies: 'v2',
  ciliumendpoints: 'v2',
  ciliumidentities: 'v2',
  ciliumnodes: 'v2',
  ciliumnodeconfigs: 'v2',
  ciliumcidrgroups: 'v2',
  ciliumlocalredirectpolicies: 'v2',
  ciliumloadbalancerippools: 'v2',
  ciliuml2announcementpolicies: 'v2alpha1',
}

/** Asked of every agent. The tool runs in its pod and gathers the rest. */
const bugtool = ['cilium-bugtool', '--stdout']
const bugtoolBytes = 256 << 20

export function clusterTasks({cluster}: SysdumpOptions): Task[] {
  const {namespace, helmReleaseName} = cluster
  const list = (name: string, path: string, labelSelector?: string): Task => ({
    name,
    quick: true,
    run: async ({access, object}) =>
      object(`${name}.yaml`, {
        items: await access.list<KubeObject>(path, labelSelector === undefined ? {} : {labelSelector}),
      }),
  })
  return [
    {
      name: 'version of Kubernetes',
      quick: true,
      run: async ({access, object, signal}) => object('kubernetes-version.yaml', await access.get('/version', signal)),
    },
    ...Object.entries(lists).map(([name, path]) => list(name, path)),
    ...Object.entries(ciliumLists).map(([name, version]) => list(name, `/apis/cilium.io/${version}/${name}`)),
    ...['daemonsets', 'deployments', 'replicasets'].map((kind) =>
      list(`cilium-${kind}`, `/apis/apps/v1/namespaces/${namespace}/${kind}`),
    ),
    list('configmaps', `/api/v1/namespaces/${namespace}/configmaps`),
    list('clusterroles', '/apis/rbac.authorization.k8s.io/v1/clusterroles', 'app.kubernetes.io/part-of=cilium'),
    {name: 'summary of pods', quick: true, run: podSummary},
    {name: 'release', quick: true, run: (context) => release(context, namespace, helmReleaseName)},
    {name: 'status', quick: true, run: status},
  ]
}

/** Per pod of ours: logs, and what agents say of themselves. */
export function podTasks(pods: readonly Pod[], agents: ReadonlySet<string>): Task[] {
  return pods.flatMap((pod) => {
    const {name} = pod.metadata
    const tasks: Task[] = [{name: `logs of ${name}`, quick: false, run: (context) => logs(context, pod)}]
    if (agents.has(name)) {
      tasks.push({name: `agent ${name}`, quick: false, run: (context) => agent(context, pod)})
      tasks.push({name: `flows of ${name}`, quick: false, run: (context) => flows(context, pod)})
    }
    return tasks
  })
}

async function podSummary({access, text}: TaskContext): Promise<void> {
  const pods = await access.list<Pod>('/api/v1/pods')
  const lines = pods.map(({metadata, spec, status}) => {
    const containers = status?.containerStatuses ?? []
    const restarts = containers.reduce((sum, {restartCount}) => sum + (restartCount ?? 0), 0)
    const ready = containers.filter((one) => one.ready).length
    const columns = [metadata.namespace, metadata.name, `${ready}/${containers.length}`, status?.phase, restarts]
    return [...columns, status?.podIP ?? '-', spec?.nodeName ?? '-'].join('\t')
  })
  await text('pods-summary.txt', ['NAMESPACE\tNAME\tREADY\tSTATUS\tRESTARTS\tIP\tNODE', ...lines, ''].join('\n'))
}

async function release({access, object}: TaskContext, namespace: string, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/secrets`
  const secrets = await access.list<KubeObject & ReleaseSecret>(path, {labelSelector: `owner=helm,name=${name}`})
  const releases = await Promise.all(secrets.map(decodeRelease))
  releases.sort((a, b) => b.version - a.version)
  const history = releases.map(({version, info, chart}) => ({
    revision: version,
    status: info.status,
    deployed: info.last_deployed,
    description: info.description,
    chart: chart.metadata.version,
  }))
  await object('release-history.yaml', history)
  await object('release-values.yaml', releases[0]?.config ?? {})
}

async function status({options, signal, object, text}: TaskContext): Promise<void> {
  const [{clusterStatus}, {statusText}] = await Promise.all([
    import('../status/status.ts'),
    import('../status/render.ts'),
  ])
  const {plain} = await import('../render/style.ts')
  const {report} = await clusterStatus(options.cluster, {
    wait: false,
    waitMs: 0,
    ignoreWarnings: false,
    workerCount: options.workerCount,
    verbose: true,
    signal,
  })
  await object('cilium-status.yaml', report)
  await text('cilium-status.txt', statusText(report, plain))
}

async function logs({access, options, signal, text}: TaskContext, pod: Pod): Promise<void> {
  const {namespace = options.cluster.namespace, name} = pod.metadata
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const states = pod.status?.containerStatuses ?? []
  const failed: string[] = []
  for (const {name: container} of containers) {
    const restarts = states.find((one) => one.name === container)?.restartCount ?? 0
    const wanted = {namespace, pod: name, container, signal, limitBytes: options.logsLimitBytes, timestamps: true}
    const since = {sinceSeconds: options.logsSinceSeconds}
    const collect = async (file: string, log: Promise<string>) => {
      try {
        await text(`logs/${name}/${file}.log`, await log)
      } catch (thrown) {
        // one container that has not started says nothing of the others
        failed.push(CiliumError.from(thrown).message)
      }
    }
    await collect(container, podLogText(access.client, {...wanted, ...since}))
    if (restarts > 0) await collect(`${container}-previous`, podLogText(access.client, {...wanted, previous: true}))
  }
  if (failed.length > 0) throw new Error(failed.join('; '))
}

async function agent({access, options, signal, text}: TaskContext, pod: Pod): Promise<void> {
  const {namespace = options.cluster.namespace, name} = pod.metadata
  const {stdout, stderr, exitCode} = await execOutput(access.client, {
    namespace,
    pod: name,
    container: 'cilium-agent',
    command: bugtool,
    signal,
    limitBytes: bugtoolBytes,
  })
  if (exitCode !== 0) throw new Error(`cilium-bugtool ended with ${exitCode}: ${stderr.slice(0, 300)}`)
  const {files} = JSON.parse(stdout) as {files: Readonly<Record<string, string>>}
  for (const [file, content] of Object.entries(files)) await text(`agents/${name}/${file}`, content)
}

async function flows({access, options, signal, text}: TaskContext, pod: Pod): Promise<void> {
  if (options.flowCount === 0) return
  const {namespace = options.cluster.namespace, name} = pod.metadata
  const {stdout, stderr, exitCode} = await execOutput(access.client, {
    namespace,
    pod: name,
    container: 'cilium-agent',
    command: ['hubble', 'observe', '--last', String(options.flowCount), '-o', 'json'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(options.flowTimeoutMs + 5_000)]),
    limitBytes: 256 << 20,
  })
  if (exitCode !== 0) throw new Error(`hubble observe ended with ${exitCode}: ${stderr.slice(0, 300)}`)
  await text(`flows/${name}.jsonl`, stdout)
}

/** The pods with these labels. */
export async function podsBy(access: ClusterAccess, namespace: string, selector: string): Promise<readonly Pod[]> {
  return await access.list<Pod>(pathOf(resources.pods, {namespace}), {labelSelector: selector})
}
