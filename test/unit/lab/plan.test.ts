import {describe, expect, test} from 'vitest'
import {apiUrl, freeNodeNumber, planLab, planNode, serviceAddresses} from '../../../src/lab/plan.ts'
import type {CiliumError} from '../../../src/runtime/errors.ts'

function refusal(run: () => unknown): {code: string; message: string} {
  try {
    run()
  } catch (thrown) {
    const {code, message} = thrown as CiliumError
    return {code, message}
  }
  throw new Error('it was accepted')
}

describe('the address plan', () => {
  test('has three dual-stack nodes when nothing is said', () => {
    const plan = planLab({}, 0)

    expect(plan.nodes.map((node) => [node.name, ...node.addresses])).toEqual([
      ['node1', '172.30.0.11', 'fd00:172:30::11'],
      ['node2', '172.30.0.12', 'fd00:172:30::12'],
      ['node3', '172.30.0.13', 'fd00:172:30::13'],
    ])
    expect(plan.podCidrs).toEqual(['10.244.0.0/16', 'fd00:10:244::/56'])
    expect(serviceAddresses(plan, 10)).toEqual(['10.96.0.10', 'fd00:10:96::a'])
    expect(apiUrl(plan)).toBe('https://172.30.0.2:6443')
  })

  test('keeps labs apart by their number', () => {
    const first = planLab({name: 'east'}, 7)
    const second = planLab({name: 'west'}, 8)

    expect(first.nodes[0]!.addresses).toEqual(['172.30.7.11', 'fd00:172:30:7::11'])
    expect(second.nodes[0]!.addresses).toEqual(['172.30.8.11', 'fd00:172:30:8::11'])
    expect(first.nodes[0]!.mac).not.toBe(second.nodes[0]!.mac)
  })

  test('gives one address per node when there is one family', () => {
    const plan = planLab({ipFamilies: ['ipv6'], nodes: 1}, 3)

    expect(plan.nodes[0]!.addresses).toEqual(['fd00:172:30:3::11'])
    expect(plan.serviceCidrs).toEqual(['fd00:10:96::/112'])
    expect(apiUrl(plan)).toBe('https://[fd00:172:30:3::2]:6443')
  })

  test('puts the family that was named first everywhere first', () => {
    const plan = planLab({ipFamilies: ['ipv6', 'ipv4'], nodes: 1}, 0)

    expect(plan.nodes[0]!.addresses).toEqual(['fd00:172:30::11', '172.30.0.11'])
    expect(plan.podCidrs).toEqual(['fd00:10:244::/56', '10.244.0.0/16'])
  })

  test('gives every node a unicast MAC of its own that does not change', () => {
    const macs = Array.from({length: 100}, (_, i) => planNode(1, ['ipv4'], 'n', i + 1).mac)

    expect(new Set(macs).size).toBe(100)
    expect(macs.every((mac) => /^02(:[0-9a-f]{2}){5}$/.test(mac))).toBe(true)
    expect(planNode(1, ['ipv4'], 'n', 58).mac).toBe('02:c1:ab:01:00:3a')
  })

  test('gives a new node the lowest free number', () => {
    const [first, , third] = planLab({}, 0).nodes

    expect(freeNodeNumber([first!, third!])).toBe(2)
    expect(() => freeNodeNumber(planLab({nodes: 100}, 0).nodes)).toThrow('1 to 100 nodes')
  })
})

describe('options that do not work', () => {
  test.each([
    ['a pod CIDR that overlaps the services', {podCidr: ['10.96.0.0/12', 'fd00:1::/56']}, /overlaps --service-cidr/],
    ['a pod CIDR that overlaps the nodes', {podCidr: ['172.30.0.0/16', 'fd00:1::/56']}, /overlaps the node network/],
    ['a service CIDR that overlaps the outside', {serviceCidr: ['203.0.113.0/25', 'fd00:1::/112']}, /outside network/],
    ['a pod CIDR with host bits', {podCidr: ['10.1.2.3/16', 'fd00:1::/56']}, /10\.1\.2\.3\/16 is not a CIDR/],
    ['a pod CIDR for one family of two', {podCidr: ['10.1.0.0/16']}, /one CIDR for each of ipv4,ipv6/],
    ['pod CIDRs in the wrong order', {podCidr: ['fd00:1::/56', '10.1.0.0/16']}, /in this order/],
    ['a pod CIDR smaller than a node', {podCidr: ['10.1.0.0/25', 'fd00:1::/56']}, /no room for a node/],
    ['an IPv6 service CIDR that Kubernetes refuses', {serviceCidr: ['10.96.0.0/16', 'fd00:1::/64']}, /larger than/],
    ['no nodes', {nodes: 0}, /1 to 100 nodes/],
    ['more nodes than addresses', {nodes: 101}, /1 to 100 nodes/],
    ['a node name twice', {nodeNames: ['a', 'a']}, /twice/],
    ['names that contradict the number', {nodeNames: ['a', 'b'], nodes: 3}, /2 node names/],
    ['a family twice', {ipFamilies: ['ipv4', 'ipv4'] as const}, /ipv4, ipv6, or both/],
    ['no family', {ipFamilies: []}, /ipv4, ipv6, or both/],
    ['an MTU below what IPv6 needs', {mtu: 1000}, /1280/],
    ['a version that is none', {kubernetes: 'latest'}, /v1\.34\.4/],
  ])('%s is refused with the reason', (_, options, reason) => {
    const {code, message} = refusal(() => planLab(options, 0))

    expect(code).toBe('LAB_OPTION_INVALID')
    expect(message).toMatch(reason)
  })

  test.each(['', 'Lab', '1lab', 'lab-', 'a/b', '../x', 'x'.repeat(21), 'a b', 'a\n'])(
    'a lab named %j is refused',
    (name) => {
      expect(refusal(() => planLab({name}, 0)).code).toBe('LAB_NAME_INVALID')
    },
  )

  test.each(['outside', 'fabric', 'Node', 'x'.repeat(41)])('a node named %j is refused', (name) => {
    expect(refusal(() => planLab({nodeNames: [name]}, 0)).code).toBe('LAB_NAME_INVALID')
  })
})
