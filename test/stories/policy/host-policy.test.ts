/** Host policies: what selects a node, and that no policy keeps a node out of reach. */
import {afterEach, beforeEach, expect, test} from 'vitest'
import {HOST_SLOT} from '../../../src/datapath/gen/constants.ts'
import {failsafePorts} from '../../../src/policy/failsafe.ts'
import {HostRig, PlainMaps, PolicyWorld} from '../../support/agent/policy-world.ts'

const worlds: PolicyWorld[] = []
let maps: PlainMaps
let rig: HostRig

beforeEach(() => {
  maps = new PlainMaps()
  rig = new HostRig(maps)
})
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.stop()))
})

/** An agent starts, with the node and policies as the API server has them. */
async function start(policies: (world: PolicyWorld) => void = () => {}): Promise<PolicyWorld> {
  const world = new PolicyWorld(maps, undefined, rig)
  worlds.push(world)
  world.node({'kubernetes.io/hostname': 'n1', role: 'worker'})
  policies(world)
  world.sync()
  await world.settle()
  return world
}

const workers = {matchLabels: {role: 'worker'}}
/** Nothing but one port may come in. */
const only = (port: number, nodeSelector: object = workers) => ({
  nodeSelector,
  ingress: [{toPorts: [{ports: [{port: String(port), protocol: 'TCP'}]}]}],
})
const allowed = (world: PolicyWorld, port: number) => world.ask(HOST_SLOT, 'ingress', '203.0.113.5', port)

test('without a policy a node is open, and a policy for other nodes or for pods changes nothing', async () => {
  const world = await start()
  expect(allowed(world, 80)).toBe('allow')

  world.applyWide('others', only(22, {matchLabels: {role: 'db'}}))
  world.applyWide('pods', {endpointSelector: {}, ingress: []})
  await world.settle()

  expect(allowed(world, 80)).toBe('allow')
  expect(world.enforcer.host?.state.phase).toBe('confirmed')
})

test('a policy is in force at once, and stays when the API server answers and another node has probed', async () => {
  const world = await start()
  world.applyWide('only', only(22))
  await world.settle()
  expect([allowed(world, 22), allowed(world, 80)]).toEqual(['allow', 'deny'])
  expect(world.enforcer.host?.state.phase).toBe('trial')
  expect(rig.confirmed).toBeUndefined()

  await world.clock.advance(30_000)
  rig.probe()
  await world.clock.advance(31_000)
  await world.settle()

  expect(world.enforcer.host?.state.phase).toBe('confirmed')
  expect(allowed(world, 80)).toBe('deny')
  expect(rig.confirmed).toBeDefined()
  expect(world.refused.size).toBe(0)
})

test.each([
  {name: 'the API server does not answer', apiServer: false, probes: true, missing: 'the API server did not answer'},
  {name: 'no other node’s probe comes', apiServer: true, probes: false, missing: 'no other node could probe'},
])('when $name, what stood before is back, and the policy says why', async ({apiServer, probes, missing}) => {
  const world = await start()
  rig.apiServer = apiServer
  world.applyWide('only', only(22))
  await world.settle()
  if (probes) rig.probe()

  await world.clock.advance(65_000)
  await world.settle()

  expect(allowed(world, 80)).toBe('allow')
  expect(world.enforcer.host?.state.phase).toBe('returned')
  expect(world.refused.get('CiliumClusterwideNetworkPolicy only')).toMatchObject({
    reason: 'NotConfirmed',
    message: expect.stringContaining(missing),
  })
})

test('a probe from before the policy is no witness, nor is one that comes when the trial is over', async () => {
  const world = await start()
  rig.probe()
  world.applyWide('only', only(22))
  await world.settle()

  await world.clock.advance(65_000)
  rig.probe()
  await world.settle()

  expect(world.enforcer.host?.state.phase).toBe('returned')
})

test('a node that is alone needs the API server only', async () => {
  const world = await start()
  rig.others = false
  world.applyWide('only', only(22))
  await world.settle()

  await world.clock.advance(61_000)
  await world.settle()

  expect(world.enforcer.host?.state.phase).toBe('confirmed')
})

test('what came back is not tried again by itself; a change of the policy is', async () => {
  const world = await start()
  world.applyWide('only', only(22))
  await world.settle()
  await world.clock.advance(65_000)
  await world.settle()

  world.node({role: 'worker', more: 'labels'})
  world.applyWide('other', {nodeSelector: {matchLabels: {role: 'db'}}, ingress: []})
  await world.settle()
  expect(allowed(world, 80)).toBe('allow')

  world.applyWide('only', only(23))
  await world.settle()
  expect(world.enforcer.host?.state.phase).toBe('trial')
  rig.probe()
  await world.clock.advance(61_000)
  await world.settle()
  expect([allowed(world, 23), allowed(world, 22)]).toEqual(['allow', 'deny'])
  expect(world.refused.size).toBe(0)
})

