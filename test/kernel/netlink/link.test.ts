import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {exit, loadProgram, set} from '../../../src/kernel/bpf/instructions.ts'
import {closeFd} from '../../../src/kernel/libc.ts'
import {findLink, linkAdd, linkDelete, linkSet, listLinks} from '../../../src/kernel/netlink/link.ts'
import {openNetns} from '../../../src/kernel/netns.ts'
import {Mac} from '../../../src/model/mac.ts'
import {type TestNamespace, testNamespace} from '../support/namespace.ts'

let node: TestNamespace
let pod: TestNamespace
beforeAll(() => {
  node = testNamespace('link-node')
  pod = testNamespace('link-pod')
})
afterAll(() => {
  node.close()
  pod.close()
})

describe('a pod device', () => {
  test('is made in one message: index, names, addresses and the far end in its namespace', () => {
    const netns = openNetns({path: pod.path})
    node.route.run(
      linkAdd({
        kind: 'veth',
        name: 'lxc1',
        ifindex: 4097,
        mtu: 1450,
        mac: Mac.of('02:00:00:00:00:01'),
        peer: {name: 'eth0', netns, mtu: 1450, mac: Mac.of('02:00:00:00:00:02'), ifindex: 2},
      }),
    )
    closeFd(netns)
    node.route.runAll([linkSet(4097, {linkLocal: false}), linkSet(4097, {up: true})])
    pod.route.run(linkSet(2, {up: true}))

    const [near] = node.ip('link', 'show', 'lxc1')
    expect(near).toMatchObject({
      ifindex: 4097,
      mtu: 1450,
      address: '02:00:00:00:00:01',
      link_index: 2,
      inet6_addr_gen_mode: 'none',
      linkinfo: {info_kind: 'veth'},
    })
    const [far] = pod.ip('link', 'show', 'eth0')
    expect(far).toMatchObject({ifindex: 2, mtu: 1450, address: '02:00:00:00:00:02', operstate: 'UP'})
    expect(node.ip('link').map(({ifname}) => ifname)).toEqual(['lo', 'lxc1'])
  })

  test('is found by name and index, with what it is', () => {
    const byName = findLink(node.route, 'lxc1')

    expect(byName).toMatchObject({ifindex: 4097, name: 'lxc1', kind: 'veth', mtu: 1450, up: true, lower: 2})
    expect(byName?.mac?.toString()).toBe('02:00:00:00:00:01')
    expect(findLink(node.route, 4097)).toEqual(byName)
    expect(listLinks(node.route)).toContainEqual(byName)
  })

  test('with a taken index or name is refused with a reason', () => {
    const same = (name: string, ifindex: number) => linkAdd({kind: 'veth', name, ifindex, peer: {name: `${name}p`}})

    expect(() => node.route.run(same('lxc2', 4097))).toThrow(expect.objectContaining({errno: 'EEXIST'}))
    expect(() => node.route.run(same('lxc1', 4098))).toThrow(
      expect.objectContaining({errno: 'EEXIST', operation: 'add device lxc1'}),
    )
    expect(node.ip('link').map(({ifname}) => ifname)).toEqual(['lo', 'lxc1'])
  })

  test('goes with its far end', () => {
    node.route.run(linkDelete(4097))

    expect(findLink(node.route, 'lxc1')).toBeUndefined()
    expect(pod.ip('link').map(({ifname}) => ifname)).toEqual(['lo'])
  })
})

test('a tunnel device takes remote and id from each packet', () => {
  node.route.run(linkAdd({kind: 'vxlan', name: 'kd_vxlan', port: 8472, external: true, mtu: 1500, up: true}))

  const [device] = node.ip('link', 'show', 'kd_vxlan')
  expect(device).toMatchObject({
    mtu: 1500,
    linkinfo: {info_kind: 'vxlan', info_data: {external: true, port: 8472, learning: false}},
  })
  expect(findLink(node.route, 'kd_vxlan')).toMatchObject({kind: 'vxlan', vxlan: {port: 8472, external: true}})
})

test('a device changes name, size, address, state, bridge and namespace', () => {
  node.route.runAll([linkAdd({kind: 'bridge', name: 'br0'}), linkAdd({kind: 'veth', name: 'a', peer: {name: 'b'}})])
  const bridge = findLink(node.route, 'br0')!.ifindex
  const a = findLink(node.route, 'a')!.ifindex
  const b = findLink(node.route, 'b')!.ifindex
  const netns = openNetns({path: pod.path})

  node.route.runAll([
    linkSet(a, {name: 'a2', mtu: 1400, mac: Mac.of('02:00:00:00:00:0a'), alias: 'pod a', master: bridge}),
    linkSet(a, {up: true}),
    linkSet(b, {netns, name: 'b2'}),
  ])
  closeFd(netns)

  expect(findLink(node.route, 'a2')).toMatchObject({mtu: 1400, alias: 'pod a', master: bridge, up: true})
  expect(findLink(pod.route, 'b2')).toMatchObject({kind: 'veth', up: false})
  expect(findLink(node.route, 'b')).toBeUndefined()
  node.route.run(linkSet(a, {up: false, master: 0, neighbours: false}))
  expect(findLink(node.route, a)).toMatchObject({up: false, master: 0, neighbours: false})
  node.route.run(linkSet(a, {neighbours: true}))
  expect(findLink(node.route, a)).toMatchObject({up: false, neighbours: true})
})

test('what is refused carries the kernel own explanation', () => {
  expect(() => node.route.run(linkAdd({kind: 'plain', type: 'nosuchkind', name: 'x'}))).toThrow(
    /add device x: EOPNOTSUPP \(Unknown device type/,
  )
  expect(() => node.route.run(linkSet(99999, {up: true}))).toThrow(expect.objectContaining({errno: 'ENODEV'}))
})

test('of many requests each has its outcome, and later ones run after one that failed', () => {
  const requests = Array.from({length: 130}, (_, i) =>
    i === 50 ? linkDelete(99999) : linkAdd({kind: 'veth', name: `m${i}`, peer: {name: `n${i}`}}),
  )

  const outcomes = node.route.tryAll(requests)

  expect(outcomes.flatMap((error, i) => (error ? [[i, error.errno]] : []))).toEqual([[50, 'ENODEV']])
  expect(listLinks(node.route).filter(({name}) => /^m\d+$/.test(name))).toHaveLength(129)
})

test('a device is given an XDP program that its driver keeps, also when it is given again', () => {
  const program = loadProgram('xdp', [set(0, 2), exit])
  node.route.run(linkAdd({kind: 'veth', name: 'wire', peer: {name: 'far'}}))
  const {ifindex} = findLink(node.route, 'wire')!

  node.route.run(linkSet(ifindex, {xdp: program}))
  node.route.run(linkSet(ifindex, {xdp: program}))
  closeFd(program)

  expect(node.ip('-d', 'link', 'show', 'wire')[0]).toMatchObject({xdp: {mode: 1}})
})
