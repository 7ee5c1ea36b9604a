import {afterEach, describe, expect, test} from 'vitest'
import {type PlainMaps, PolicyWorld} from '../../../support/agent/policy-world.ts'

let worlds: PolicyWorld[] = []
afterEach(async () => {
  await Promise.all(worlds.map((world) => world.stop()))
  worlds = []
})

const web = {name: 'web', ip: '10.0.1.7', identity: 1007, labels: {app: 'web'}}
const friend = {name: 'friend', ip: '10.0.2.8', identity: 1008, labels: {app: 'friend'}}
const stranger = {name: 'stranger', ip: '10.0.2.9', identity: 1009, labels: {app: 'stranger'}}
const peers = ['10.0.2.8', '10.0.2.9', '192.0.2.1', '198.51.100.1', '198.51.100.129', '203.0.113.5']

/** An agent with a pod and its peers; a former one's maps may be given. */
function start(maps?: PlainMaps): PolicyWorld {
  const world = new PolicyWorld(maps)
  worlds.push(world)
  world.remote(friend)
  world.remote(stranger)
  world.local(web)
  return world
}

async function ready(maps?: PlainMaps, policies: (world: PolicyWorld) => void = () => {}): Promise<PolicyWorld> {
  const world = start(maps)
  policies(world)
  world.sync()
  await world.settle()
  return world
}

/** Everybody's verdict at both ends of web. */
function verdicts(world: PolicyWorld): string {
  return (['ingress', 'egress'] as const)
    .flatMap((direction) =>
      peers.flatMap((peer) =>
        [80, 443].map((port) => `${direction} ${peer} ${port} ${world.ask(7, direction, peer, port)}`),
      ),
    )
    .join('\n')
}

/** Runs the change, and fails when any verdict between is neither the one before nor the one after, or comes back. */
async function atomically(world: PolicyWorld, change: () => void): Promise<void> {
  const seen = [verdicts(world)]
  world.maps.afterWrite = () => seen.push(verdicts(world))
  change()
  await world.settle()
  world.maps.afterWrite = () => {}
  const [before, after] = [seen[0]!.split('\n'), verdicts(world).split('\n')]
  for (const [at, text] of seen.entries()) {
    for (const [line, verdict] of text.split('\n').entries()) {
      const turned = seen.slice(0, at).some((earlier) => earlier.split('\n')[line] === after[line])
      const allowed = turned ? [after[line]] : [before[line], after[line]]
      expect(allowed, `after ${world.maps.writes.slice(0, at).join(', ')}`).toContain(verdict)
    }
  }
}

const fromFriend = {
  podSelector: {matchLabels: {app: 'web'}},
  ingress: [{from: [{podSelector: {matchLabels: {app: 'friend'}}}]}],
}
const block = (cidr: string, ...except: string[]) => ({
  podSelector: {matchLabels: {app: 'web'}},
  ingress: [{from: [{ipBlock: {cidr, except}}]}],
})
const outside = (section: string, ...cidrs: string[]) => ({
  endpointSelector: {matchLabels: {app: 'web'}},
  enableDefaultDeny: {ingress: false, egress: false},
  [section]: [{fromCIDR: cidrs}],
})

describe('an endpoint', () => {
  test('is closed until every source has told all it has', async () => {
    const world = start()
    await world.settle()
    expect(world.enforcer.standings.setsOf(world.tables.endpoints.get('7')!)).toEqual({ingress: 0, egress: 0})

    world.sync()
    await world.settle()

    expect(world.enforcer.standings.setsOf(world.tables.endpoints.get('7')!)).toEqual({ingress: 1, egress: 1})
    expect(world.tables.endpoints.status('7', 'policy')?.state).toBe('done')
  })

  test('is judged by the policies that select it, by each direction for itself', async () => {
    const world = await ready(undefined, (one) => one.apply('NetworkPolicy', 'np', fromFriend))

    expect(world.ask(7, 'ingress', friend.ip, 80)).toBe('allow')
    expect(world.ask(7, 'ingress', stranger.ip, 80)).toBe('deny')
    expect(world.ask(7, 'egress', stranger.ip, 80)).toBe('allow')
  })

  test.each([
    ['always', 'deny'],
    ['never', 'allow'],
    ['default', 'allow'],
  ] as const)('without policies in mode %s: %s', async (mode, verdict) => {
    const world = await ready()
    world.mode = mode
    world.enforcer.schedule()
    await world.settle()

    expect(world.ask(7, 'ingress', friend.ip, 80)).toBe(verdict)
  })

  test('keeps what is in force when its new set does not fit, and gets it once there is room', async () => {
    const world = await ready(undefined, (one) => one.apply('NetworkPolicy', 'np', fromFriend))
    world.maps.full = 1
    world.apply('NetworkPolicy', 'np2', {
      podSelector: {matchLabels: {app: 'web'}},
      ingress: [{from: [{podSelector: {matchLabels: {app: 'stranger'}}}]}],
    })
    await world.settle()
    expect(world.ask(7, 'ingress', stranger.ip, 80)).toBe('deny')
    expect(world.ask(7, 'ingress', friend.ip, 80)).toBe('allow')
    expect(world.tables.endpoints.status('7', 'policy')).toMatchObject({state: 'error', code: 'POLICY_MAPS_FULL'})
    expect(world.refused.get('NetworkPolicy default/np2')).toEqual({
      reason: 'NoRoom',
      message: 'the maps of rule sets are full',
    })
    const before = world.enforced

    world.maps.full = 1000
    world.clock.advance(1000)
    await world.settle()

    expect(world.ask(7, 'ingress', stranger.ip, 80)).toBe('allow')
    expect(world.tables.endpoints.status('7', 'policy')?.state).toBe('done')
    expect([...world.refused]).toEqual([])
    expect(world.enforced).toBe(before)
  })
})

