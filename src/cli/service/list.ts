/** `cilium service list`: asks the API server what is wanted, and every agent what it has made of it. */
import type {Service as AgentService} from '../../api/models.ts'
import {execOutput} from '../../k8s/exec.ts'
import {objects} from '../../k8s/objects.ts'
import {type EndpointSlice, type Pod, resources, type Service} from '../../k8s/resources.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {connectCluster} from '../kubernetes.ts'
import {compareServices, type NodeServices, type ServiceListRow} from './comparison.ts'

export interface ServiceList {
  readonly services: readonly ServiceListRow[]
  /** agents that could not be asked, and why */
  readonly silent: readonly {readonly node: string; readonly error: string}[]
}

export interface ServiceListOptions {
  /** only agents of this node */
  readonly node: string | undefined
  /** only services of this namespace */
  readonly serviceNamespace: string | undefined
  /** only what is not as it should be */
  readonly differences: boolean
  readonly signal: AbortSignal
}

const execMs = 45_000
const atOnce = 8

/** @throws errors of the Kubernetes client */
export async function listClusterServices(where: ClusterOptions, options: ServiceListOptions): Promise<ServiceList> {
  const {signal, serviceNamespace, node} = options
  const client = await connectCluster(where)
  try {
    const scope = {signal, ...(serviceNamespace === undefined ? {} : {namespace: serviceNamespace})}
    const labelSelector = 'k8s-app=cilium'
    const [services, slices, pods] = await Promise.all([
      objects<Service>(client, resources.services).listAll(scope),
      objects<EndpointSlice>(client, resources.endpointSlices).listAll(scope),
      objects<Pod>(client, resources.pods).listAll({namespace: where.namespace, labelSelector, signal}),
    ])
    const agents = pods.filter(({spec}) => node === undefined || spec?.nodeName === node)
    const asked: NodeServices[] = []
    for (let i = 0; i < agents.length; i += atOnce)
      asked.push(...(await Promise.all(agents.slice(i, i + atOnce).map((pod) => ask(pod)))))
    const rows = compareServices(services, slices, asked)
    return {
      services: options.differences ? rows.filter(({differences}) => differences.length > 0) : rows,
      silent: asked.filter(({services}) => services === undefined).map(({node, error}) => ({node, error})),
    }
  } finally {
    client.close()
  }

  async function ask({metadata, spec}: Pod): Promise<NodeServices> {
    const name = spec?.nodeName ?? metadata.name
    try {
      const {stdout, stderr, exitCode} = await execOutput(client, {
        namespace: where.namespace,
        pod: metadata.name,
        container: 'cilium-agent',
        command: ['cilium-dbg', 'service', 'list', '-o', 'json'],
        signal: AbortSignal.any([signal, AbortSignal.timeout(execMs)]),
      })
      if (exitCode !== 0) return {node: name, services: undefined, error: stderr.trim().split('\n')[0] ?? ''}
      return {node: name, services: JSON.parse(stdout) as AgentService[], error: ''}
    } catch (thrown) {
      if (signal.aborted) throw thrown
      return {node: name, services: undefined, error: CiliumError.from(thrown).message}
    }
  }
}
