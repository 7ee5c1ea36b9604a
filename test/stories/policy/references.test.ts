/** What policies refer to by name changes under them: they follow, and what they do not refer to costs nothing. */
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {SliceEndpoint} from '../../../src/agent/service/rows.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {PolicyWorld} from '../../support/agent/policy-world.ts'

const friend = '10.0.2.8'
const stranger = '10.0.2.9'
const outside = ['198.51.100.1', '2001:db8::1'] as const
let world: PolicyWorld

beforeEach(() => {
  world = new PolicyWorld()
  world.remote({name: 'friend', ip: friend, identity: 1008, labels: {app: 'friend'}})
  world.remote({name: 'stranger', ip: stranger, identity: 1009, labels: {app: 'stranger'}})
  world.local({name: 'web', ip: '10.0.1.7', identity: 1007, labels: {app: 'web'}})
})
afterEach(() => world.stop())

const toService = (service: object) => ({
  endpointSelector: {matchLabels: {app: 'web'}},
  egress: [{toServices: [service]}],
})
const byName = toService({k8sService: {serviceName: 'db', namespace: 'default'}})
const byLabels = toService({k8sServiceSelector: {selector: {matchLabels: {tier: 'data'}}}})

function service(name: string, selector?: Record<string, string>, labels: Record<string, string> = {}): void {
  world.tables.policyServices.upsert({namespace: 'default', name, labels, selector})
}

function slice(name: string, ...ips: string[]): void {
  const endpoints = ips.map(
    (ip): SliceEndpoint => ({
      ...{ip: Ip.of(ip), ready: true, serving: true, terminating: false},
      ...{node: undefined, zone: undefined, forZones: [], forNodes: []},
    }),
  )
  world.tables.endpointSlices.upsert({
    ...{namespace: 'default', name: `${name}-1`, service: `default/${name}`},
    ...{family: Ip.of(ips[0]!).family, endpoints, ports: [], problems: []},
  })
}

async function begin(spec: object): Promise<void> {
  world.apply('CiliumNetworkPolicy', 'p', spec)
  world.sync()
  await settled()
}

/** @returns what was written for it */
async function settled(): Promise<readonly string[]> {
  world.maps.writes = []
  await world.settle()
  return world.maps.writes
}

const mayAsk = (...ips: string[]) => ips.map((ip) => world.ask(7, 'egress', ip, 80) === 'allow')

describe.for([
  ['by name', byName, {}],
  ['by labels', byLabels, {tier: 'data'}],
] as const)('a service that a policy refers to %s', ([, spec, labels]) => {
  test('selects other pods, comes and goes', async () => {
    service('db', {app: 'friend'}, labels)
    await begin(spec)
    expect(mayAsk(friend, stranger)).toEqual([true, false])

    service('db', {app: 'stranger'}, labels)
    await settled()
    expect(mayAsk(friend, stranger)).toEqual([false, true])

    world.tables.policyServices.delete('default/db')
    await settled()
    expect(mayAsk(friend, stranger)).toEqual([false, false])

    service('db', {app: 'friend'}, labels)
    await settled()
    expect(mayAsk(friend, stranger)).toEqual([true, false])
  })

  test('without a selector: its slices say who is meant', async () => {
    service('db', undefined, labels)
    slice('db', outside[0])
    await begin(spec)
    expect(mayAsk(...outside)).toEqual([true, false])

    slice('db', outside[1])
    await settled()
    expect(mayAsk(...outside)).toEqual([false, true])

    world.tables.endpointSlices.delete('default/db-1')
    await settled()
    expect(mayAsk(...outside)).toEqual([false, false])
  })
})

test('a service whose labels are no longer those that a policy asks for is not meant any more', async () => {
  service('db', {app: 'friend'}, {tier: 'data'})
  await begin(byLabels)

  service('db', {app: 'friend'}, {tier: 'other'})
  await settled()

  expect(mayAsk(friend, stranger)).toEqual([false, false])
})

test('services that no policy refers to change without anything being compiled or written', async () => {
  service('db', {app: 'friend'})
  await begin(byName)
  let compiled = 0
  const {engine} = world.enforcer
  const compile = engine.compile.bind(engine)
  engine.compile = (key) => {
    compiled++
    return compile(key)
  }

  for (let i = 0; i < 100; i++) service(`other${i}`, i % 2 === 0 ? {app: 'stranger'} : undefined)
  for (let i = 0; i < 100; i++) slice(`other${i}`, outside[0])
  // whom a selector selects is asked of pods, not of slices
  slice('db', outside[0])

  expect(await settled()).toEqual([])
  expect(compiled).toBe(0)
  expect(mayAsk(friend, stranger, outside[0])).toEqual([true, false, false])
})

test('a group of prefixes changes', async () => {
  const group = (...cidrs: string[]) =>
    world.tables.cidrGroups.upsert({name: 'g', labels: {}, cidrs: cidrs.map((text) => Cidr.of(text)), problems: []})
  group('198.51.100.0/24')
  await begin({
    endpointSelector: {matchLabels: {app: 'web'}},
    egress: [{toCIDRSet: [{cidrGroupRef: 'g'}]}],
  })
  expect(mayAsk(...outside)).toEqual([true, false])

  group('2001:db8::/64')
  await settled()
  expect(mayAsk(...outside)).toEqual([false, true])
})
