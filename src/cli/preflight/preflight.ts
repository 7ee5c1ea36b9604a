/** `cilium preflight`: what would be in the way of an installation, of the cluster and of each node. */
import {setTimeout as sleep} from 'node:timers/promises'
import type {PreflightFinding, PreflightNode} from '../../api/preflight.ts'
import {podLogText} from '../../k8s/logs.ts'
import type {Pod} from '../../k8s/resources.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {renderChart} from '../chart/render.ts'
import {checkSchema} from '../chart/schema.ts'
import {readUserValues, type ValueSources} from '../chart/user-values.ts'
import {getPath} from '../chart/value-path.ts'
import {overlay, withDefaults} from '../chart/values.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {chartFrom} from '../install/chart-source.ts'
import {checkCluster} from '../install/check.ts'
import {type AnyObject, ClusterAccess} from '../install/cluster-access.ts'
import {derivedTree, deriveValues} from '../install/derive.ts'
import {detectCluster} from '../install/detect.ts'
import type {ClusterFacts} from '../install/facts.ts'
import {ownedObject} from '../install/plan.ts'
import {offeredBy} from '../install/prepare.ts'
import {preflightDaemonSet, preflightName} from './daemon-set.ts'

export interface PreflightOptions {
  readonly cluster: ClusterOptions
  readonly sources: ValueSources
  readonly chartFolder?: string
  /** look at nodes as well: starts a pod on each, and takes it away */
  readonly nodes: boolean
  readonly waitMs: number
  readonly signal: AbortSignal
}

export interface PreflightReport {
  readonly cluster: readonly PreflightFinding[]
  /** by the node's name */
  readonly nodes: Readonly<Record<string, PreflightNode>>
  readonly errors: number
  readonly warnings: number
}

/** @throws errors of the chart, and of the Kubernetes client when the cluster cannot be asked */
export async function runPreflight(options: PreflightOptions): Promise<PreflightReport> {
  const {cluster: where} = options
  using access = await ClusterAccess.connect(where)
  const chart = await chartFrom(options.chartFolder)
  const {values: user} = await readUserValues(chart, options.sources)
  const facts = await detectCluster(access)
  const derived = deriveValues(facts, user, chart.values, {offers: offeredBy(chart), nodesWithoutCilium: false})
  const {values} = withDefaults(overlay(derivedTree(derived), user), chart.values)
  checkSchema(chart, values)
  const cluster: PreflightFinding[] = derived.notes.map((what) => ({severity: 'warning', what, advice: ''}))
  try {
    checkCluster(facts, values, user, where.namespace)
  } catch (thrown) {
    const {message, advice} = CiliumError.from(thrown)
    cluster.push({severity: 'error', what: message, advice})
  }
  const {manifests} = renderChart(chart, values, {
    releaseName: where.helmReleaseName,
    namespace: where.namespace,
    revision: 1,
    isUpgrade: false,
    kubernetesVersion: facts.kubernetesVersion,
  })
  const objects = manifests.map((manifest) => ownedObject(manifest, where.helmReleaseName, where.namespace))
  const agent = objects.find(({kind, metadata}) => kind === 'DaemonSet' && metadata.name === 'cilium')
  const args = [
    `--routing-mode=${String(getPath(values, 'routingMode') || 'tunnel')}`,
    `--kube-proxy-replacement=${String(getPath(values, 'kubeProxyReplacement'))}`,
    ...apiServers(facts, values).map((server) => `--api=${server}`),
  ]
  const nodes =
    options.nodes && agent !== undefined
      ? await lookAtNodes(access, preflightDaemonSet(agent, args), facts, options)
      : {}
  const all = [...cluster, ...Object.values(nodes).flatMap(({findings}) => findings)]
  const count = (severity: string) => all.filter((one) => one.severity === severity).length
  return {cluster, nodes, errors: count('error'), warnings: count('warning')}
}

function apiServers(facts: ClusterFacts, values: Parameters<typeof getPath>[0]): string[] {
  const [host, port] = [getPath(values, 'k8sServiceHost'), getPath(values, 'k8sServicePort')]
  const brackets = (text: string) => (text.includes(':') ? `[${text}]` : text)
  if (typeof host === 'string' && host !== '' && host !== 'auto') return [`${brackets(host)}:${String(port || 443)}`]
  return facts.apiEndpoints.map((one) => `${brackets(one.host)}:${one.port}`)
}

/** Starts the pods, reads what they say, and takes them away whatever happens. */
async function lookAtNodes(
  access: ClusterAccess,
  daemonSet: AnyObject,
  facts: ClusterFacts,
  options: PreflightOptions,
): Promise<Record<string, PreflightNode>> {
  const {namespace = ''} = daemonSet.metadata
  const found: Record<string, PreflightNode> = {}
  const reasons = new Map<string, string>()
  try {
    await access.apply(daemonSet, {signal: options.signal})
    const deadline = Date.now() + options.waitMs
    for (;;) {
      const pods = await access.list<Pod>(`/api/v1/namespaces/${namespace}/pods`, {
        labelSelector: `k8s-app=${preflightName}`,
      })
      for (const pod of pods) {
        const node = pod.spec?.nodeName ?? ''
        if (node in found) continue
        const {state, lastState} = pod.status?.containerStatuses?.[0] ?? {}
        const ended = state?.terminated ?? lastState?.terminated
        const reason = ended?.message ?? ended?.reason ?? state?.waiting?.message ?? state?.waiting?.reason
        reasons.set(node, reason?.trim() ?? 'it has not started')
        if (state?.running === undefined) continue
        const text = await podLogText(access.client, {namespace, pod: pod.metadata.name, signal: options.signal})
        const line = text.split('\n').find((one) => one.startsWith('{'))
        if (line !== undefined) found[node] = JSON.parse(line) as PreflightNode
      }
      if (facts.nodes.every(({name}) => name in found) || Date.now() > deadline) break
      await sleep(500, undefined, {signal: options.signal})
    }
  } finally {
    await access.delete(daemonSet, {propagation: 'Background'})
  }
  for (const {name, kernel} of facts.nodes) found[name] ??= unanswered(kernel, reasons.get(name))
  return found
}

function unanswered(kernel: string, reason: string | undefined): PreflightNode {
  const what =
    reason === undefined ? 'no pod was put on this node' : `the pod that looks at this node did not run: ${reason}`
  const advice =
    reason === undefined
      ? 'taints or node selectors keep agents away: see tolerations and nodeSelector'
      : 'kubectl describe shows the pod; agents need the same image and rights'
  return {kernel, missing: [], findings: [{severity: 'error', what, advice}]}
}
