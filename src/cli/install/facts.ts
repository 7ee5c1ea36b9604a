/** What an installation has to know of a cluster. Nothing here decides anything. */

export type ClusterKind =
  | 'lab'
  | 'kind'
  | 'minikube'
  | 'k3s'
  | 'rke2'
  | 'microk8s'
  | 'rancher-desktop'
  | 'eks'
  | 'gke'
  | 'aks'
  | 'unknown'

export interface NodeFact {
  readonly name: string
  readonly podCidrs: readonly string[]
  /** addresses of type InternalIP and ExternalIP */
  readonly addresses: readonly string[]
  readonly kernel: string
}

/** Who serves Services on the nodes today. */
export type KubeProxyFact =
  | {readonly state: 'found'; readonly where: string}
  | {readonly state: 'embedded'; readonly by: ClusterKind}
  | {readonly state: 'absent'}

export interface ClusterFacts {
  readonly context: string
  /** of the API server, as the kubeconfig names it */
  readonly server: string
  readonly kubernetesVersion: string
  readonly kind: ClusterKind
  /** Linux nodes, sorted by name */
  readonly nodes: readonly NodeFact[]
  readonly kubeProxy: KubeProxyFact
  /** ranges of Services, or single addresses of Services where the ranges are not known */
  readonly serviceCidrs: readonly string[]
  /** where nodes reach the API server without help of a Service */
  readonly apiEndpoints: readonly {readonly host: string; readonly port: number}[]
  /** other pod networks, such as `calico (DaemonSet kube-system/calico-node)` */
  readonly otherNetworks: readonly string[]
  /** DaemonSets labelled k8s-app=cilium */
  readonly agents: readonly {readonly namespace: string; readonly name: string; readonly release: string | undefined}[]
  readonly networkPolicies: number
}
