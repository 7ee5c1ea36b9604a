import type {HealthStatusResponse, StatusResponse} from '../../api/models.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {AGENT_UNREACHABLE} from './errors.ts'
import {isHealthy, type NodeStatusReport} from './status-text.ts'

export type NodeStatus = StatusResponse

const defaultHealthSocket = 'unix:///var/run/cilium/health.sock'

export interface NodeStatusOptions {
  /** only what decides whether the agent works */
  readonly brief: boolean
  /** count an unreachable API server as failure */
  readonly requireKubernetes: boolean
  /** also ask who reaches whom; the health server is a socket of its own */
  readonly withHealth: boolean
  readonly timeoutMs: number
}

/** The status of the agent of this node, and of its paths to other nodes. */
export async function nodeStatus(agent: AgentOptions, options: NodeStatusOptions): Promise<NodeStatusReport> {
  const status = await askAgent<StatusResponse>(agent, '/healthz', {
    headers: {brief: String(options.brief), 'require-k8s-connectivity': String(options.requireKubernetes)},
    timeoutMs: options.timeoutMs,
  })
  const health = options.withHealth && isHealthy(status) ? await nodeHealth(agent) : undefined
  return {status, health}
}

/** What the health server last measured; undefined when nobody answers there. */
async function nodeHealth({signal}: AgentOptions): Promise<HealthStatusResponse | undefined> {
  const host = process.env['CILIUM_HEALTH_SOCK'] ?? defaultHealthSocket
  try {
    return await askAgent<HealthStatusResponse>({host, signal}, '/status', {base: '/v1beta', timeoutMs: 5_000})
  } catch (thrown) {
    if (thrown instanceof CiliumError && thrown.code === AGENT_UNREACHABLE) return undefined
    throw thrown
  }
}
