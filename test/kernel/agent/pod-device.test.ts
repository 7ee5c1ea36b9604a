/** Pods' devices by themselves: without programs the node's own routing carries their packets. */
import {closeSync, openSync} from 'node:fs'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {
  bringUpNodeEnd,
  configurePodEnd,
  createPair,
  type PodDevice,
  removePair,
} from '../../../src/agent/endpoint/pod-device.ts'
import {ensureOwnDevices, setRouterAddresses} from '../../../src/agent/node/own-devices.ts'
import {prepareRouting, Sysctl} from '../../../src/agent/node/sysctl.ts'
import {findLink, linkAdd, linkSet, listLinks} from '../../../src/kernel/netlink/link.ts'
import {listNeighbours} from '../../../src/kernel/netlink/neighbour.ts'
import {listRoutes, routeProtocols, routeReplace} from '../../../src/kernel/netlink/route.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns} from '../../../src/kernel/netns.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {type Claim, claimNumber} from '../../support/agent/claim.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'

const families = {ipv4: true, ipv6: true}
let claim: Claim
let names: Record<'node' | 'a' | 'b', string>
const sysctl = new Sysctl('/proc')
const routerIps = [Ip.of('10.0.1.1'), Ip.of('fd00:1::1')]
let node: string
let socket: NetlinkSocket
const processes: PodProcess[] = []

beforeEach(async () => {
  claim = await claimNumber()
  names = {node: `ag${claim.number}-node`, a: `ag${claim.number}-a`, b: `ag${claim.number}-b`}
  for (const name of Object.values(names)) deleteNetns(name)
  node = createNetns(names.node)
  socket = inNetns(node, () => new NetlinkSocket())
  socket.run(linkSet(findLink(socket, 'lo')!.ifindex, {up: true}))
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  socket.close()
  for (const name of Object.values(names)) deleteNetns(name)
  claim.release()
})

function device(number: number): PodDevice {
  return {
    ifindex: 4096 + number,
    hostDevice: `lxc00000000000${number}`,
    ifname: 'eth0',
    mac: Mac.of(`02:00:00:00:01:0${number}`),
    hostMac: Mac.of(`02:00:00:00:02:0${number}`),
    ips: [Ip.of(`10.0.1.1${number}`), Ip.of(`fd00:1::1${number}`)],
    routerIps,
    mtu: 1500,
    routeMtu: 1450,
  }
}

function connectPod(name: string, number: number): string {
  const path = createNetns(name)
  const netns = openSync(path, 'r')
  try {
    const pod = device(number)
    expect(createPair(socket, netns, pod)).toBe(true)
    configurePodEnd(sysctl, netns, pod, families)
    inNetns(node, () => bringUpNodeEnd(socket, sysctl, pod, families))
    for (const ip of pod.ips) socket.run(routeReplace({destination: Cidr.host(ip), ifindex: pod.ifindex}))
  } finally {
    closeSync(netns)
  }
  return path
}

function prepareNode(tunnelPort: number | undefined) {
  return inNetns(node, () => {
    prepareRouting(sysctl, {...families, devices: []})
    const own = ensureOwnDevices(socket, sysctl, {...families, mtu: 1500, tunnelPort})
    setRouterAddresses(socket, own.host, routerIps)
    return own
  })
}

test('two pods talk over both families, and the gateway answers', async () => {
  prepareNode(undefined)
  const [a, b] = [connectPod(names.a, 1), connectPod(names.b, 2)].map((path) => new PodProcess(path))
  processes.push(a!, b!)
  await b!.serve()

  expect(await a!.tcp('10.0.1.12', 'hello')).toBe('hello')
  expect(await a!.tcp('fd00:1::12', 'hello six')).toBe('hello six')
  expect(await a!.udp('10.0.1.12', 'who')).toBe('::ffff:10.0.1.11')
  expect(await a!.udp('fd00:1::12', 'who')).toBe('fd00:1::11')
})

