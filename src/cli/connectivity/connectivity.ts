/** `cilium connectivity test`: finds out what the cluster can do, deploys, runs the suite, reports. */
import type {StatusResponse} from '../../api/models.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {productVersion} from '../../runtime/version.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {duration} from '../render/duration.ts'
import {cleanUp} from './cleanup.ts'
import {findContext, podPeer, workloadPeers} from './context.ts'
import {deploy, deployNeighbour} from './deploy.ts'
import {findDrops} from './drops.ts'
import {TEST_AGENTS_MISSING, TEST_FAMILIES_NONE, TEST_TIMED_OUT} from './errors.ts'
import {detectFeatures, type Features, isForeign} from './features.ts'
import type {ConnectivityOptions, Family} from './options.ts'
import {commandPeer, findLab, type LabPlan, labOutside} from './outside.ts'
import type {SuiteReport, TestResult} from './report.ts'
import {needsNeighbours} from './requirements.ts'
import {type Progress, runTests} from './runner.ts'
import {selectTests} from './selection.ts'
import {suite} from './suite.ts'
import type {ConnectivityTest, OutsidePeer, Peer} from './test.ts'
import type {KubernetesObject, NodeObject, PodObject, TestCluster, WorkloadObject} from './test-cluster.ts'
import {neighbour, neighbourNamespaces} from './workloads/objects.ts'

const runtimeConfigFile = '/var/run/cilium/state/agent-runtime-config.json'
const agentContainer = 'cilium-agent'
/** kube-proxy's own health server on the node of the agent: some clusters run it inside of another process */
const kubeProxyProbe = ['curl', '--silent', '--fail', '--max-time', '2', 'http://127.0.0.1:10256/healthz']

export interface SuiteHooks extends Progress {
  /** what is being set up */
  say(line: string): void
  /** the suite begins */
  suiteStarted(tests: number, namespaces: readonly string[]): void
  /** after a failed action with --pause-on-fail; resolves when it may go on */
  pause(): Promise<void>
}

export interface SuiteRun {
  readonly cluster: TestCluster
  readonly where: ClusterOptions
  readonly options: ConnectivityOptions
  readonly hooks: SuiteHooks
  readonly repeat: (pattern: string) => string
  readonly signal: AbortSignal
}

/** Opens a connection for the connectivity test. */
export async function withTestCluster<T>(
  where: ClusterOptions,
  signal: AbortSignal,
  use: (cluster: TestCluster) => Promise<T>,
): Promise<T> {
  const {connectTestCluster} = await import('./kubernetes-cluster.ts')
  await using cluster = await connectTestCluster(where, signal)
  return await use(cluster)
}

/**
 * Runs the tests that are chosen.
 *
 * @throws what keeps the suite from running at all; failed tests are in the report
 */
export async function runSuite(run: SuiteRun): Promise<SuiteReport> {
  const {cluster, options, hooks, where} = run
  const started = performance.now()
  const tests = selectTests(suite, options.tests)
  const timeout = options.timeoutMs === 0 ? undefined : AbortSignal.timeout(options.timeoutMs)
  const signal = timeout === undefined ? run.signal : AbortSignal.any([run.signal, timeout])
  try {
    const found = await lookAround(run, signal)
    const {features, nodes, agents, image} = found
    const families = testedFamilies(features, options)
    const namespaces = Array.from(
      {length: options.concurrency},
      (_, index) => `${options.namespacePrefix}-${index + 1}`,
    )

    if (options.forceDeploy) {
      hooks.say(`🗑  Deleting the workloads of earlier runs…`)
      await cleanUp(cluster, options.namespacePrefix, signal)
    }
    const plan = {image, options, features}
    const say = (line: string) => hooks.say(line)
    const beside = needNeighbours(tests) ? neighbourNamespaces(options) : []
    await Promise.all([
      ...namespaces.map((namespace, index) => deploy(cluster, {...plan, namespace, number: index + 1}, {signal, say})),
      ...beside.map((namespace) => deployNeighbour(cluster, {...plan, namespace, number: 0}, {signal, say})),
    ])
    const neighbours = (
      await Promise.all(beside.map((namespace) => workloadPeers(cluster, namespace, neighbour.name)))
    ).flat()
    const lab = findLab(cluster.server)
    const {outside, missing} = findOutside(run, lab, nodes)
    const external = {...options.external, ...externalAbilities(options, lab !== undefined)}
    const contexts = await Promise.all(
      namespaces.map((namespace, index) =>
        findContext(cluster, {
          ...{namespace, number: index + 1, options, features, external, families, nodes, agents, neighbours, signal},
          ...{outside, outsideMissing: missing},
        }),
      ),
    )
    hooks.suiteStarted(tests.length, namespaces)
    const results = await runTests(contexts, tests, {
      progress: hooks,
      repeat: run.repeat,
      findDrops,
      ...(options.pauseOnFail ? {onFailure: () => hooks.pause()} : {}),
    })
    return makeReport(results, features, started)
  } catch (thrown) {
    if (timeout?.aborted === true && !run.signal.aborted) {
      fail(TEST_TIMED_OUT, {timeout: duration(options.timeoutMs)}, {cause: thrown})
    }
    if (thrown instanceof CiliumError && thrown.code === TEST_AGENTS_MISSING) {
      fail(TEST_AGENTS_MISSING, {namespace: where.namespace}, {cause: thrown})
    }
    throw thrown
  }
}

