import {expect, test} from 'vitest'
import {heartbeatAnnotation} from '../../../../src/model/identity.ts'
import {ciliumNodeRow, endpointRow, identityRow, nodeRow, podRow} from '../../../../src/operator/reflect/objects.ts'

const metadata = {name: 'a', uid: 'u', resourceVersion: '3'}

test('a node is its internal and external addresses, its taints and its network condition', () => {
  const row = nodeRow({
    metadata,
    spec: {taints: [{key: 'k', effect: 'NoSchedule'}]},
    status: {
      addresses: [
        {type: 'InternalIP', address: '192.0.2.1'},
        {type: 'ExternalIP', address: '2001:db8::1'},
        {type: 'Hostname', address: 'a'},
        {type: 'InternalIP', address: 'nonsense'},
      ],
      conditions: [{type: 'NetworkUnavailable', status: 'False', reason: 'CiliumIsUp'}],
    },
  })

  expect(row.addresses.map(String)).toEqual(['192.0.2.1', '2001:db8::1'])
  expect(row).toMatchObject({taints: [{key: 'k'}], network: {status: 'False', reason: 'CiliumIsUp'}})
})

test('an object without content becomes an empty row and no error', () => {
  expect(nodeRow({metadata})).toMatchObject({addresses: [], taints: [], network: undefined})
  expect(ciliumNodeRow({metadata})).toMatchObject({podCidrs: [], error: '', keep: false})
  expect(podRow({metadata}, 'kube-system')).toMatchObject({node: '', ended: false, ready: false, startedMs: undefined})
  expect(endpointRow({metadata})).toMatchObject({identity: undefined, podUid: undefined})
  expect(identityRow({metadata})).toMatchObject({id: undefined, labels: '[]', markedMs: undefined})
})

test('malformed prefixes of a CiliumNode are kept as they are, to be reported', () => {
  expect(ciliumNodeRow({metadata, spec: {ipam: {podCIDRs: ['x']}}}).podCidrs).toEqual(['x'])
})

test('an agent is a pod with our label in our namespace, and nowhere else', () => {
  const pod = (namespace: string, app: string) =>
    podRow({metadata: {...metadata, namespace, labels: {'k8s-app': app}}}, 'cilium')

  expect(pod('cilium', 'cilium').agent).toBe(true)
  expect(pod('cilium', 'other').agent).toBe(false)
  expect(pod('default', 'cilium').agent).toBe(false)
})

test('an endpoint belongs to the pod that owns it', () => {
  const owners = [
    {apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'node-uid'},
    {apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'pod-uid'},
  ]

  expect(endpointRow({metadata: {...metadata, namespace: 'x', ownerReferences: owners}})).toMatchObject({
    namespace: 'x',
    podUid: 'pod-uid',
  })
})

test('identities with the same labels have the same text, whatever their order', () => {
  const row = (labels: Record<string, string>) =>
    identityRow({metadata: {...metadata, name: '1000'}, 'security-labels': labels})

  expect(row({'k8s:a': '1', 'k8s:b': '2'}).labels).toBe(row({'k8s:b': '2', 'k8s:a': '1'}).labels)
  expect(row({'k8s:a': '1'}).labels).not.toBe(row({'k8s:a': '2'}).labels)
})

test('the mark of an unused identity is a time', () => {
  const annotations = {[heartbeatAnnotation]: '2026-01-01T00:00:00Z'}

  expect(identityRow({metadata: {...metadata, annotations}}).markedMs).toBe(Date.UTC(2026, 0, 1))
  expect(identityRow({metadata: {...metadata, annotations: {[heartbeatAnnotation]: 'x'}}}).markedMs).toBeUndefined()
})
