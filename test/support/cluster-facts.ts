/** Facts of a cluster for tests: three dual-stack nodes without kube-proxy, unless said otherwise. */
import type {ClusterFacts, NodeFact} from '../../src/cli/install/facts.ts'

export function clusterFacts(given: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    context: 'test',
    server: 'https://192.0.2.1:6443',
    kubernetesVersion: 'v1.34.4',
    kind: 'unknown',
    nodes: [1, 2, 3].map((number) => nodeFact({name: `node${number}`, number})),
    kubeProxy: {state: 'found', where: 'DaemonSet kube-system/kube-proxy'},
    serviceCidrs: ['172.16.0.0/16', 'fd00:5e::/112'],
    apiEndpoints: [{host: '192.0.2.1', port: 6443}],
    otherNetworks: [],
    agents: [],
    networkPolicies: 0,
    ...given,
  }
}

export function nodeFact(given: Partial<NodeFact> & {number?: number} = {}): NodeFact {
  const {number = 1, ...rest} = given
  return {
    name: `node${number}`,
    podCidrs: [`10.244.${number}.0/24`, `fd00:244:0:${number}::/64`],
    addresses: [`192.0.2.1${number}`, `2001:db8::1${number}`],
    kernel: '6.18.0',
    ...rest,
  }
}
