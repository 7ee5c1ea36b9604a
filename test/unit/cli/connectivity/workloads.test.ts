import {expect, test} from 'vitest'
import {podRoutes} from '../../../../src/cli/connectivity/outside.ts'
import type {KubernetesObject} from '../../../../src/cli/connectivity/test-cluster.ts'
import {workloadObjects} from '../../../../src/cli/connectivity/workloads/objects.ts'
import {features, options} from './fake-context.ts'

const plan = {namespace: 'cilium-test-2', number: 2, image: 'cilium:0.1.0', options: options(), features}

const named = (objects: readonly KubernetesObject[], kind: string) =>
  objects.filter((object) => object.kind === kind).map(({metadata}) => metadata.name)

// biome-ignore lint/suspicious/noExplicitAny: objects as they are sent
const podOf = (object: KubernetesObject | undefined): any => (object as any).spec.template.spec

test('two nodes get three clients, two echoes and a pod on each node', () => {
  const objects = workloadObjects(plan)

  expect(objects[0]!.kind).toBe('Namespace')
  expect(named(objects, 'Deployment')).toEqual(['client', 'client2', 'echo-same-node', 'client3', 'echo-other-node'])
  expect(named(objects, 'DaemonSet')).toEqual(['host-netns'])
  expect(named(objects, 'Service')).toEqual(['echo-same-node', 'echo-other-node'])
  expect(named(objects, 'ServiceAccount')).toHaveLength(5)
})

test('one node gets no pods that would have to be elsewhere', () => {
  const objects = workloadObjects({...plan, features: {...features, singleNode: true}})

  expect(named(objects, 'Deployment')).toEqual(['client', 'client2', 'echo-same-node'])
})

test('nodes that are not ours get a pod to test from', () => {
  const objects = workloadObjects({...plan, features: {...features, foreignNodes: ['f']}})

  expect(named(objects, 'DaemonSet')).toContain('host-netns-non-cilium')
})

test('pods stand where their names say, and never on nodes that are not ours', () => {
  const objects = workloadObjects(plan)
  const affinity = (name: string) =>
    podOf(objects.find(({metadata, kind}) => kind !== 'Service' && kind !== 'ServiceAccount' && metadata.name === name))
      .affinity

  expect(affinity('client2').podAffinity).toBeDefined()
  expect(affinity('client3').podAntiAffinity).toBeDefined()
  expect(affinity('echo-other-node').podAntiAffinity).toBeDefined()
  expect(JSON.stringify(affinity('client').nodeAffinity)).toContain('cilium.io/no-schedule')
})

test('host ports are opened only where somebody serves them, one per namespace', () => {
  const port = (withHostPort: boolean) => {
    const objects = workloadObjects({...plan, features: {...features, hostPort: withHostPort}})
    const echo = objects.find(({metadata, kind}) => kind === 'Deployment' && metadata.name === 'echo-same-node')
    return podOf(echo).containers[0].ports[0]
  }

  expect(port(true).hostPort).toBe(4002)
  expect(port(false)).not.toHaveProperty('hostPort')
})

test('the flags for placing pods reach them', () => {
  const placed = options({nodeSelector: {disk: 'ssd'}, tolerations: ['gpu'], namespaceLabels: {team: 'net'}})
  const objects = workloadObjects({...plan, options: placed})

  expect(podOf(objects.find(({kind}) => kind === 'Deployment'))).toMatchObject({
    nodeSelector: {disk: 'ssd'},
    tolerations: [{key: 'gpu', operator: 'Exists'}],
  })
  expect(objects[0]!.metadata.labels).toMatchObject({team: 'net', 'app.kubernetes.io/name': 'cilium-cli'})
})

test('the way to the pods of a node is that node, family by family', () => {
  const node = {
    metadata: {name: 'n1'},
    spec: {podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64']},
    status: {
      addresses: [
        {type: 'Hostname', address: 'n1'},
        {type: 'InternalIP', address: 'fd00:172:30::11'},
        {type: 'InternalIP', address: '172.30.0.11'},
      ],
    },
  }

  expect(podRoutes(node)).toEqual([
    {cidr: '10.244.1.0/24', via: '172.30.0.11'},
    {cidr: 'fd00:10:244:1::/64', via: 'fd00:172:30::11'},
  ])
})
