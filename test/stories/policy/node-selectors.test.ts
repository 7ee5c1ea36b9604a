/** Nodes told apart by labels (fromNodes, toNodes): at every write of a change the verdict is the old or the new one. */
import {afterEach, expect, test} from 'vitest'
import {HOST_SLOT} from '../../../src/datapath/gen/constants.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {identityScope} from '../../../src/model/identity.ts'
import {Ip} from '../../../src/model/ip.ts'
import {HostRig, PlainMaps, PolicyWorld} from '../../support/agent/policy-world.ts'

const worlds: PolicyWorld[] = []
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.stop()))
})

const web = {name: 'web', ip: '10.0.1.7', identity: 1007, labels: {app: 'web'}}
const here = '192.0.2.1'
const infra = ['192.0.2.2', '2001:db8::2']
const worker = ['192.0.2.3', '2001:db8::3']
const all = [here, ...infra, ...worker]

interface Start {
  readonly maps?: PlainMaps
  readonly host?: HostRig
  readonly nodeSelectors?: boolean
  readonly policies?: (world: PolicyWorld) => void
}

/** An agent with a pod, on a node whose role is `worker`, among two others. */
async function start({maps = new PlainMaps(), host, nodeSelectors = true, policies}: Start = {}): Promise<PolicyWorld> {
  const world = new PolicyWorld(maps, undefined, host, {nodeSelectors})
  worlds.push(world)
  world.node({role: 'worker', 'kubernetes.io/hostname': 'n1'})
  world.otherNode('n2', infra, {role: 'infra', 'kubernetes.io/hostname': 'n2'})
  world.otherNode('n3', worker, {role: 'worker', 'kubernetes.io/hostname': 'n3'})
  world.local(web)
  policies?.(world)
  world.sync()
  await world.settle()
  return world
}

const fromNodes =
  (...fromNodes: object[]) =>
  (world: PolicyWorld) =>
    world.apply('CiliumNetworkPolicy', 'p', {endpointSelector: {}, ingress: [{fromNodes}]})
const toNodes =
  (...toNodes: object[]) =>
  (world: PolicyWorld) =>
    world.apply('CiliumNetworkPolicy', 'p', {endpointSelector: {}, egress: [{toNodes}]})
const ofRole = (role: string) => ({matchLabels: {role}})

const reached = (world: PolicyWorld, direction: 'ingress' | 'egress' = 'egress') =>
  all.filter((ip) => world.ask(7, direction, ip, 80) === 'allow')
const identityOf = (world: PolicyWorld, ip: string) => world.maps.addresses.get(String(Cidr.host(Ip.of(ip))))!.identity

/** What is reached after every write from now on. */
function watch(world: PolicyWorld, direction: 'ingress' | 'egress' = 'egress'): Set<string> {
  const seen = new Set<string>()
  world.maps.afterWrite = () => seen.add(reached(world, direction).join(' '))
  return seen
}

test.each([
  {to: 'a label', nodes: [ofRole('infra')], expected: infra},
  {to: 'a label that this node has, too', nodes: [ofRole('worker')], expected: [here, ...worker]},
  {to: 'every node', nodes: [{}], expected: all},
  {to: 'nobody', nodes: [], expected: []},
  {
    to: 'one of two',
    nodes: [ofRole('infra'), {matchLabels: {'kubernetes.io/hostname': 'n3'}}],
    expected: [...infra, ...worker],
  },
  {to: 'the cluster', nodes: [{matchLabels: {'io.cilium.k8s.policy.cluster': 'default'}}], expected: all},
  {to: 'a pod’s label', nodes: [{matchLabels: {app: 'web'}}], expected: []},
])('toNodes selects nodes of both families by $to', async ({nodes, expected}) => {
  const world = await start({policies: toNodes(...nodes)})

  expect(reached(world)).toEqual(expected)
  expect(world.ask(7, 'egress', '203.0.113.5', 80)).toBe('deny')
})

test('fromNodes does so for what comes in, and denies win', async () => {
  const world = await start({policies: fromNodes(ofRole('infra'), ofRole('worker'))})
  expect(reached(world, 'ingress')).toEqual(all)

  world.apply('CiliumNetworkPolicy', 'deny', {
    endpointSelector: {},
    ingressDeny: [{fromNodes: [{matchExpressions: [{key: 'role', operator: 'NotIn', values: ['worker']}]}]}],
  })
  await world.settle()

  expect(reached(world, 'ingress')).toEqual([here, ...worker])
})

test.each([
  {entity: 'remote-node', expected: [...infra, ...worker]},
  {entity: 'host', expected: [here]},
  {entity: 'cluster', expected: all},
  {entity: 'all', expected: all},
  {entity: 'world', expected: []},
])('the entity $entity means what it meant', async ({entity, expected}) => {
  const world = await start({
    policies: (one) => one.apply('CiliumNetworkPolicy', 'p', {endpointSelector: {}, egress: [{toEntities: [entity]}]}),
  })

  expect(reached(world)).toEqual(expected)
  expect(infra.map((ip) => identityScope(identityOf(world, ip)))).toEqual(['remote-node', 'remote-node'])
})

