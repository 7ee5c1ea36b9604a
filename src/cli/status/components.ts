/** The parts of an installation, by the names and labels that existing tools look for. */
export interface Component {
  readonly name: string
  readonly kind: 'DaemonSet' | 'Deployment'
  readonly selector: string
  /** line of the honeycomb; parts without one show in the table only */
  readonly headline?: string
  /** what the headline says when the part is not installed */
  readonly absent: string
  /** the installation cannot be without it */
  readonly required?: true
}

export const agentComponent = 'cilium'
export const agentContainer = 'cilium-agent'

export const components: readonly Component[] = [
  {
    name: agentComponent,
    kind: 'DaemonSet',
    selector: 'k8s-app=cilium',
    headline: 'Cilium',
    absent: 'not installed',
    required: true,
  },
  {
    name: 'cilium-operator',
    kind: 'Deployment',
    selector: 'io.cilium/app=operator',
    headline: 'Operator',
    absent: 'disabled',
  },
  {
    name: 'cilium-envoy',
    kind: 'DaemonSet',
    selector: 'name=cilium-envoy',
    headline: 'Envoy DaemonSet',
    absent: 'disabled (using embedded mode)',
  },
  {
    name: 'hubble-relay',
    kind: 'Deployment',
    selector: 'k8s-app=hubble-relay',
    headline: 'Hubble Relay',
    absent: 'disabled',
  },
  {
    name: 'clustermesh-apiserver',
    kind: 'Deployment',
    selector: 'k8s-app=clustermesh-apiserver',
    headline: 'ClusterMesh',
    absent: 'disabled',
  },
  {name: 'hubble-ui', kind: 'Deployment', selector: 'k8s-app=hubble-ui', absent: 'disabled'},
]