test('a policy that fails its trial leaves the confirmed one in force', async () => {
  const world = await start()
  world.applyWide('only', only(22))
  await world.settle()
  rig.probe()
  await world.clock.advance(61_000)

  world.applyWide('closed', {nodeSelector: {}, ingressDeny: [{fromEntities: ['all']}]})
  await world.settle()
  expect(allowed(world, 22)).toBe('deny')
  await world.clock.advance(65_000)
  await world.settle()

  expect([allowed(world, 22), allowed(world, 80)]).toEqual(['allow', 'deny'])
})

test('a policy that goes during its trial leaves nothing behind, and is not judged', async () => {
  const world = await start()
  rig.apiServer = false
  world.applyWide('only', only(22))
  await world.settle()
  await world.clock.advance(10_000)

  world.deleteWide('only')
  await world.settle()
  expect(allowed(world, 80)).toBe('allow')
  await world.clock.advance(65_000)
  await world.settle()

  expect(world.enforcer.host?.state.phase).toBe('confirmed')
  expect(world.refused.size).toBe(0)
})

test('an agent that was ended in a trial goes back to what was confirmed before it knows any policy', async () => {
  const first = await start((world) => world.applyWide('only', only(22)))
  rig.probe()
  await first.clock.advance(61_000)
  first.applyWide('only', only(23))
  await first.settle()
  expect([allowed(first, 22), allowed(first, 23)]).toEqual(['deny', 'allow'])
  await first.stop()

  const second = new PolicyWorld(maps, undefined, rig)
  worlds.push(second)

  expect([allowed(second, 22), allowed(second, 23)]).toEqual(['allow', 'deny'])
})

test('without anything confirmed it goes back to no rules', async () => {
  const first = await start((world) => world.applyWide('only', only(22)))
  expect(allowed(first, 80)).toBe('deny')
  await first.stop()

  const second = new PolicyWorld(maps, undefined, rig)
  worlds.push(second)

  expect(allowed(second, 80)).toBe('allow')
})

test('what is confirmed outlives agents and reboots without another trial', async () => {
  const first = await start((world) => world.applyWide('only', only(22)))
  rig.probe()
  await first.clock.advance(61_000)
  await first.stop()

  const second = await start((world) => world.applyWide('only', only(22)))
  expect(second.enforcer.host?.state.phase).toBe('confirmed')
  expect(allowed(second, 80)).toBe('deny')
  await second.stop()

  const {confirmed} = rig
  maps = new PlainMaps()
  rig = new HostRig(maps)
  rig.confirmed = confirmed
  const third = await start((world) => world.applyWide('only', only(22)))
  expect(third.enforcer.host?.state.phase).toBe('confirmed')
  expect(allowed(third, 80)).toBe('deny')
})

test('the mode `always` does not close a node, and `never` opens it', async () => {
  const world = await start()
  world.mode = 'always'
  world.enforcer.schedule()
  await world.settle()
  expect(allowed(world, 80)).toBe('allow')

  world.applyWide('only', only(22))
  await world.settle()
  expect(allowed(world, 80)).toBe('deny')
  world.mode = 'never'
  world.enforcer.schedule()
  await world.settle()
  expect(allowed(world, 80)).toBe('allow')
})

test('what keeps the node within reach stays open under a policy that denies everything', async () => {
  rig.failsafe = failsafePorts({apiServer: [6443], health: 4240})
  const world = await start()
  world.applyWide('closed', {
    nodeSelector: {},
    ingressDeny: [{fromEntities: ['all']}],
    egressDeny: [{toEntities: ['all']}],
  })
  await world.settle()

  expect([22, 10_250, 6443, 4240].map((port) => allowed(world, port))).toEqual(Array(4).fill('allow'))
  expect([allowed(world, 80), world.ask(HOST_SLOT, 'egress', '203.0.113.5', 443)]).toEqual(['deny', 'deny'])
  expect(world.ask(HOST_SLOT, 'egress', '203.0.113.5', 6443)).toBe('allow')
})

test('a new label of the node makes a policy its own', async () => {
  const world = await start((one) => one.applyWide('db', only(5432, {matchLabels: {role: 'db'}})))
  expect(allowed(world, 80)).toBe('allow')

  world.node({role: 'db'})
  await world.settle()

  expect([allowed(world, 5432), allowed(world, 80)]).toEqual(['allow', 'deny'])
})
