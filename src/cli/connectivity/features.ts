/** What this cluster can do, from the configuration, the agents and the nodes. Tests ask this before they run. */
import type {StatusResponse} from '../../api/models.ts'
import type {Family} from './options.ts'
import type {NodeObject, WorkloadObject} from './test-cluster.ts'

export interface Features {
  readonly families: readonly Family[]
  readonly tunnel: string | undefined
  /** who translates service addresses; undefined: nobody */
  readonly services: 'kube-proxy-replacement' | 'kube-proxy' | undefined
  readonly nodePort: boolean
  readonly hostPort: boolean
  readonly health: boolean
  readonly localRedirect: boolean
  readonly singleNode: boolean
  /** policies for nodes are enforced */
  readonly hostFirewall: boolean
  /** prefixes of policies mean nodes, too */
  readonly cidrMatchesNodes: boolean
  /** nodes that the network does not manage */
  readonly foreignNodes: readonly string[]
}

/** Everything that features are read from. */
export interface FeatureSources {
  readonly config: Readonly<Record<string, string>>
  /** /var/run/cilium/state/agent-runtime-config.json of an agent */
  readonly runtimeConfig: Readonly<Record<string, unknown>>
  readonly status: StatusResponse
  readonly nodes: readonly NodeObject[]
  readonly agentDaemonSet: WorkloadObject | undefined
  /** kube-proxy runs on the nodes, in whatever form */
  readonly kubeProxy: boolean
}

export const noScheduleLabel = 'cilium.io/no-schedule'
const controlPlaneTaints: ReadonlySet<string> = new Set([
  'node-role.kubernetes.io/control-plane',
  'node-role.kubernetes.io/master',
])

/** Reads the features. What is not said anywhere is taken as absent, so that its tests are skipped with a reason. */
export function detectFeatures(sources: FeatureSources): Features {
  const {config, status, nodes, kubeProxy} = sources
  const replacement = status['kube-proxy-replacement']
  const replaces = replacement?.mode?.toLowerCase() === 'true'
  const chaining = status['cni-chaining']?.mode ?? config['cni-chaining-mode'] ?? 'none'
  const firewall = status['host-firewall']?.mode?.toLowerCase() === 'enabled'
  const foreignNodes = nodes.filter(isForeign).map(({metadata}) => metadata.name)
  return {
    families: (['ipv4', 'ipv6'] as const).filter((family) => config[`enable-${family}`] === 'true'),
    tunnel: config['routing-mode'] === 'native' ? undefined : (config['tunnel-protocol'] ?? 'vxlan'),
    services: replaces ? 'kube-proxy-replacement' : kubeProxy ? 'kube-proxy' : undefined,
    nodePort: replaces ? replacement?.features?.nodePort?.enabled === true : kubeProxy,
    hostPort: replaces || (chaining === 'portmap' && !firewall),
    health:
      isTrue(sources.runtimeConfig, 'EnableHealthChecking') &&
      isTrue(sources.runtimeConfig, 'EnableEndpointHealthChecking'),
    localRedirect: replaces && config['enable-local-redirect-policy'] === 'true',
    singleNode: isSingleNode(sources),
    hostFirewall: config['enable-host-firewall'] === 'true',
    cidrMatchesNodes: (config['policy-cidr-match-mode'] ?? '').split(/[\s,]+/).includes('nodes'),
    foreignNodes,
  }
}

export function isForeign({metadata}: NodeObject): boolean {
  const value = metadata.labels?.[noScheduleLabel]
  return value !== undefined && value !== 'false'
}

/** Does it carry the control plane, by its label? */
export function isControlPlane({metadata}: NodeObject): boolean {
  return Object.keys(metadata.labels ?? {}).some((label) => controlPlaneTaints.has(label))
}

/** One agent, or one node that takes ordinary pods. */
function isSingleNode({agentDaemonSet, nodes}: FeatureSources): boolean {
  if (agentDaemonSet?.status['desiredNumberScheduled'] === 1) return true
  const workers = nodes.filter(
    (node) =>
      !isForeign(node) &&
      node.spec.unschedulable !== true &&
      !(node.spec.taints ?? []).some(({key, effect}) => effect === 'NoSchedule' && controlPlaneTaints.has(key)),
  )
  return workers.length < 2
}

/** Keys of the runtime configuration are matched in any case. */
function isTrue(config: Readonly<Record<string, unknown>>, key: string): boolean {
  return Object.entries(config).some(([name, value]) => name.toLowerCase() === key.toLowerCase() && value === true)
}
