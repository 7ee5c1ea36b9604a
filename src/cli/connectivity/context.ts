/** Finds what there is to test with: pods by role, nodes, services, agents. */
import {enforce} from './enforce.ts'
import type {Features} from './features.ts'
import type {ConnectivityOptions, ExternalTargets, Family} from './options.ts'
import type {EchoPeer, OutsidePeer, Peer, TestContext} from './test.ts'
import type {EndpointSliceObject, NodeObject, PodObject, ServiceObject, TestCluster} from './test-cluster.ts'
import {echoPort, hostPortOf, plannedWorkloads, type Role, redirectedAddress} from './workloads/objects.ts'

export interface ContextSources {
  readonly namespace: string
  /** counted from 1 */
  readonly number: number
  readonly options: ConnectivityOptions
  readonly features: Features
  readonly external: ExternalTargets
  readonly families: readonly Family[]
  readonly nodes: readonly NodeObject[]
  readonly agents: readonly Peer[]
  readonly neighbours: readonly Peer[]
  readonly outside: OutsidePeer | undefined
  readonly outsideMissing: string
  readonly signal: AbortSignal
}

export async function findContext(cluster: TestCluster, sources: ContextSources): Promise<TestContext> {
  const {namespace, features, number} = sources
  const pods = await cluster.list<PodObject>({apiVersion: 'v1', kind: 'Pod'}, {namespace})
  const services = await cluster.list<ServiceObject>({apiVersion: 'v1', kind: 'Service'}, {namespace})
  const apiServers = await cluster.list<EndpointSliceObject>(
    {apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice'},
    {namespace: 'default', selector: 'kubernetes.io/service-name=kubernetes'},
  )
  const planned = plannedWorkloads({features})
  const ofRole = (role: Role) =>
    planned
      .filter((workload) => workload.role === role)
      .flatMap(({name}) => pods.filter((pod) => isUsable(pod) && pod.metadata.labels?.['name'] === name))
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  const foreign = ofRole('foreign-host').map((pod) => podPeer(cluster, pod))
  return {
    namespace,
    redirected: features.localRedirect
      ? Object.fromEntries(features.families.map((family) => [family, redirectedAddress(family, number)]))
      : {},
    options: sources.options,
    features,
    external: sources.external,
    families: sources.families,
    neighbours: sources.neighbours,
    enforce: (policies) => enforce(cluster, {policies, agents: sources.agents, signal: sources.signal}),
    clients: ofRole('client').map((pod) => podPeer(cluster, pod)),
    echoes: ofRole('echo').map(
      (pod): EchoPeer => ({
        ...podPeer(cluster, pod),
        httpPort: echoPort,
        service: pod.metadata.labels?.['name'] ?? '',
        ...(features.hostPort ? {hostPort: hostPortOf(number)} : {}),
      }),
    ),
    hosts: ofRole('host').map((pod) => podPeer(cluster, pod)),
    nodes: sources.nodes,
    apiServers: apiServers.flatMap(({endpoints}) => (endpoints ?? []).flatMap(({addresses}) => addresses)),
    services: services.filter(({metadata}) => metadata.name.startsWith('echo-')),
    agents: sources.agents,
    outside: sources.outside ?? foreign[0],
    outsideMissing: sources.outsideMissing,
    signal: sources.signal,
  }
}

function isUsable({metadata, status}: PodObject): boolean {
  return status.phase === 'Running' && metadata.deletionTimestamp === undefined
}

/** A pod as somebody who can send; commands run in its first container unless another is named. */
export function podPeer(cluster: TestCluster, pod: PodObject, container?: string): Peer {
  const {name, namespace, labels} = pod.metadata
  const addresses: Partial<Record<Family, string>> = {}
  for (const {ip} of pod.status.podIPs ?? []) addresses[ip.includes(':') ? 'ipv6' : 'ipv4'] ??= ip
  return {
    name: `${namespace}/${name}`,
    addresses,
    ...(labels === undefined ? {} : {labels}),
    ...(pod.spec.nodeName === undefined ? {} : {node: pod.spec.nodeName}),
    exec: (command, options) =>
      cluster.exec({namespace, name, container: container ?? pod.spec.containers[0]!.name}, command, options),
  }
}

/** Usable pods of a workload, in the order of their names. */
export async function workloadPeers(cluster: TestCluster, namespace: string, name: string): Promise<readonly Peer[]> {
  const pods = await cluster.list<PodObject>({apiVersion: 'v1', kind: 'Pod'}, {namespace, selector: `name=${name}`})
  return pods
    .filter(isUsable)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map((pod) => podPeer(cluster, pod))
}
