import {afterAll, beforeAll, expect, test, vi} from 'vitest'
import {addressReplace} from '../../../src/kernel/netlink/address.ts'
import {findLink, linkAdd, linkDelete, linkSet} from '../../../src/kernel/netlink/link.ts'
import {type NetworkChange, watchNetwork} from '../../../src/kernel/netlink/monitor.ts'
import {routeReplace} from '../../../src/kernel/netlink/route.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {type TestNamespace, testNamespace} from '../support/namespace.ts'

let node: TestNamespace
beforeAll(() => {
  node = testNamespace('monitor')
})
afterAll(() => node.close())

test('devices, addresses and routes of the namespace are told as they change, and nothing after the end', async () => {
  const seen: string[] = []
  const describeChange = (change: NetworkChange) => {
    if (change.type === 'link')
      return `${change.gone ? '-' : '+'}link ${change.link.name} ${change.link.up ? 'up' : 'down'}`
    if (change.type === 'address') return `${change.gone ? '-' : '+'}address ${change.address.ip}`
    if (change.type === 'route')
      return `${change.gone ? '-' : '+'}route ${change.route.destination} ${change.route.table}`
    return change.type
  }
  const stop = node.run(() => watchNetwork(['link', 'address', 'route'], (change) => seen.push(describeChange(change))))

  node.route.run(linkAdd({kind: 'veth', name: 'a', peer: {name: 'b'}}))
  const {ifindex} = findLink(node.route, 'a')!
  node.route.runAll([
    linkSet(findLink(node.route, 'b')!.ifindex, {up: true}),
    linkSet(ifindex, {up: true}),
    addressReplace({ifindex, ip: Ip.of('10.0.0.1'), prefixLength: 24}),
    addressReplace({ifindex, ip: Ip.of('fd00::1'), prefixLength: 64}),
    routeReplace({destination: Cidr.of('10.9.0.0/16'), ifindex}),
  ])
  await vi.waitUntil(() => seen.includes('+address fd00::1'))
  node.route.run(linkDelete(ifindex))

  await vi.waitUntil(() => seen.some((line) => line.startsWith('-link a')))
  expect(seen).toEqual(
    expect.arrayContaining([
      '+link a down',
      '+link a up',
      '+address 10.0.0.1',
      '+address fd00::1',
      '+route 10.9.0.0/16 254',
      '-address 10.0.0.1',
    ]),
  )

  stop()
  const count = seen.length
  node.route.run(linkAdd({kind: 'veth', name: 'c', peer: {name: 'd'}}))
  await new Promise((resolve) => setImmediate(resolve))
  expect(seen).toHaveLength(count)
})

test('a listener that falls behind is told that it missed changes', async () => {
  let overruns = 0
  const stop = node.run(() =>
    watchNetwork(['route'], (change) => {
      if (change.type === 'overrun') overruns++
    }),
  )
  const {ifindex} = findLink(node.route, 'lo')!
  const routes = Array.from({length: 20000}, (_, i) => ({
    destination: Cidr.of(`10.${i >> 8}.${i & 255}.0/24`),
    ifindex,
  }))

  node.route.runAll(routes.map(routeReplace))

  await vi.waitUntil(() => overruns > 0)
  stop()
  expect(overruns).toBeGreaterThan(0)
})