const fromStranger = {
  podSelector: {matchLabels: {app: 'web'}},
  ingress: [{from: [{podSelector: {matchLabels: {app: 'stranger'}}}]}],
}
const onlyToFriend = {
  podSelector: {matchLabels: {app: 'web'}},
  policyTypes: ['Egress'],
  egress: [{to: [{podSelector: {matchLabels: {app: 'friend'}}}]}],
}

test('a change of one direction brings the other into force that was refused or lost before it', async () => {
  const world = await ready(undefined, (one) => one.apply('NetworkPolicy', 'np', fromFriend))
  world.maps.full = 1
  world.apply('NetworkPolicy', 'np', fromStranger)
  await world.settle()
  expect(world.ask(7, 'ingress', friend.ip, 80)).toBe('allow')

  world.maps.full = 1000
  world.apply('NetworkPolicy', 'out', onlyToFriend)
  await world.settle()

  expect(['ingress', 'egress'].map((one) => world.ask(7, one as 'ingress', friend.ip, 80))).toEqual(['deny', 'allow'])
  expect(world.ask(7, 'ingress', stranger.ip, 80)).toBe('allow')
})

test('a pass that a write of the maps has ended is made up for by the next, in both directions', async () => {
  const world = await ready(undefined, (one) => one.apply('NetworkPolicy', 'np', fromFriend))
  let broken = true
  world.maps.afterWrite = () => {
    if (broken && world.maps.writes.at(-1)!.startsWith('peer')) throw new Error('EIO')
  }
  world.apply('NetworkPolicy', 'np', fromStranger)
  await world.settle()
  expect(world.ask(7, 'ingress', friend.ip, 80)).toBe('allow')

  broken = false
  world.apply('NetworkPolicy', 'out', onlyToFriend)
  await world.settle()

  expect(world.ask(7, 'ingress', friend.ip, 80)).toBe('deny')
  expect(world.ask(7, 'ingress', stranger.ip, 80)).toBe('allow')
  expect(world.ask(7, 'egress', stranger.ip, 80)).toBe('deny')
})

test('an identity is told of when its row is written, those of the cluster apart from those of this node', async () => {
  const world = await ready()
  const count = (scope: string) => world.learnt.filter((one) => one.scope === scope).length
  expect(count('global')).toBe(3)

  world.remote({name: 'new', ip: '10.0.2.10', identity: 1010, labels: {app: 'new'}})
  await world.settle()

  expect(count('global')).toBe(4)
  expect(world.learnt.every(({seconds}) => seconds >= 0)).toBe(true)
})

test('the revision grows with every policy that comes, changes or goes, and endpoints follow it', async () => {
  const world = await ready()
  const revisionOf = () => world.enforcer.standings.stateOf(world.tables.endpoints.get('7')!).revision
  const seen = [world.enforcer.revision]
  for (const change of [
    () => world.apply('NetworkPolicy', 'one', fromFriend),
    () => world.apply('NetworkPolicy', 'two', {...fromFriend, podSelector: {matchLabels: {app: 'nobody'}}}),
    () => world.apply('NetworkPolicy', 'one', block('203.0.113.0/24')),
    () => world.delete('NetworkPolicy', 'two'),
  ]) {
    change()
    await world.settle()
    seen.push(world.enforcer.revision)
    expect(revisionOf()).toBe(world.enforcer.revision)
  }

  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(new Set(seen).size).toBe(5)
})

test('an invalid policy changes nothing for others, and events find every rule by its number', async () => {
  const world = await ready(undefined, (one) => {
    one.apply('NetworkPolicy', 'np', fromFriend)
    one.apply('CiliumNetworkPolicy', 'bad', {endpointSelector: {}, ingress: [{fromCIDR: ['10.0.0.0/99']}]})
  })

  expect(world.ask(7, 'ingress', friend.ip, 80)).toBe('allow')
  expect(world.ask(7, 'egress', stranger.ip, 80)).toBe('allow')
  const rules = [...world.tables.policyRules.values()].map(({kind, namespace, name, rule}) => [
    kind,
    namespace,
    name,
    rule,
  ])
  expect(rules).toContainEqual(['NetworkPolicy', 'default', 'np', 'ingress[0]'])
  expect(rules).toContainEqual(['NetworkPolicy', 'default', 'np', 'ingress-isolation'])
})

