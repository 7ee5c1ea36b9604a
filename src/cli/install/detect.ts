/** Finds out what kind of cluster this is: reads objects, decides nothing, changes nothing. */
import type {ClusterAccess} from './cluster-access.ts'
import type {ClusterFacts, ClusterKind, KubeProxyFact, NodeFact} from './facts.ts'

interface Meta {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface NodeObject {
  readonly metadata: Meta
  readonly spec?: {
    readonly podCIDR?: string
    readonly podCIDRs?: readonly string[]
    readonly providerID?: string
    readonly taints?: readonly {readonly key: string; readonly effect: string}[]
  }
  readonly status?: {
    readonly addresses?: readonly {readonly type: string; readonly address: string}[]
    readonly nodeInfo?: {
      readonly kernelVersion?: string
      readonly kubeletVersion?: string
      readonly operatingSystem?: string
    }
    readonly images?: readonly {readonly names?: readonly string[]}[]
  }
}

interface NamedObject {
  readonly metadata: Meta
}

/** DaemonSets by which other pod networks are known. */
const knownNetworks: Readonly<Record<string, string>> = {
  'antrea-agent': 'antrea',
  'aws-node': 'the AWS VPC CNI',
  'azure-cni': 'Azure CNI',
  'calico-node': 'calico',
  canal: 'canal',
  kindnet: 'kindnet',
  'kube-flannel': 'flannel',
  'kube-flannel-ds': 'flannel',
  'kube-ovn-cni': 'kube-ovn',
  'kube-router': 'kube-router',
  'ovnkube-node': 'OVN-Kubernetes',
  'rke2-canal': 'canal',
  'weave-net': 'weave',
}

/** @throws errors of the Kubernetes client when the API server cannot be reached */
export async function detectCluster(access: ClusterAccess): Promise<ClusterFacts> {
  const [version, nodes, daemonSets, services, ranges, slices, info, policies] = await Promise.all([
    access.get<{gitVersion: string}>('/version'),
    access.list<NodeObject>('/api/v1/nodes'),
    access.list<NamedObject>('/apis/apps/v1/daemonsets'),
    access.list<{spec?: {clusterIPs?: readonly string[]}}>('/api/v1/services'),
    access.list<{spec?: {cidrs?: readonly string[]}}>('/apis/networking.k8s.io/v1/servicecidrs'),
    access.list<EndpointSlice>('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      labelSelector: 'kubernetes.io/service-name=kubernetes',
    }),
    access.get<{data?: Readonly<Record<string, string>>}>('/api/v1/namespaces/kube-public/configmaps/cluster-info'),
    access.list<NamedObject>('/apis/networking.k8s.io/v1/networkpolicies'),
  ])
  const linux = nodes.filter((node) => (node.status?.nodeInfo?.operatingSystem ?? 'linux') === 'linux')
  const kind = clusterKind(linux, access.context)
  const cidrs = ranges.flatMap((range) => range.spec?.cidrs ?? [])
  const addresses = services
    .flatMap((service) => service.spec?.clusterIPs ?? [])
    .filter((ip) => ip !== 'None' && ip !== '')
  return {
    context: access.context,
    server: access.server,
    kubernetesVersion: version?.gitVersion ?? 'v0.0.0',
    kind,
    nodes: linux.map(nodeFact).sort((a, b) => (a.name < b.name ? -1 : 1)),
    kubeProxy: kubeProxy(daemonSets, kind),
    serviceCidrs: cidrs.length > 0 ? cidrs : addresses,
    apiEndpoints: apiEndpoints(info?.data?.['kubeconfig'], slices),
    otherNetworks: daemonSets
      .filter(({metadata}) => metadata.name in knownNetworks)
      .map(({metadata}) => `${knownNetworks[metadata.name]} (DaemonSet ${metadata.namespace}/${metadata.name})`),
    agents: daemonSets
      .filter(({metadata}) => metadata.labels?.['k8s-app'] === 'cilium')
      .map(({metadata}) => ({
        namespace: metadata.namespace ?? '',
        name: metadata.name,
        release: metadata.annotations?.['meta.helm.sh/release-name'],
      })),
    networkPolicies: policies.length,
  }
}

