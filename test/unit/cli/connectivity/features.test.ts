import {expect, test} from 'vitest'
import {detectFeatures, type FeatureSources} from '../../../../src/cli/connectivity/features.ts'
import type {NodeObject} from '../../../../src/cli/connectivity/test-cluster.ts'

const node = (name: string, overrides: Partial<NodeObject> = {}): NodeObject => ({
  metadata: {name},
  spec: {},
  status: {},
  ...overrides,
})

const sources: FeatureSources = {
  config: {'enable-ipv4': 'true', 'enable-ipv6': 'false', 'routing-mode': 'tunnel'},
  runtimeConfig: {EnableHealthChecking: true, enableendpointhealthchecking: true},
  status: {'kube-proxy-replacement': {mode: 'False', devices: null, deviceList: null}},
  nodes: [node('a'), node('b')],
  agentDaemonSet: {metadata: {name: 'cilium'}, spec: {}, status: {desiredNumberScheduled: 2}},
  kubeProxy: false,
}

test('families are those that are switched on', () => {
  expect(detectFeatures(sources).families).toEqual(['ipv4'])
})

test('a tunnel is assumed unless routing is native', () => {
  expect(detectFeatures(sources).tunnel).toBe('vxlan')
  expect(detectFeatures({...sources, config: {'routing-mode': 'native', 'tunnel-protocol': 'vxlan'}}).tunnel).toBe(
    undefined,
  )
})

test('nobody translates services without kube-proxy and its replacement', () => {
  expect(detectFeatures(sources)).toMatchObject({services: undefined, nodePort: false, hostPort: false})
})

test('kube-proxy translates services but no host ports', () => {
  expect(detectFeatures({...sources, kubeProxy: true})).toMatchObject({
    services: 'kube-proxy',
    nodePort: true,
    hostPort: false,
  })
})

test('the replacement says itself whether it serves node ports', () => {
  const replacement = (enabled: boolean) => ({
    'kube-proxy-replacement': {
      mode: 'True' as const,
      devices: null,
      deviceList: null,
      features: {annotations: null, nodePort: {enabled}},
    },
  })

  expect(detectFeatures({...sources, status: replacement(true)})).toMatchObject({
    services: 'kube-proxy-replacement',
    nodePort: true,
    hostPort: true,
  })
  expect(detectFeatures({...sources, status: replacement(false)}).nodePort).toBe(false)
})

test('keys of the runtime configuration are read in any case', () => {
  expect(detectFeatures(sources).health).toBe(true)
  expect(detectFeatures({...sources, runtimeConfig: {EnableHealthChecking: true}}).health).toBe(false)
})

test('one agent makes one node', () => {
  const agentDaemonSet = {metadata: {name: 'cilium'}, spec: {}, status: {desiredNumberScheduled: 1}}

  expect(detectFeatures(sources).singleNode).toBe(false)
  expect(detectFeatures({...sources, agentDaemonSet}).singleNode).toBe(true)
})

test('a tainted control plane does not count as a node for pods', () => {
  const controlPlane = node('cp', {
    spec: {taints: [{key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule'}]},
  })

  expect(detectFeatures({...sources, nodes: [controlPlane, node('a')]}).singleNode).toBe(true)
})

test('nodes that say so are foreign', () => {
  const foreign = node('f', {metadata: {name: 'f', labels: {'cilium.io/no-schedule': 'true'}}})
  const not = node('n', {metadata: {name: 'n', labels: {'cilium.io/no-schedule': 'false'}}})

  expect(detectFeatures({...sources, nodes: [foreign, not]}).foreignNodes).toEqual(['f'])
})
