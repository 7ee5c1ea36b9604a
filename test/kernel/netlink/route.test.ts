import {afterAll, beforeAll, expect, test} from 'vitest'
import {addressDelete, addressReplace, listAddresses} from '../../../src/kernel/netlink/address.ts'
import {findLink, linkAdd, linkSet} from '../../../src/kernel/netlink/link.ts'
import {
  listNeighbours,
  neighbourDelete,
  neighbourReplace,
  neighbourStates,
} from '../../../src/kernel/netlink/neighbour.ts'
import {
  listRoutes,
  type Route,
  resolveRoute,
  routeAdd,
  routeDelete,
  routeProtocols,
  routeReplace,
} from '../../../src/kernel/netlink/route.ts'
import {listRules, type Rule, ruleAdd, ruleDelete} from '../../../src/kernel/netlink/rule.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {type TestNamespace, testNamespace} from '../support/namespace.ts'

let node: TestNamespace
let ifindex: number
beforeAll(() => {
  node = testNamespace('route')
  node.route.run(linkAdd({kind: 'veth', name: 'eth0', up: true, peer: {name: 'far0'}}))
  ifindex = findLink(node.route, 'eth0')!.ifindex
  node.route.run(linkSet(findLink(node.route, 'far0')!.ifindex, {up: true}))
  node.route.runAll([
    addressReplace({ifindex, ip: Ip.of('192.0.2.10'), prefixLength: 24}),
    addressReplace({ifindex, ip: Ip.of('2001:db8::10'), prefixLength: 64}),
  ])
})
afterAll(() => node.close())

const families = [
  {
    family: 4 as const,
    own: '192.0.2.10',
    gateway: '192.0.2.1',
    pods: '10.1.0.0/24',
    pod: '10.1.0.5',
    all: '0.0.0.0/0',
    strange: '198.51.100.1',
  },
  {
    family: 6 as const,
    own: '2001:db8::10',
    gateway: '2001:db8::1',
    pods: 'fd00:1::/64',
    pod: 'fd00:1::5',
    all: '::/0',
    strange: '2001:db8:9::1',
  },
]

const show = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>

test.each(families)('an IPv$family address is there at once, and gone when deleted', ({family, own, pod}) => {
  const address = {ifindex, ip: Ip.of(pod), prefixLength: family === 4 ? 32 : 128, prefixRoute: false}

  node.route.run(addressReplace(address))
  node.route.run(addressReplace(address))

  const listed = listAddresses(node.route, ifindex)
  expect(listed.map(({ip}) => ip.toString())).toEqual(expect.arrayContaining([own, pod]))
  expect(listed.find(({ip}) => ip.toString() === pod)).toMatchObject({tentative: false})
  node.route.run(addressDelete(address))
  expect(listAddresses(node.route, ifindex).map(({ip}) => ip.toString())).not.toContain(pod)
  expect(() => node.route.run(addressDelete(address))).toThrow(expect.objectContaining({errno: 'EADDRNOTAVAIL'}))
})

test.each(families)('an IPv$family route has every property it was given', ({family, own, gateway, pods}) => {
  const route: Route = {
    destination: Cidr.of(pods),
    ifindex,
    gateway: Ip.of(gateway),
    source: Ip.of(own),
    mtu: 1400,
    priority: 77,
  }

  node.route.run(routeReplace(route))

  const [real] = node.ip(`-${family}`, 'route', 'show', pods)
  expect(real).toMatchObject({dst: pods, gateway, dev: 'eth0', prefsrc: own, metric: 77, protocol: '193'})
  expect(JSON.stringify(real)).toContain('"mtu":1400')
  const listed = listRoutes(node.route, {family}).find(({destination}) => destination.toString() === pods)
  expect(show(listed)).toMatchObject({gateway, ifindex, source: own, mtu: 1400, priority: 77, protocol: 193})
  node.route.run(routeDelete(route))
  expect(() => node.route.run(routeDelete(route))).toThrow(expect.objectContaining({errno: 'ESRCH'}))
})

test.each(families)('an IPv$family route is replaced, not doubled', ({family, gateway, pods}) => {
  const route: Route = {destination: Cidr.of(pods), ifindex, gateway: Ip.of(gateway)}

  node.route.runAll([routeAdd(route), routeReplace({...route, mtu: 1300})])

  expect(() => node.route.run(routeAdd(route))).toThrow(expect.objectContaining({errno: 'EEXIST'}))
  expect(node.ip(`-${family}`, 'route', 'show', pods)).toHaveLength(1)
  node.route.run(routeDelete(route))
})

