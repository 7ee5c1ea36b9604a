import {describe, expect, test} from 'vitest'
import {chartFolder} from '../../../../scripts/values-source.ts'
import {loadChart} from '../../../../src/cli/chart/chart.ts'
import {type Tree, toValue} from '../../../../src/cli/chart/template/value.ts'
import {withDefaults} from '../../../../src/cli/chart/values.ts'
import {checkCluster} from '../../../../src/cli/install/check.ts'
import type {ClusterFacts} from '../../../../src/cli/install/facts.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'
import {clusterFacts, nodeFact} from '../../../support/cluster-facts.ts'

const chart = await loadChart(chartFolder)

function check(facts: Partial<ClusterFacts>, user: unknown = {}): string {
  const values = toValue(user) as Tree
  try {
    checkCluster(clusterFacts(facts), withDefaults(values, chart.values).values, values, 'kube-system')
    return 'fine'
  } catch (thrown) {
    if (thrown instanceof CiliumError) return `${thrown.code} ${thrown.message}`
    throw thrown
  }
}

test('a cluster that fits is fine', () => expect(check({})).toBe('fine'))

describe('pod CIDRs', () => {
  const pool = (...cidrs: string[]) => ({ipam: {operator: {clusterPoolIPv4PodCIDRList: cidrs}}})
  const pool6 = (...cidrs: string[]) => ({ipv6: {enabled: true}, ipam: {operator: {clusterPoolIPv6PodCIDRList: cidrs}}})

  test.each([
    [pool('172.16.0.0/12'), "INSTALL_CIDR_OVERLAP pod CIDR 172.16.0.0/12 overlaps the Services' CIDR 172.16.0.0/16"],
    [pool('192.0.2.0/24'), 'INSTALL_CIDR_OVERLAP pod CIDR 192.0.2.0/24 overlaps the address 192.0.2.11 of node node1'],
    [pool6('fd00:5e::/64'), "INSTALL_CIDR_OVERLAP pod CIDR fd00:5e::/64 overlaps the Services' CIDR fd00:5e::/112"],
    [
      pool6('2001:db8::/64'),
      'INSTALL_CIDR_OVERLAP pod CIDR 2001:db8::/64 overlaps the address 2001:db8::11 of node node1',
    ],
  ])('%j is refused', (user, expected) => expect(check({}, user)).toBe(expected))

  test('a family that is off is not looked at', () => {
    expect(check({}, {...pool6('2001:db8::/64'), ipv6: {enabled: false}})).toBe('fine')
  })

  test('of nodes are looked at when they are used', () => {
    const nodes = [nodeFact({podCidrs: ['172.16.5.0/24']})]

    expect(check({nodes}, {ipam: {mode: 'kubernetes'}})).toBe(
      "INSTALL_CIDR_OVERLAP pod CIDR 172.16.5.0/24 of node node1 overlaps the Services' CIDR 172.16.0.0/16",
    )
    expect(check({nodes})).toBe('fine')
  })

  test('have to be there when the nodes’ are used', () => {
    const nodes = [nodeFact(), nodeFact({number: 2, podCidrs: ['10.244.2.0/24']})]

    expect(check({nodes}, {ipam: {mode: 'kubernetes'}, ipv6: {enabled: true}})).toBe(
      'INSTALL_NO_POD_CIDR ipam.mode=kubernetes, and these nodes have no IPv6 podCIDR: node2',
    )
  })
})

describe('the cluster', () => {
  test.each([
    [{nodes: []}, 'INSTALL_NO_NODES the cluster has no nodes that Cilium could run on'],
    [{kubernetesVersion: 'v1.27.3+k3s1'}, 'INSTALL_KUBERNETES_VERSION Kubernetes v1.27.3+k3s1 is older than v1.28.0'],
    [
      {agents: [{namespace: 'cilium', name: 'cilium', release: 'cilium'}]},
      'INSTALL_OTHER_NAMESPACE Cilium is installed already in namespace cilium',
    ],
    [
      {otherNetworks: ['calico (DaemonSet kube-system/calico-node)']},
      'INSTALL_OTHER_CNI another pod network serves this cluster: calico (DaemonSet kube-system/calico-node)',
    ],
  ])('%j is refused', (facts, expected) => expect(check(facts)).toBe(expected))

  test.each([{kubernetesVersion: 'v1.28.0-alpha.1'}, {kubernetesVersion: 'v1.36.0+k3s1'}])('%j is fine', (facts) => {
    expect(check(facts)).toBe('fine')
  })

  test('another network is set aside when the user says so', () => {
    expect(check({otherNetworks: ['flannel']}, {cni: {exclusive: true}})).toBe('fine')
    expect(check({otherNetworks: ['flannel']}, {cni: {install: false}})).toBe('fine')
  })

  test('an agent in this namespace is this installation', () => {
    expect(check({agents: [{namespace: 'kube-system', name: 'cilium', release: 'cilium'}]})).toBe('fine')
  })
})
