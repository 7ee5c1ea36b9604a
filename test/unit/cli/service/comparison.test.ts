import {expect, test} from 'vitest'
import type {Service as AgentService} from '../../../../src/api/models.ts'
import {compareServices} from '../../../../src/cli/service/comparison.ts'
import type {EndpointSlice, Service} from '../../../../src/k8s/resources.ts'

const service = (spec: Partial<NonNullable<Service['spec']>> = {}): Service => ({
  metadata: {namespace: 'default', name: 'web'},
  spec: {type: 'ClusterIP', clusterIPs: ['10.96.0.1'], ports: [{port: 80}], ...spec},
})

const slice = (...addresses: string[]): EndpointSlice => ({
  metadata: {namespace: 'default', name: 'web-1', labels: {'kubernetes.io/service-name': 'web'}},
  addressType: 'IPv4',
  ports: [{name: '', port: 8080}],
  endpoints: addresses.map((address, i) => ({addresses: [address], nodeName: `node${i + 1}`})),
})

const served = (ips: readonly string[], realized = true, type = 'ClusterIP'): AgentService => {
  const spec = {
    'frontend-address': {ip: '10.96.0.1', port: 80, protocol: 'tcp' as const, scope: 'external' as const},
    'backend-addresses': ips.map((ip) => ({ip, port: 8080, protocol: 'TCP' as const, state: 'active' as const})),
    flags: {type: type as 'ClusterIP'},
  }
  return {spec, ...(realized ? {status: {realized: spec}} : {})} as AgentService
}

const node = (name: string, ...services: AgentService[]) => ({node: name, services, error: ''})

test('nodes that serve what the objects ask for are counted, those that do not are named with what differs', () => {
  const [row] = compareServices(
    [service()],
    [slice('10.0.1.5', '10.0.2.6')],
    [
      node('node1', served(['10.0.2.6', '10.0.1.5'])),
      node('node2', served(['10.0.1.5', '10.0.9.9'])),
      node('node3'),
      node('node4', served(['10.0.2.6', '10.0.1.5'], false)),
      {node: 'node5', services: undefined, error: 'gone'},
    ],
  )

  expect(row).toMatchObject({
    frontend: '10.96.0.1:80/TCP',
    desired: ['10.0.1.5:8080', '10.0.2.6:8080'],
    realised: ['node1'],
    differences: [
      {node: 'node2', text: 'lacks 10.0.2.6:8080, still has 10.0.9.9:8080'},
      {node: 'node3', text: 'does not serve it'},
      {node: 'node4', text: 'has not brought it to the datapath'},
    ],
  })
})

test('with a local policy each node has its own, with hints it may choose, and a redirect stands in for all', () => {
  const slices = [slice('10.0.1.5', '10.0.2.6')]
  const near = {trafficDistribution: 'PreferClose'}

  expect(
    compareServices([service({internalTrafficPolicy: 'Local'})], slices, [
      node('node1', served(['10.0.1.5'])),
      node('node2', served(['10.0.1.5'])),
    ])[0]?.differences,
  ).toEqual([{node: 'node2', text: 'lacks 10.0.2.6:8080, still has 10.0.1.5:8080'}])
  expect(compareServices([service(near)], slices, [node('node1', served(['10.0.1.5']))])[0]?.realised).toEqual([
    'node1',
  ])
  expect(
    compareServices([service()], slices, [node('node1', served(['10.0.7.7'], true, 'LocalRedirect'))])[0]?.realised,
  ).toEqual(['node1'])
})

test('endpoints that are leaving count when nobody else is ready; headless services are not served', () => {
  const leaving: EndpointSlice = {
    ...slice(),
    endpoints: [{addresses: ['10.0.1.5'], conditions: {ready: false, serving: true, terminating: true}}],
  }

  expect(compareServices([service()], [leaving], [node('node1', served(['10.0.1.5']))])[0]?.realised).toEqual(['node1'])
  expect(compareServices([service({clusterIPs: ['None']})], [leaving], [node('node1')])).toEqual([])
})
