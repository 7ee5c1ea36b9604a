/** What tests of Hubble on a lab share: traffic of a pod, and what nodes and relay say of it. */
import {execa} from 'execa'
import {type Cluster, imageName} from '../lab/cluster.ts'

export interface ShownFlow {
  readonly verdict: string
  readonly node_name: string
  readonly drop_reason_desc?: string | number
  readonly trace_observation_point?: string
  readonly is_reply?: boolean
  readonly source?: {readonly pod_name?: string; readonly workloads?: readonly {readonly name: string}[]}
  readonly destination?: {readonly pod_name?: string}
  readonly destination_service?: {readonly name: string}
  readonly sock_xlate_point?: string
  readonly tunnel?: unknown
  readonly Summary?: string
  readonly time: string
  readonly event_type: {readonly type: number}
  readonly traffic_direction?: string
  readonly ingress_denied_by?: readonly object[]
}

export interface ShownAnswer {
  readonly agent_event?: {
    readonly type: string
    readonly policy_update?: {readonly labels?: readonly string[]}
  }
}

const socket = '--server=unix:///var/run/cilium/hubble.sock'

export function container(...command: string[]): object {
  return {name: 'main', image: imageName, imagePullPolicy: 'Never', command}
}

export function service(name: string, selector: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {name, namespace: 'default'},
    spec: {selector, ipFamilyPolicy: 'RequireDualStack', ports: [{name: 'http', port: 80, targetPort: 8080}]},
  }
}

export const bracketed = (ip: string) => (ip.includes(':') ? `[${ip}]` : ip)

/** A cluster with pod `client` and workload `web` in the namespace default. */
export function flowLab(cluster: Cluster) {
  const inClient = (...command: string[]) =>
    cluster.kubectl('exec', 'client', '--', 'sh', '-c', `${command.join(' ')} || true`)

  async function addresses(kind: 'pod' | 'svc', query: string): Promise<readonly string[]> {
    const path = kind === 'pod' ? '{.items[0].status.podIPs[*].ip}' : '{.spec.clusterIPs[*]}'
    const which = kind === 'pod' ? ['-l', query] : [query]
    return (await cluster.kubectl('get', kind, ...which, '-o', `jsonpath=${path}`)).split(' ')
  }

  async function agentOn(node: string): Promise<string> {
    const query = ['-l', 'k8s-app=cilium', '--field-selector', `spec.nodeName=${node}`, '-o', 'name']
    return await cluster.kubectl('-n', 'kube-system', 'get', 'pod', ...query)
  }

  /** Flows of the client that a node remembers, beginning at a time. */
  async function seen(node: string, since: string, ...filters: string[]): Promise<readonly ShownFlow[]> {
    const observe = ['hubble', 'observe', socket, '--since', since, '--pod', 'default/client', '-o', 'json', ...filters]
    const text = await cluster.kubectl('-n', 'kube-system', 'exec', await agentOn(node), '--', ...observe)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as {flow: ShownFlow}).flow)
  }

  /** What `hubble observe KIND` says at a node's own socket. */
  async function hubbleAt(node: string, ...args: string[]): Promise<readonly ShownAnswer[]> {
    const observe = ['hubble', 'observe', ...args, socket]
    const text = await cluster.kubectl('-n', 'kube-system', 'exec', await agentOn(node), '--', ...observe)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ShownAnswer)
  }

  /** `hubble ...` through the relay; never throws for an exit code. */
  const typed = (...args: string[]) =>
    execa(process.execPath, ['bin/hubble.js', ...args, '-P', '--port-forward-port', '0'], {
      env: {KUBECONFIG: cluster.kubeconfig, NO_COLOR: '1'},
      reject: false,
      stdin: 'ignore',
    })
  const hubble = async (...args: string[]) => (await typed(...args)).stdout

  return {inClient, addresses, agentOn, seen, hubbleAt, typed, hubble}
}