/** The report of a suite that could not run, for readers that expect one. */
export function setupFailure(thrown: unknown): SuiteReport {
  const {code, message} = CiliumError.from(thrown)
  return {
    outcome: 'failed',
    version: productVersion().version,
    seconds: 0,
    features: {},
    tests: [],
    setupError: {code, message},
  }
}

function makeReport(tests: readonly TestResult[], features: Features, started: number): SuiteReport {
  return {
    outcome: tests.some(({outcome}) => outcome === 'failed') ? 'failed' : 'passed',
    version: productVersion().version,
    seconds: Math.round(performance.now() - started) / 1000,
    features: {...features},
    tests,
  }
}

function needNeighbours(tests: readonly ConnectivityTest[]): boolean {
  return tests.some(({requires = []}) => requires.includes(needsNeighbours))
}

interface Surroundings {
  readonly features: Features
  readonly nodes: readonly NodeObject[]
  readonly agents: readonly Peer[]
  readonly image: string
}

/** Reads all that features and workloads depend on. */
async function lookAround({cluster, where, options, hooks}: SuiteRun, signal: AbortSignal): Promise<Surroundings> {
  const {namespace} = where
  const [nodes, agentPods, config, agentDaemonSet, kubeProxy] = await Promise.all([
    cluster.list<NodeObject>({apiVersion: 'v1', kind: 'Node'}),
    cluster.list<PodObject>({apiVersion: 'v1', kind: 'Pod'}, {namespace, selector: options.agentSelector}),
    cluster.get<KubernetesObject>({apiVersion: 'v1', kind: 'ConfigMap', name: 'cilium-config', namespace}),
    cluster.get<WorkloadObject>({apiVersion: 'apps/v1', kind: 'DaemonSet', name: options.agentDaemonSet, namespace}),
    cluster.get<WorkloadObject>({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      name: 'kube-proxy',
      namespace: 'kube-system',
    }),
  ])
  const agents = agentPods
    .filter(({status}) => status.phase === 'Running')
    .map((pod) => podPeer(cluster, pod, agentContainer))
  const [first] = agents
  if (first === undefined) return fail(TEST_AGENTS_MISSING, {namespace})
  const readJson = async <T>(command: readonly string[]): Promise<T> => {
    const {stdout} = await first.exec(command, {signal, timeoutMs: 60_000})
    return JSON.parse(stdout) as T
  }
  const status = await readJson<StatusResponse>(['cilium', 'status', '-o', 'json'])
  const runtimeConfig = await readJson<Record<string, unknown>>(['cat', runtimeConfigFile])
  const health = await first.exec(kubeProxyProbe, {signal, timeoutMs: 60_000})
  const detected = detectFeatures({
    config: (config?.['data'] as Record<string, string> | undefined) ?? {},
    ...{runtimeConfig, status, nodes, agentDaemonSet},
    kubeProxy: kubeProxy !== undefined || health.exitCode === 0,
  })
  const features = options.singleNode === undefined ? detected : {...detected, singleNode: options.singleNode}
  hooks.say(`ℹ️  Cilium version: ${status.cilium?.msg ?? 'unknown'}, ${describeFeatures(features)}`)
  const agentImage = agentDaemonSet?.spec.template?.spec?.containers?.find(({name}) => name === agentContainer)?.image
  return {features, nodes, agents, image: options.image ?? agentImage ?? `cilium:${productVersion().version}`}
}

function describeFeatures({families, tunnel, services, singleNode}: Features): string {
  return [
    `families ${families.join(' and ')}`,
    tunnel === undefined ? 'native routing' : `${tunnel} tunnels`,
    services === undefined ? 'no service addresses' : `services by ${services}`,
    ...(singleNode ? ['one node'] : []),
  ].join(', ')
}

function testedFamilies(features: Features, options: ConnectivityOptions): readonly Family[] {
  const families = options.families.filter((family) => features.families.includes(family))
  return families.length === 0 ? fail(TEST_FAMILIES_NONE, {families: options.families.join(', ')}) : families
}

/** What outside targets can do, unless flags say: the Internet speaks TLS; the lab's outside does not, but has IPv6. */
function externalAbilities({external}: ConnectivityOptions, isLab: boolean) {
  return {tls: external.tls ?? !isLab, targetHasIpv6: external.targetHasIpv6 ?? isLab}
}

/** Who stands outside: the flag, else the lab's outside, else a node without Cilium (found with the pods). */
function findOutside(
  {options, hooks}: SuiteRun,
  lab: LabPlan | undefined,
  nodes: readonly NodeObject[],
): {outside: OutsidePeer | undefined; missing: string} {
  const missing = 'no machine outside of the cluster is known: name one with --outside-exec'
  const inLab =
    lab === undefined
      ? undefined
      : labOutside(
          lab,
          nodes.filter((node) => !isForeign(node)),
        )
  if (options.outsideExec.length > 0) {
    // whatever stands outside of a lab, the lab's router has to know the way
    const routes = inLab?.openRoutes === undefined ? {} : {openRoutes: inLab.openRoutes}
    return {outside: {...commandPeer(options.outsideExec), ...routes}, missing}
  }
  if (lab !== undefined) hooks.say(`🧪 This cluster is the lab "${lab.name}" of this machine: its outside takes part`)
  return {outside: inLab, missing}
}