test('a node gets another label: it is what it was until it is what it becomes, and flows are judged again', async () => {
  const world = await start({policies: toNodes(ofRole('infra'))})
  const seen = watch(world)
  const before = world.maps.epoch

  world.otherNode('n3', worker, {role: 'infra', 'kubernetes.io/hostname': 'n3'})
  await world.settle()

  expect(reached(world)).toEqual([...infra, ...worker])
  // one address after the other
  expect([...seen].every((text) => infra.every((ip) => text.includes(ip)) && !text.includes(here))).toBe(true)
  expect(world.maps.epoch).toBeGreaterThan(before)
})

test('this node gets another label: flows are judged again after its row was written', async () => {
  const world = await start({policies: toNodes(ofRole('infra'))})
  const before = world.maps.epoch

  world.node({role: 'infra'})
  await world.settle()

  expect(reached(world)).toEqual([here, ...infra])
  expect(identityOf(world, here)).toBe(1)
  expect(world.maps.epoch).toBeGreaterThan(before)
})

test('an agent that starts again leaves no gap, nor does a label that was changed meanwhile', async () => {
  const first = await start({policies: toNodes(ofRole('infra'), ofRole('worker'))})
  const {maps} = first
  const numbers = [...infra, ...worker].map((ip) => identityOf(first, ip))
  await first.stop()

  const second = new PolicyWorld(maps, undefined, undefined, {nodeSelectors: true})
  worlds.push(second)
  const seen = watch(second)
  second.node({role: 'worker'})
  second.otherNode('n2', infra, {role: 'infra', 'kubernetes.io/hostname': 'n2'})
  await second.settle()
  second.otherNode('n3', worker, {role: 'infra', 'kubernetes.io/hostname': 'n3'})
  second.local(web)
  toNodes(ofRole('infra'), ofRole('worker'))(second)
  second.sync()
  await second.settle()

  expect(reached(second)).toEqual(all)
  expect([...seen]).toEqual([all.join(' ')])
  expect(infra.map((ip) => identityOf(second, ip))).toEqual(numbers.slice(0, 2))
  expect(worker.map((ip) => identityOf(second, ip))).not.toEqual(numbers.slice(2))
})

test.each([
  {turned: 'on', nodeSelectors: true},
  {turned: 'off', nodeSelectors: false},
])('turned $turned by a restart, nodes stay remote nodes at every moment', async ({nodeSelectors}) => {
  const policies = (world: PolicyWorld) =>
    world.apply('CiliumNetworkPolicy', 'p', {endpointSelector: {}, egress: [{toEntities: ['remote-node']}]})
  const first = await start({policies, nodeSelectors: !nodeSelectors})
  const {maps} = first
  await first.stop()
  const seen = new Set<string>()
  maps.afterWrite = () => seen.add(reached(first).join(' '))

  const second = await start({maps, policies, nodeSelectors})

  expect(reached(second)).toEqual([...infra, ...worker])
  expect([...seen]).toEqual([[...infra, ...worker].join(' ')])
})

test('a number goes a while after the last node that had it', async () => {
  const world = await start({policies: toNodes(ofRole('infra'))})
  const number = identityOf(world, infra[0]!)

  world.tables.nodes.delete('n2')
  await world.settle()
  expect(reached(world)).toEqual([])
  expect(world.maps.peers.has(`identity ${number}`)).toBe(true)

  for (let i = 0; i < 3; i++) {
    await world.clock.advance(10_000)
    await world.settle()
  }

  expect(world.maps.peers.has(`identity ${number}`)).toBe(false)
  expect(world.tables.nodeIdentities.has(String(number))).toBe(false)
})

test('no label of a node makes it pass for a pod', async () => {
  const world = await start({
    policies: (one) =>
      one.apply('CiliumNetworkPolicy', 'p', {
        endpointSelector: {},
        egress: [{toEndpoints: [{matchLabels: {app: 'friend', 'io.kubernetes.pod.namespace': 'default'}}]}],
      }),
  })

  world.otherNode('n3', worker, {
    ...{app: 'friend', 'io.kubernetes.pod.namespace': 'default', 'io.cilium.k8s.policy.serviceaccount': 'default'},
    'io.cilium.k8s.policy.cluster': 'other',
  })
  await world.settle()

  expect(reached(world)).toEqual([])
  const labels = world.tables.nodeIdentities.get(String(identityOf(world, worker[0]!)))!.labels.toStrings()
  expect(labels).toEqual([
    'node:app=friend',
    'k8s:io.cilium.k8s.policy.cluster=default',
    'node:io.cilium.k8s.policy.cluster=default',
    'reserved:remote-node',
  ])
})

test('host policies tell nodes apart, too, and what keeps a node within reach stays', async () => {
  const maps = new PlainMaps()
  const world = await start({
    maps,
    host: new HostRig(maps),
    policies: (one) => one.applyWide('host', {nodeSelector: {}, ingress: [{fromNodes: [ofRole('infra')]}]}),
  })

  expect(all.filter((ip) => world.ask(HOST_SLOT, 'ingress', ip, 80) === 'allow')).toEqual(infra)
})
