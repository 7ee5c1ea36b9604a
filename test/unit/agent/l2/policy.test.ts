import {expect, test} from 'vitest'
import {candidates, l2PolicyRow} from '../../../../src/agent/l2/policy.ts'
import {serviceRow} from '../../../../src/agent/reflect/service.ts'
import type {Service} from '../../../../src/k8s/resources.ts'

const service = (name: string, spec: Partial<NonNullable<Service['spec']>> = {}, labels = {}) =>
  serviceRow({
    metadata: {namespace: 'default', name, labels},
    spec: {type: 'LoadBalancer', clusterIP: '10.96.0.1', ports: [{port: 80}], ...spec},
    status: {loadBalancer: {ingress: [{ip: '192.0.2.10'}, {ip: '2001:db8::10'}]}},
  })!

const node = {labels: {role: 'edge'}, devices: ['eth0', 'eth1'], serves: () => false}
const both = {loadBalancerIPs: true, externalIPs: true}
const texts = (...args: Parameters<typeof candidates>) =>
  candidates(...args).map(({name, ips, devices}) => `${name}: ${ips.join(' ')} on ${devices.join(' ')}`)

test('a policy without selectors speaks for all nodes, services and devices', () => {
  const policies = [l2PolicyRow({metadata: {name: 'all'}, spec: both})]

  expect(texts(policies, [service('web', {externalIPs: ['192.0.2.20']})], node)).toEqual([
    'web: 192.0.2.10 2001:db8::10 192.0.2.20 on eth0 eth1',
  ])
})

test('selectors, kinds of addresses and devices narrow it, and several policies add up', () => {
  const policies = [
    l2PolicyRow({
      metadata: {name: 'lb'},
      spec: {
        loadBalancerIPs: true,
        interfaces: ['^eth1$'],
        serviceSelector: {matchLabels: {'io.kubernetes.service.name': 'web'}},
        nodeSelector: {matchLabels: {role: 'edge'}},
      },
    }),
    l2PolicyRow({
      metadata: {name: 'ext'},
      spec: {externalIPs: true, interfaces: ['eth0'], serviceSelector: {matchLabels: {app: 'x'}}},
    }),
    l2PolicyRow({metadata: {name: 'elsewhere'}, spec: {...both, nodeSelector: {matchLabels: {role: 'core'}}}}),
  ]
  const services = [
    service('web', {externalIPs: ['192.0.2.20']}),
    service('x', {externalIPs: ['192.0.2.21']}, {app: 'x'}),
    service('none'),
  ]

  expect(texts(policies, services, node)).toEqual(['web: 192.0.2.10 2001:db8::10 on eth1', 'x: 192.0.2.21 on eth0'])
})

test('services of foreign classes and policies that cannot be read give nothing', () => {
  const bad = l2PolicyRow({metadata: {name: 'bad'}, spec: {...both, interfaces: ['eth(']}})
  const all = l2PolicyRow({metadata: {name: 'all'}, spec: both})

  expect(bad.problems).toEqual(['interfaces: "eth(" is no regular expression'])
  expect(texts([bad], [service('web')], node)).toEqual([])
  expect(texts([all], [service('web', {loadBalancerClass: 'example.com/x'})], node)).toEqual([])
  expect(texts([all], [service('web', {loadBalancerClass: 'io.cilium/l2-announcer'})], node)).toHaveLength(1)
})

test('with the external policy Local only a node with a backend announces', () => {
  const all = [l2PolicyRow({metadata: {name: 'all'}, spec: both})]
  const local = service('web', {externalTrafficPolicy: 'Local'})

  expect(texts(all, [local], node)).toEqual([])
  expect(texts(all, [local], {...node, serves: () => true})).toHaveLength(1)
})