describe('no packet is told anything but before or after while', () => {
  test.each([
    ['a policy comes', [], (world: PolicyWorld) => world.apply('NetworkPolicy', 'np', fromFriend)],
    [
      'a policy asks about prefixes',
      [],
      (world: PolicyWorld) => world.apply('NetworkPolicy', 'np', block('198.51.100.0/24')),
    ],
    [
      'a prefix is split by a second policy',
      [['NetworkPolicy', 'one', block('198.51.100.0/24')]],
      (world: PolicyWorld) => world.apply('NetworkPolicy', 'two', block('198.51.0.0/16', '198.51.100.128/25')),
    ],
    [
      'a deny of a part of it comes',
      [['NetworkPolicy', 'one', block('198.51.100.0/24')]],
      (world: PolicyWorld) => world.apply('CiliumNetworkPolicy', 'no', outside('ingressDeny', '198.51.100.128/25')),
    ],
    [
      'a deny becomes smaller',
      [['CiliumNetworkPolicy', 'no', outside('ingressDeny', '198.51.100.0/24')]],
      (world: PolicyWorld) => world.apply('CiliumNetworkPolicy', 'no', outside('ingressDeny', '198.51.100.128/25')),
    ],
    [
      'a policy is exchanged for another',
      [['NetworkPolicy', 'one', block('198.51.100.0/24')]],
      (world: PolicyWorld) => {
        world.apply('NetworkPolicy', 'two', block('10.0.0.0/8', '10.0.2.9/32'))
        world.delete('NetworkPolicy', 'one')
      },
    ],
    [
      'all policies go',
      [
        ['NetworkPolicy', 'one', block('198.51.100.0/24')],
        ['CiliumNetworkPolicy', 'no', outside('ingressDeny', '198.51.100.128/25')],
      ],
      (world: PolicyWorld) => {
        world.delete('NetworkPolicy', 'one')
        world.delete('CiliumNetworkPolicy', 'no')
      },
    ],
  ] as const)('%s', async (_what, before, change) => {
    const world = await ready(undefined, (one) => {
      for (const [kind, name, spec] of before) one.apply(kind, name, spec)
    })

    await atomically(world, () => change(world))
    // and what nobody asks about any more is taken away
    await atomically(world, () => world.clock.advance(60_000))
  })
})

describe('an agent that starts again', () => {
  const policies = (world: PolicyWorld) => {
    world.apply('NetworkPolicy', 'one', block('198.51.100.0/24'))
    world.apply('NetworkPolicy', 'two', fromFriend)
    world.apply('CiliumNetworkPolicy', 'no', outside('ingressDeny', '198.51.100.128/25'))
  }

  test('finds its sets and writes nothing', async () => {
    const former = await ready(undefined, policies)
    await former.stop()
    const {maps} = former
    const sets = new Map(maps.endpoints)
    maps.writes = []

    await ready(maps, policies)

    expect(maps.endpoints).toEqual(sets)
    expect(maps.writes).toEqual([])
  })

  test('changes nothing before every source has told all, and then never wrongly', async () => {
    const former = await ready(undefined, policies)
    const was = verdicts(former)
    await former.stop()

    const world = start(former.maps)
    world.apply('NetworkPolicy', 'one', block('198.51.0.0/16'))
    world.apply('NetworkPolicy', 'two', fromFriend)
    await world.settle()
    expect(verdicts(world)).toBe(was)
    await atomically(world, () => world.sync())

    expect(world.ask(7, 'ingress', '198.51.100.129', 80)).toBe('allow')
  })

  test('never gives out a number that flows may remember', async () => {
    const former = await ready(undefined, policies)
    await former.stop()
    const {maps} = former
    const used = new Set(maps.sets.keys())
    const world = await ready(maps)
    world.clock.advance(120_000)
    await world.settle()

    world.apply('NetworkPolicy', 'new', block('203.0.113.0/24'))
    await world.settle()

    expect(used.has(maps.endpoints.get(7)!.ingress)).toBe(false)
  })
})

test('named ports are the receiver’s own, also where pods of one identity disagree', async () => {
  const world = await ready(undefined, (one) => {
    one.remote({...friend, ports: [{name: 'http', port: 80}]})
    one.remote({...friend, name: 'other', ip: '10.0.2.10', ports: [{name: 'http', port: 443}]})
    one.apply('NetworkPolicy', 'np', {
      podSelector: {matchLabels: {app: 'web'}},
      policyTypes: ['Egress'],
      egress: [{to: [{podSelector: {matchLabels: {app: 'friend'}}}], ports: [{port: 'http'}]}],
    })
  })

  const ask = (ip: string) => [80, 443].map((port) => world.ask(7, 'egress', ip, port))
  expect(ask('10.0.2.8')).toEqual(['allow', 'deny'])
  expect(ask('10.0.2.10')).toEqual(['deny', 'allow'])
})
