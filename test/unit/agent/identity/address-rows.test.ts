import {describe, expect, test} from 'vitest'
import {
  type AddressPlan,
  clusterRows,
  endpointRows,
  hostRows,
  localPodRangeRows,
  nodeRows,
  remoteEndpointRows,
} from '../../../../src/agent/identity/address-rows.ts'
import type {AddressRow, NodeRow} from '../../../../src/agent/state/rows.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {identity} from '../../../../src/model/identity.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {endpoint} from '../rows.ts'

const tunnel: AddressPlan = {
  ipv4: true,
  ipv6: true,
  tunnel: true,
  underlay: 4,
  nativeCidrs: [],
}
const native: AddressPlan = {...tunnel, tunnel: false, nativeCidrs: [Cidr.of('10.0.0.0/8'), Cidr.of('fd00::/16')]}

const worker: NodeRow = {
  name: 'worker',
  local: false,
  internalIps: [Ip.of('192.0.2.2'), Ip.of('2001:db8::2')],
  externalIps: [],
  routerIps: [Ip.of('10.0.2.1'), Ip.of('fd00:2::1')],
  healthIps: [Ip.of('10.0.2.2'), Ip.of('fd00:2::2')],
  podCidrs: [Cidr.of('10.0.2.0/24'), Cidr.of('fd00:2::/64')],
  bootId: undefined,
  labels: {},
}

function lines(rows: readonly AddressRow[]): string[] {
  return rows.map((row) =>
    [
      row.cidr,
      row.identity,
      row.localHost ? 'host' : '',
      row.remoteNode ? 'node' : '',
      row.native ? 'native' : '',
      row.tunnel === undefined ? '' : `via ${row.tunnel}`,
      row.endpoint === undefined ? '' : `slot ${row.endpoint.slot}.${row.endpoint.generation}`,
    ]
      .filter((word) => word !== '')
      .join(' '),
  )
}

describe('another node', () => {
  test('is known by what the caller says, at its own and its router’s addresses, and nothing else of it is', () => {
    const rows = nodeRows(worker, tunnel, [Ip.of('192.0.2.2')], ({name}, apiServer) =>
      identity(name === 'worker' && apiServer ? 0x02000002 : 0x02000001),
    )

    const numbers = new Map(rows.map((row) => [String(row.cidr), row.identity - 0x02000000]))
    expect(numbers.get('192.0.2.2/32')).toBe(2)
    for (const own of ['2001:db8::2/128', '10.0.2.1/32', 'fd00:2::1/128']) expect(numbers.get(own)).toBe(1)
    expect(rows.filter((row) => row.identity < 0x02000000).map((row) => row.identity)).toEqual([4, 4, 3, 3])
  })

  test('with a tunnel: its pods go through it, both families over one underlay; its own addresses never', () => {
    expect(lines(nodeRows(worker, tunnel))).toEqual([
      '192.0.2.2/32 6 node',
      '2001:db8::2/128 6 node',
      '10.0.2.1/32 6 node via 192.0.2.2',
      'fd00:2::1/128 6 node via 192.0.2.2',
      '10.0.2.2/32 4 via 192.0.2.2',
      'fd00:2::2/128 4 via 192.0.2.2',
      '10.0.2.0/24 3 via 192.0.2.2',
      'fd00:2::/64 3 via 192.0.2.2',
    ])
  })

  test('native: everything is reached as it is', () => {
    expect(lines(nodeRows(worker, native))).toEqual([
      '192.0.2.2/32 6 node native',
      '2001:db8::2/128 6 node native',
      '10.0.2.1/32 6 node native',
      'fd00:2::1/128 6 node native',
      '10.0.2.2/32 4 native',
      'fd00:2::2/128 4 native',
      '10.0.2.0/24 3 native',
      'fd00:2::/64 3 native',
    ])
  })

  test('with a tunnel but without an address of the underlay its pods are not known, rather than sent in the clear', () => {
    const rows = nodeRows({...worker, internalIps: [Ip.of('2001:db8::2')]}, tunnel)

    expect(lines(rows)).toEqual(['2001:db8::2/128 6 node'])
  })

  test('a family that is off is left out', () => {
    expect(lines(nodeRows(worker, {...tunnel, ipv6: false})).every((line) => !line.includes('::'))).toBe(true)
  })
})

test('a pod elsewhere is reached through its node', () => {
  const pod = {
    namespace: 'a',
    name: 'b',
    uid: 'u',
    identity: identity(4711),
    ips: [Ip.of('10.0.2.9'), Ip.of('fd00:2::9')],
    nodeIp: Ip.of('192.0.2.2'),
    namedPorts: [],
  }

  expect(lines(remoteEndpointRows(pod, tunnel))).toEqual([
    '10.0.2.9/32 4711 via 192.0.2.2',
    'fd00:2::9/128 4711 via 192.0.2.2',
  ])
  expect(lines(remoteEndpointRows(pod, native))).toEqual(['10.0.2.9/32 4711 native', 'fd00:2::9/128 4711 native'])
  expect(remoteEndpointRows({...pod, nodeIp: undefined}, tunnel)).toEqual([])
})

test('a pod of this node points at its slot; without an identity it is init', () => {
  expect(lines(endpointRows(endpoint({id: 7, generation: 3, identity: identity(4711)}), tunnel))).toEqual([
    '10.0.1.7/32 4711 native slot 7.3',
    'fd00:1::7/128 4711 native slot 7.3',
  ])
  expect(lines(endpointRows(endpoint({id: 7, generation: 3, identity: undefined}), tunnel))[0]).toContain(' 5 ')
})

test('what nobody claims is outside, one identity a family in dual stack', () => {
  expect(lines(clusterRows(tunnel))).toEqual(['0.0.0.0/0 9', '::/0 10'])
  expect(lines(clusterRows({...tunnel, ipv6: false}))).toEqual(['0.0.0.0/0 2'])
  expect(lines(clusterRows(native))).toEqual(['0.0.0.0/0 9', '::/0 10', '10.0.0.0/8 9 native', 'fd00::/16 10 native'])
})

test('the node owns its addresses and its pod range', () => {
  expect(lines(hostRows([Ip.of('192.0.2.1'), Ip.of('10.0.1.1')], tunnel))).toEqual([
    '192.0.2.1/32 1 host native',
    '10.0.1.1/32 1 host native',
  ])
  expect(lines(localPodRangeRows([Cidr.of('10.0.1.0/24')], tunnel))).toEqual(['10.0.1.0/24 3 native'])
})
