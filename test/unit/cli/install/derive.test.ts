import {describe, expect, test} from 'vitest'
import {chartFolder} from '../../../../scripts/values-source.ts'
import {loadChart} from '../../../../src/cli/chart/chart.ts'
import {type Tree, toPlain, toValue} from '../../../../src/cli/chart/template/value.ts'
import {type DeriveOptions, derivedTree, deriveValues} from '../../../../src/cli/install/derive.ts'
import type {ClusterFacts} from '../../../../src/cli/install/facts.ts'
import {clusterFacts, nodeFact} from '../../../support/cluster-facts.ts'

const chart = await loadChart(chartFolder)
const offersAll: DeriveOptions = {offers: () => true, nodesWithoutCilium: false}

function derive(facts: ClusterFacts, user: unknown = {}, options: Partial<DeriveOptions> = {}) {
  return deriveValues(facts, toValue(user) as Tree, chart.values, {...offersAll, ...options})
}

const valuesFor = (...args: Parameters<typeof derive>) => toPlain(derivedTree(derive(...args)))
const ipv4Only = [nodeFact({addresses: ['192.0.2.11']}), nodeFact({number: 2, addresses: ['192.0.2.12']})]

describe('families', () => {
  test('both, where all nodes have addresses of both', () => {
    expect(valuesFor(clusterFacts())).toEqual({ipv6: {enabled: true}})
  })

  test('IPv4 alone, where one node lacks IPv6', () => {
    expect(valuesFor(clusterFacts({nodes: [nodeFact(), ...ipv4Only.slice(1)]}))).toEqual({})
  })

  test('IPv6 alone, where no node has IPv4', () => {
    const nodes = [1, 2].map((number) => nodeFact({number, addresses: [`2001:db8::${number}`]}))

    expect(valuesFor(clusterFacts({nodes}))).toEqual({ipv4: {enabled: false}, ipv6: {enabled: true}})
  })

  test('what the user says stands', () => {
    expect(valuesFor(clusterFacts(), {ipv6: {enabled: false}})).toEqual({})
  })
})

describe('the API server', () => {
  const facts = clusterFacts({nodes: ipv4Only, kubeProxy: {state: 'absent'}})

  test('is named where nothing serves its Service', () => {
    expect(valuesFor(facts)).toEqual({kubeProxyReplacement: 'true', k8sServiceHost: '192.0.2.1', k8sServicePort: 6443})
  })

  test('is not named where kube-proxy runs, also inside of another process', () => {
    expect(valuesFor(clusterFacts({nodes: ipv4Only, kubeProxy: {state: 'embedded', by: 'k3s'}}))).toEqual({})
  })

  test('is what the user says', () => {
    const user = {k8sServiceHost: 'api.example', k8sServicePort: 443, kubeProxyReplacement: 'false'}

    expect(valuesFor(facts, user)).toEqual({})
  })

  test('is taken from the family that pods have', () => {
    const nodes = [nodeFact({addresses: ['2001:db8::1']}), nodeFact({number: 2, addresses: ['2001:db8::2']})]
    const apiEndpoints = [
      {host: '192.0.2.1', port: 6443},
      {host: '2001:db8::a', port: 6443},
    ]

    expect(valuesFor(clusterFacts({nodes, apiEndpoints, kubeProxy: {state: 'absent'}}))).toMatchObject({
      k8sServiceHost: '2001:db8::a',
    })
  })

  test('several are told of', () => {
    const apiEndpoints = [
      {host: '192.0.2.1', port: 6443},
      {host: '192.0.2.2', port: 6443},
    ]

    expect(derive({...facts, apiEndpoints}).notes).toEqual([
      'there are 2 API servers; all nodes use 192.0.2.1. Set k8sServiceHost to an address that stands for all',
    ])
  })

  test('what is not served without kube-proxy is told of', () => {
    const {values, notes} = derive(facts, {}, {offers: (path) => path !== 'kubeProxyReplacement'})

    expect(values.map(({path}) => path)).toEqual(['k8sServiceHost', 'k8sServicePort'])
    expect(notes).toEqual([
      'there is no kube-proxy: pods reach Services by ClusterIP; NodePorts and the like are not served yet',
    ])
  })
})

describe('addresses of pods', () => {
  const overlapping = clusterFacts({nodes: ipv4Only, serviceCidrs: ['10.96.0.0/12']})

  test('come from the nodes’ podCIDRs on kind', () => {
    expect(valuesFor(clusterFacts({kind: 'kind', nodes: ipv4Only}))).toEqual({ipam: {mode: 'kubernetes'}})
  })

  test('come from there too when the default pool is in use', () => {
    expect(valuesFor(overlapping)).toEqual({ipam: {mode: 'kubernetes'}})
    expect(derive(overlapping).values[0]!.reason).toBe(
      "the default pool overlaps the Services' CIDR 10.96.0.0/12; nodes have podCIDRs",
    )
  })

  test('come from another pool when nodes have none', () => {
    const nodes = ipv4Only.map((node) => ({...node, podCidrs: []}))

    expect(valuesFor({...overlapping, nodes})).toEqual({
      ipam: {operator: {clusterPoolIPv4PodCIDRList: ['10.244.0.0/16']}},
    })
  })

  test('keep away from nodes that live in the default pool', () => {
    const nodes = [
      nodeFact({podCidrs: [], addresses: ['10.244.3.4']}),
      nodeFact({number: 2, podCidrs: [], addresses: ['10.42.0.1']}),
    ]

    expect(valuesFor(clusterFacts({nodes}))).toEqual({
      ipam: {operator: {clusterPoolIPv4PodCIDRList: ['10.128.0.0/16']}},
    })
  })

  test('are what the user says', () => {
    expect(valuesFor(overlapping, {ipam: {operator: {clusterPoolIPv4PodCIDRList: ['10.0.0.0/8']}}})).toEqual({})
  })
})

test('one node needs one operator', () => {
  expect(valuesFor(clusterFacts({nodes: ipv4Only.slice(0, 1)}))).toEqual({operator: {replicas: 1}})
})

test('microk8s keeps its CNI files elsewhere', () => {
  expect(valuesFor(clusterFacts({kind: 'microk8s', nodes: ipv4Only}))).toMatchObject({
    cni: {confPath: '/var/snap/microk8s/current/args/cni-network'},
  })
})

test('nodes can be left alone', () => {
  const {affinity} = valuesFor(clusterFacts({nodes: ipv4Only}), {}, {nodesWithoutCilium: true}) as {
    affinity: Record<string, unknown>
  }

  expect(Object.keys(affinity).sort()).toEqual(['nodeAffinity', 'podAntiAffinity'])
})

test('old kernels and policies that nobody enforces are told of', () => {
  const facts = clusterFacts({nodes: [nodeFact({kernel: '5.15.0-generic'}), nodeFact({number: 2})], networkPolicies: 2})

  expect(derive(facts, {}, {offers: (path) => path !== 'policyEnforcementMode'}).notes).toEqual([
    'kernels older than 6.1 are not tested: node1 (5.15.0-generic)',
    '2 NetworkPolicies exist: this version does not enforce them',
  ])
})