test('a node goes on hearing routers, and may ping, once it forwards', () => {
  inNetns(node, () => {
    socket.run(linkAdd({name: 'wan0', kind: 'veth', peer: {name: 'wan1'}}))
    sysctl.set('net/ipv6/conf/wan0/accept_ra', 1)
    sysctl.set('net/ipv6/conf/wan1/accept_ra', 0)
    sysctl.set('net/ipv6/conf/all/forwarding', 0)
    sysctl.set('net/ipv4/ping_group_range', '1 0')
    const order: string[] = []
    const set = sysctl.set.bind(sysctl)
    sysctl.set = (name, value) => {
      order.push(name.split('/').slice(-2).join('/'))
      set(name, value)
    }

    prepareRouting(sysctl, {...families, devices: ['wan0', 'wan1']})

    expect(['wan0', 'wan1', 'all'].map((device) => sysctl.get(`net/ipv6/conf/${device}/accept_ra`))).toEqual([
      '2',
      '0',
      '1',
    ])
    // the other way round the kernel forgets the default route that a router had told
    expect(order.indexOf('wan0/accept_ra')).toBeLessThan(order.indexOf('all/forwarding'))
    expect(sysctl.get('net/ipv4/ping_group_range')).toBe('0\t0')
    sysctl.set('net/ipv4/ping_group_range', '100 2000')
    prepareRouting(sysctl, {...families, devices: []})
    expect(sysctl.get('net/ipv4/ping_group_range')).toBe('0\t2000')
  })
})

test('the node end has the index of its slot, the pod end its final name and a permanent gateway', () => {
  prepareNode(undefined)
  const path = connectPod(names.a, 1)

  expect(findLink(socket, 'lxc000000000001')).toMatchObject({ifindex: 4097, up: true, running: true, mtu: 1500})
  inNetns(path, () => {
    using inside = new NetlinkSocket()
    const eth0 = findLink(inside, 'eth0')!
    expect(eth0.mac?.toString()).toBe('02:00:00:00:01:01')
    const routes = [...listRoutes(inside, {family: 4}), ...listRoutes(inside, {family: 6})]
      .filter((route) => route.protocol === routeProtocols.cilium)
      .map((route) => `${route.destination} ${route.gateway ?? ''} ${route.mtu ?? ''}`.trim())
    expect(routes.sort()).toEqual(['0.0.0.0/0 10.0.1.1 1450', '10.0.1.1/32', '::/0 fd00:1::1 1450', 'fd00:1::1/128'])
    const neighbours = [...listNeighbours(inside, 4), ...listNeighbours(inside, 6)].filter((one) => one.state === 0x80)
    expect(neighbours.map(({ip, mac}) => `${ip} ${mac}`).sort()).toEqual([
      '10.0.1.1 02:00:00:00:02:01',
      'fd00:1::1 02:00:00:00:02:01',
    ])
  })
})

test('an index or name that is taken is told, and an eth0 that is there is an error', () => {
  prepareNode(undefined)
  const path = connectPod(names.a, 1)
  createNetns(names.b)
  const [a, b] = [openSync(path, 'r'), openSync(`/run/netns/${names.b}`, 'r')]
  try {
    expect(createPair(socket, b, device(1))).toBe(false)
    expect(createPair(socket, b, {...device(1), ifindex: 4099})).toBe(false)
    expect(() => createPair(socket, a, device(2))).toThrow('eth0 already exists')
    expect(listLinks(socket).filter(({name}) => name.startsWith('lxc'))).toHaveLength(1)
  } finally {
    closeSync(a)
    closeSync(b)
  }
})

test('removing a pair takes its routes along, twice is fine', () => {
  prepareNode(undefined)
  connectPod(names.a, 1)

  removePair(socket, 4097)
  removePair(socket, 4097)

  expect(listLinks(socket).map(({name}) => name)).not.toContain('lxc000000000001')
  expect(listRoutes(socket, {family: 4, protocol: routeProtocols.cilium})).toEqual([])
})

test('the own devices are made once and follow the plan', () => {
  const first = prepareNode(8472)
  const again = prepareNode(8472)
  expect(again.host.ifindex).toBe(first.host.ifindex)
  expect(again.overlay?.ifindex).toBe(first.overlay?.ifindex)
  expect(again.overlay).toMatchObject({up: true, vxlan: {port: 8472, external: true}})

  expect(prepareNode(8473).overlay).toMatchObject({vxlan: {port: 8473}})
  expect(prepareNode(undefined).overlay).toBeUndefined()
  expect(findLink(socket, 'cilium_vxlan')).toBeUndefined()
})
