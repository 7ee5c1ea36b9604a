/** The entity kube-apiserver: on another node, on this one, and on none. */
import {afterEach, expect, test} from 'vitest'
import {Cidr} from '../../../src/model/cidr.ts'
import {outsideApiServers, reservedIdentities} from '../../../src/model/identity.ts'
import {Ip} from '../../../src/model/ip.ts'
import {PolicyWorld} from '../../support/agent/policy-world.ts'

const worlds: PolicyWorld[] = []
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.stop()))
})

const web = {name: 'web', ip: '10.0.1.7', identity: 1007, labels: {app: 'web'}}
const [thisNode, otherNode, outside] = ['192.0.2.1', '192.0.2.2', '203.0.113.9']

function tellWhere(world: PolicyWorld, ...ips: string[]): void {
  world.tables.endpointSlices.upsert({
    ...{namespace: 'default', name: 'kubernetes', service: 'default/kubernetes', family: 4, problems: []},
    ports: [{name: 'https', port: 6443, protocol: 'TCP'}],
    endpoints: ips.map((ip) => ({
      ip: Ip.of(ip),
      ...{ready: true, serving: true, terminating: false, node: undefined, zone: undefined, forZones: [], forNodes: []},
    })),
  })
}

async function start(apiServer: string): Promise<PolicyWorld> {
  const world = new PolicyWorld()
  worlds.push(world)
  world.tables.nodes.upsert({
    ...{name: 'n2', local: false, externalIps: [], routerIps: [], healthIps: [], podCidrs: [], labels: {}},
    internalIps: [Ip.of(otherNode)],
    bootId: undefined,
  })
  world.local(web)
  tellWhere(world, apiServer)
  world.apply('CiliumNetworkPolicy', 'api', {
    endpointSelector: {matchLabels: {app: 'web'}},
    egress: [{toEntities: ['kube-apiserver']}],
  })
  world.sync()
  await world.settle()
  return world
}

const reached = (world: PolicyWorld) =>
  [thisNode, otherNode, outside].filter((ip) => world.ask(7, 'egress', ip, 6443) === 'allow')
const identityOf = (world: PolicyWorld, ip: string) =>
  world.tables.addresses.get(String(Cidr.host(Ip.of(ip))))?.identity

test.each([
  {where: 'on this node', ip: thisNode, identity: reservedIdentities.host},
  {where: 'on another node', ip: otherNode, identity: reservedIdentities['kube-apiserver']},
  {where: 'on none', ip: outside, identity: outsideApiServers[4]},
])('$where it is what the entity means, and nobody else is', async ({ip, identity}) => {
  const world = await start(ip)

  expect(reached(world)).toEqual([ip])
  expect(identityOf(world, ip)).toBe(identity)
})

test('when it moves, what it was is an ordinary node again', async () => {
  const world = await start(thisNode)

  tellWhere(world, otherNode)
  await world.settle()
  expect(reached(world)).toEqual([otherNode])

  tellWhere(world, outside)
  await world.settle()
  expect(reached(world)).toEqual([outside])
  expect(identityOf(world, otherNode)).toBe(reservedIdentities['remote-node'])
})

test('outside the cluster it is still of the world, and on a node still a node', async () => {
  const world = await start(outside)
  world.apply('CiliumNetworkPolicy', 'api', {
    endpointSelector: {matchLabels: {app: 'web'}},
    egress: [{toEntities: ['world']}],
  })
  await world.settle()
  expect(reached(world)).toEqual([outside])

  world.apply('CiliumNetworkPolicy', 'api', {
    endpointSelector: {matchLabels: {app: 'web'}},
    egress: [{toEntities: ['remote-node']}],
  })
  tellWhere(world, otherNode)
  await world.settle()
  expect(reached(world)).toEqual([otherNode])
})

test('while nobody knows where it is, what was known holds', async () => {
  const world = await start(otherNode)

  tellWhere(world)
  await world.settle()

  expect(reached(world)).toEqual([otherNode])
})
