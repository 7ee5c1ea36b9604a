import {expect, test} from 'vitest'
import {remoteEndpointRow} from '../../../../src/agent/reflect/cilium-endpoint.ts'
import {identityRow} from '../../../../src/agent/reflect/cilium-identity.ts'
import {nodeRow} from '../../../../src/agent/reflect/cilium-node.ts'
import {namespaceRow} from '../../../../src/agent/reflect/namespace.ts'
import {localNodeRow} from '../../../../src/agent/reflect/node.ts'
import {podRow} from '../../../../src/agent/reflect/pod.ts'

test('a pod becomes what endpoints need of it', () => {
  const row = podRow({
    metadata: {
      name: 'web',
      namespace: 'default',
      uid: 'u1',
      labels: {app: 'web'},
      annotations: {'kubectl.kubernetes.io/last-applied-configuration': '{}', 'ipam.cilium.io/ip-pool': 'blue'},
      deletionTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: {
      serviceAccountName: 'sa',
      containers: [
        {
          ports: [
            {name: 'http', containerPort: 8080},
            {containerPort: 9090, hostPort: 80},
          ],
        },
        {},
      ],
    },
    status: {phase: 'Running'},
  })

  expect(row).toEqual({
    namespace: 'default',
    name: 'web',
    uid: 'u1',
    labels: {app: 'web'},
    annotations: {'ipam.cilium.io/ip-pool': 'blue'},
    serviceAccount: 'sa',
    hostNetwork: false,
    phase: 'Running',
    ready: false,
    terminating: true,
    namedPorts: [{name: 'http', port: 8080, protocol: 'TCP'}],
    hostPorts: [{port: 80, containerPort: 9090, protocol: 'TCP', ip: undefined}],
    workload: {kind: 'Pod', name: 'web'},
  })
})

test('a Node gives addresses by kind and each pod CIDR once', () => {
  const row = localNodeRow({
    metadata: {name: 'n1', uid: 'u'},
    spec: {
      podCIDR: '10.0.1.0/24',
      podCIDRs: ['10.0.1.0/24', 'fd00:1::/64'],
      taints: [{key: 'k', effect: 'NoSchedule'}],
    },
    status: {
      addresses: [
        {type: 'InternalIP', address: '192.0.2.1'},
        {type: 'InternalIP', address: '2001:db8::1'},
        {type: 'ExternalIP', address: '203.0.113.1'},
        {type: 'Hostname', address: 'n1'},
        {type: 'InternalIP', address: 'garbage'},
      ],
      nodeInfo: {containerRuntimeVersion: 'containerd://1.6.20'},
    },
  })

  expect(row.internalIps.map(String)).toEqual(['192.0.2.1', '2001:db8::1'])
  expect(row.externalIps.map(String)).toEqual(['203.0.113.1'])
  expect(row.podCidrs.map(String)).toEqual(['10.0.1.0/24', 'fd00:1::/64'])
  expect(row.runtime).toBe('containerd://1.6.20')
})

test('a CiliumNode is local when it is ours', () => {
  const object = {
    metadata: {name: 'n2'},
    spec: {
      bootid: 'b',
      addresses: [
        {type: 'InternalIP', ip: '192.0.2.2'},
        {type: 'CiliumInternalIP', ip: '10.0.2.1'},
      ],
      health: {ipv4: '10.0.2.2', ipv6: 'fd00:2::2'},
      ipam: {podCIDRs: ['10.0.2.0/24', 'fd00:2::/64']},
    },
  }

  expect(nodeRow(object, 'n1')).toMatchObject({name: 'n2', local: false, bootId: 'b'})
  expect(nodeRow(object, 'n2').local).toBe(true)
  expect(nodeRow(object, 'n1').routerIps.map(String)).toEqual(['10.0.2.1'])
  expect(nodeRow(object, 'n1').healthIps.map(String)).toEqual(['10.0.2.2', 'fd00:2::2'])
})

test('a CiliumEndpoint counts when it has identity and address', () => {
  const networking = {addressing: [{ipv4: '10.0.2.9', ipv6: 'fd00:2::9'}], node: '192.0.2.2'}

  const row = remoteEndpointRow({metadata: {name: 'a', namespace: 'b'}, status: {identity: {id: 4711}, networking}})

  expect(row?.ips.map(String)).toEqual(['10.0.2.9', 'fd00:2::9'])
  expect(String(row?.nodeIp)).toBe('192.0.2.2')
  expect(remoteEndpointRow({status: {networking}})).toBeUndefined()
  expect(remoteEndpointRow({status: {identity: {id: 0}, networking}})).toBeUndefined()
  expect(remoteEndpointRow({status: {identity: {id: 0x01000001}, networking}})).toBeUndefined()
  expect(remoteEndpointRow({status: {identity: {id: 4711}}})).toBeUndefined()
})

test('a CiliumIdentity counts when its name is a number for pods', () => {
  expect(identityRow({metadata: {name: '4711'}, 'security-labels': {'k8s:app': 'web'}})?.labels.toStrings()).toEqual([
    'k8s:app=web',
  ])
  for (const name of ['1', '255', '0777', 'x', '16777216', '']) expect(identityRow({metadata: {name}})).toBeUndefined()
})

const whole = {
  metadata: {name: 'a', namespace: 'b', uid: 'c', labels: {app: 'web'}, annotations: {'cilium.io/x': 'y'}},
  spec: {
    serviceAccountName: 'sa',
    containers: [{ports: [{name: 'http', containerPort: 80, hostPort: 80, hostIP: '192.0.2.1', protocol: 'TCP'}]}],
    podCIDR: '10.0.1.0/24',
    podCIDRs: ['10.0.1.0/24'],
    taints: [{key: 'k', value: 'v', effect: 'NoSchedule'}],
    bootid: 'b',
    addresses: [{type: 'InternalIP', ip: '192.0.2.2'}],
    health: {ipv4: '10.0.2.2', ipv6: 'fd00:2::2'},
    ipam: {podCIDRs: ['10.0.2.0/24']},
  },
  status: {
    phase: 'Running',
    ready: false,
    addresses: [{type: 'InternalIP', address: '192.0.2.1'}],
    nodeInfo: {containerRuntimeVersion: 'containerd://2.1.4', bootID: 'b'},
    identity: {id: 4711},
    networking: {addressing: [{ipv4: '10.0.2.9', ipv6: 'fd00:2::9'}], node: '192.0.2.2'},
  },
  'security-labels': {'k8s:app': 'web'},
}

/** The object with something else in each of its places, one at a time. */
function* spoiled(value: unknown, instead: unknown): Generator<unknown> {
  yield instead
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    for (const one of spoiled(inner, instead)) {
      const copy: unknown = Array.isArray(value) ? [...value] : {...value}
      ;(copy as Record<string, unknown>)[key] = one
      yield copy
    }
  }
}

test.each([[null], [[]], [[null]], [{}], [[{}]], [[[]]], ['text'], [['text']], [0], [-1], [1e99], [true]])(
  '%j anywhere in an object makes no reflector throw',
  (instead) => {
    for (const object of spoiled(whole, instead)) {
      if (typeof object !== 'object' || object === null) continue // lists of the API server hold objects
      podRow(object)
      namespaceRow(object)
      localNodeRow(object)
      nodeRow(object, 'n')
      remoteEndpointRow(object)
      identityRow({...object, metadata: {name: '4711'}})
    }
  },
)
