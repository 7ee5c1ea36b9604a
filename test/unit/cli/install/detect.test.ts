import {describe, expect, test} from 'vitest'
import {clusterKind, type NodeObject} from '../../../../src/cli/install/detect.ts'

const node = (
  given: Partial<NodeObject> & {labels?: Record<string, string>; kubelet?: string; image?: string},
): NodeObject => ({
  metadata: {name: 'a', ...(given.labels && {labels: given.labels})},
  ...(given.spec && {spec: given.spec}),
  status: {
    nodeInfo: {kubeletVersion: given.kubelet ?? 'v1.34.4'},
    ...(given.image && {images: [{names: [given.image]}]}),
  },
})

describe('the kind of a cluster shows', () => {
  test.each([
    [node({image: 'lab.cilium.local/pause:1'}), 'lab'],
    [node({spec: {providerID: 'kind://docker/kind/kind-control-plane'}}), 'kind'],
    [node({labels: {'minikube.k8s.io/name': 'minikube'}}), 'minikube'],
    [node({kubelet: 'v1.34.4+k3s1'}), 'k3s'],
    [node({kubelet: 'v1.34.4+rke2r1'}), 'rke2'],
    [node({labels: {'microk8s.io/cluster': 'true'}}), 'microk8s'],
    [node({kubelet: 'v1.34.4-eks-abc'}), 'eks'],
    [node({kubelet: 'v1.34.4-gke.100'}), 'gke'],
    [node({labels: {'kubernetes.azure.com/cluster': 'x'}}), 'aks'],
    [node({}), 'unknown'],
  ] as const)('%#', (given, kind) => expect(clusterKind([node({}), given], 'any')).toBe(kind))

  test('in the name of the context for Rancher Desktop', () => {
    expect(clusterKind([node({kubelet: 'v1.34.4+k3s1'})], 'rancher-desktop')).toBe('rancher-desktop')
  })
})