interface EndpointSlice {
  readonly endpoints?: readonly {readonly addresses?: readonly string[]}[] | null
  readonly ports?: readonly {readonly name?: string; readonly port?: number}[] | null
}

/** The kind as nodes and context show it. */
export function clusterKind(nodes: readonly NodeObject[], context: string): ClusterKind {
  const any = (test: (node: NodeObject) => boolean | undefined): boolean => nodes.some((node) => test(node) === true)
  const provider = (prefix: string) => any(({spec}) => spec?.providerID?.startsWith(prefix))
  const kubelet = (part: string) => any(({status}) => status?.nodeInfo?.kubeletVersion?.includes(part))
  const label = (name: string) => any(({metadata}) => metadata.labels?.[name] !== undefined)
  const image = (prefix: string) =>
    any(({status}) => status?.images?.some(({names}) => names?.some((name) => name.startsWith(prefix))))

  if (image('lab.cilium.local/')) return 'lab'
  if (provider('kind://')) return 'kind'
  if (label('minikube.k8s.io/name')) return 'minikube'
  if (context === 'rancher-desktop') return 'rancher-desktop'
  if (kubelet('+k3s')) return 'k3s'
  if (kubelet('+rke2')) return 'rke2'
  if (label('microk8s.io/cluster')) return 'microk8s'
  if (kubelet('-eks-') || label('eks.amazonaws.com/nodegroup')) return 'eks'
  if (kubelet('-gke.') || label('cloud.google.com/gke-nodepool')) return 'gke'
  if (label('kubernetes.azure.com/cluster')) return 'aks'
  return 'unknown'
}

function nodeFact({metadata, spec, status}: NodeObject): NodeFact {
  const podCidrs = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR])
  const addresses = status?.addresses ?? []
  return {
    name: metadata.name,
    podCidrs,
    addresses: addresses.filter(({type}) => type === 'InternalIP' || type === 'ExternalIP').map(({address}) => address),
    kernel: status?.nodeInfo?.kernelVersion ?? '',
  }
}

/** Kinds that run kube-proxy inside of another process. */
const embedding: ReadonlySet<ClusterKind> = new Set(['k3s', 'rke2', 'rancher-desktop', 'microk8s'])

function kubeProxy(daemonSets: readonly NamedObject[], kind: ClusterKind): KubeProxyFact {
  const found = daemonSets.find(
    ({metadata}) => metadata.labels?.['k8s-app'] === 'kube-proxy' || metadata.name === 'kube-proxy',
  )
  if (found !== undefined) {
    return {state: 'found', where: `DaemonSet ${found.metadata.namespace}/${found.metadata.name}`}
  }
  return embedding.has(kind) ? {state: 'embedded', by: kind} : {state: 'absent'}
}

/** From the document that nodes join by, or from the addresses that the API servers publish. */
function apiEndpoints(joinConfig: string | undefined, slices: readonly EndpointSlice[]): ClusterFacts['apiEndpoints'] {
  const server = /^\s*server:\s*"?(https:\/\/[^\s"]+)/m.exec(joinConfig ?? '')?.[1]
  if (server !== undefined && URL.canParse(server)) {
    const {hostname, port} = new URL(server)
    const host = hostname.replace(/^\[|\]$/g, '')
    if (!/^(localhost|127\.|::1$)/.test(host)) return [{host, port: Number(port || 443)}]
  }
  return slices.flatMap(({endpoints, ports}) => {
    const port = (ports ?? []).find(({name}) => name === 'https' || name === undefined)?.port ?? 443
    return (endpoints ?? []).flatMap(({addresses}) => addresses ?? []).map((host) => ({host, port}))
  })
}