test.each(families)('an IPv$family gateway that no route reaches is taken when it is on the link', (plan) => {
  const route: Route = {destination: Cidr.of(plan.pods), ifindex, gateway: Ip.of(plan.strange)}

  expect(() => node.route.run(routeReplace(route))).toThrow()
  node.route.run(routeReplace({...route, onlink: true}))

  expect(resolveRoute(node.route, Ip.of(plan.pod))?.gateway?.toString()).toBe(plan.strange)
  node.route.run(routeDelete({...route, onlink: true}))
})

test.each(families)('IPv$family routes live in other tables, and unreachable ones too', ({family, pods, all}) => {
  node.route.runAll([
    routeReplace({destination: Cidr.of(pods), ifindex, table: 2004}),
    routeReplace({destination: Cidr.of(all), type: 'unreachable', table: 2004}),
  ])

  const routes = listRoutes(node.route, {family, table: 2004})

  expect(routes.map(({destination, type}) => [destination.toString(), type]).sort()).toEqual(
    [
      [pods, 1],
      [all, 7],
    ].sort(),
  )
  expect(listRoutes(node.route, {family}).some(({table}) => table === 2004)).toBe(false)
  expect(listRoutes(node.route, {family, table: 999})).toEqual([])
})

test('an IPv4 route goes by an IPv6 gateway', () => {
  const route: Route = {destination: Cidr.of('10.9.0.0/24'), ifindex, gateway: Ip.of('2001:db8::1')}

  node.route.run(routeReplace(route))

  expect(node.ip('-4', 'route', 'show', '10.9.0.0/24')[0]).toMatchObject({via: {family: 'inet6', host: '2001:db8::1'}})
  expect(resolveRoute(node.route, Ip.of('10.9.0.1'))?.gateway?.toString()).toBe('2001:db8::1')
  node.route.run(routeDelete(route))
})

test.each(families)('no way to an IPv$family address is told from an error', ({strange, own}) => {
  expect(resolveRoute(node.route, Ip.of(strange))).toBeUndefined()
  expect(resolveRoute(node.route, Ip.of(own))).toMatchObject({type: 2})
})

test.each(families)('an IPv$family rule is added once, listed and deleted', ({family, pods}) => {
  const rule: Rule = {family, priority: 111, table: 2005, from: Cidr.of(pods), mark: 0x200, markMask: 0xf00}

  node.route.run(ruleAdd(rule))

  expect(() => node.route.run(ruleAdd(rule))).toThrow(expect.objectContaining({errno: 'EEXIST'}))
  const listed = listRules(node.route, family).find(({priority}) => priority === 111)
  expect(show(listed)).toEqual({...show(rule), protocol: routeProtocols.cilium})
  expect(node.ip(`-${family}`, 'rule', 'show', 'priority', '111')).toMatchObject([
    {priority: 111, table: '2005', fwmark: '0x200', fwmask: '0xf00'},
  ])
  node.route.run(ruleDelete(rule))
  expect(() => node.route.run(ruleDelete(rule))).toThrow(expect.objectContaining({errno: 'ENOENT'}))
})

test.each(families)('a permanent IPv$family neighbour is there for ever', ({family, gateway}) => {
  const neighbour = {ifindex, ip: Ip.of(gateway), mac: Mac.of('02:00:00:00:00:99')}

  node.route.run(neighbourReplace(neighbour))

  expect(show(listNeighbours(node.route, family, ifindex))).toContainEqual({
    ifindex,
    ip: gateway,
    mac: '02:00:00:00:00:99',
    state: neighbourStates.permanent,
  })
  expect(node.ip(`-${family}`, 'neigh', 'show', gateway)).toMatchObject([
    {lladdr: '02:00:00:00:00:99', state: ['PERMANENT']},
  ])
  node.route.run(neighbourDelete(neighbour))
  expect(() => node.route.run(neighbourDelete(neighbour))).toThrow(expect.objectContaining({errno: 'ENOENT'}))
})

test('a thousand routes go in by a few messages and come out whole', () => {
  const routes = Array.from({length: 1000}, (_, i) => ({
    destination: Cidr.of(`10.${100 + (i >> 8)}.${i & 255}.0/24`),
    ifindex,
    gateway: Ip.of('192.0.2.1'),
    table: 3000,
  }))

  node.route.runAll(routes.map(routeReplace))

  expect(listRoutes(node.route, {family: 4, table: 3000})).toHaveLength(1000)
  node.route.runAll(routes.map(routeDelete))
  expect(listRoutes(node.route, {family: 4, table: 3000})).toEqual([])
})
