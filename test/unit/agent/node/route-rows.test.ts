import {expect, test} from 'vitest'
import {
  endpointRoutes,
  nodeRoutes,
  podRangeRoutes,
  type RoutePlan,
  tunnelOverhead,
} from '../../../../src/agent/node/route-rows.ts'
import type {NodeRow, RouteRow} from '../../../../src/agent/state/rows.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {endpoint} from '../rows.ts'

const plan: RoutePlan = {
  ipv4: true,
  ipv6: true,
  mode: 'tunnel',
  direct: false,
  overlayDevice: 'cilium_vxlan',
  tunnelMtu: 1450,
  routerIps: [Ip.of('10.0.1.1'), Ip.of('fd00:1::1')],
}

const worker: NodeRow = {
  name: 'worker',
  local: false,
  internalIps: [Ip.of('192.0.2.2'), Ip.of('2001:db8::2')],
  externalIps: [],
  routerIps: [],
  healthIps: [],
  podCidrs: [Cidr.of('10.0.2.0/24'), Cidr.of('fd00:2::/64')],
  bootId: undefined,
  labels: {},
}

function lines(routes: readonly RouteRow[]): string[] {
  return routes.map(({kind, destination, gateway, device, source, mtu}) =>
    [
      kind === 'unicast' ? '' : kind,
      destination,
      gateway && `via ${gateway}`,
      device && `dev ${device}`,
      source && `src ${source}`,
      mtu && `mtu ${mtu}`,
    ]
      .filter(Boolean)
      .join(' '),
  )
}

test('through the tunnel, from the router address, with what fits into it', () => {
  expect(lines(nodeRoutes(worker, plan))).toEqual([
    '10.0.2.0/24 dev cilium_vxlan src 10.0.1.1 mtu 1450',
    'fd00:2::/64 dev cilium_vxlan src fd00:1::1 mtu 1450',
  ])
})

test('directly via the node, each family by its own address', () => {
  const direct: RoutePlan = {...plan, mode: 'native', direct: true, tunnelMtu: undefined}

  expect(lines(nodeRoutes(worker, direct))).toEqual(['10.0.2.0/24 via 192.0.2.2', 'fd00:2::/64 via 2001:db8::2'])
  expect(lines(nodeRoutes({...worker, internalIps: [Ip.of('192.0.2.2')]}, direct))).toEqual([
    '10.0.2.0/24 via 192.0.2.2',
  ])
})

test('natively without direct routes the network has to know', () => {
  expect(nodeRoutes(worker, {...plan, mode: 'native'})).toEqual([])
})

test('a pod is reached by its device, the rest of the range is unreachable', () => {
  expect(lines(endpointRoutes(endpoint({id: 7}), plan))).toEqual(['10.0.1.7/32 dev lxc7', 'fd00:1::7/128 dev lxc7'])
  expect(lines(endpointRoutes(endpoint({id: 7}), {...plan, ipv6: false}))).toEqual(['10.0.1.7/32 dev lxc7'])
  expect(lines(podRangeRoutes([Cidr.of('10.0.1.0/24')], plan))).toEqual(['unreachable 10.0.1.0/24'])
})

test('VXLAN takes 50 bytes over IPv4 and 70 over IPv6', () => {
  expect([tunnelOverhead(4), tunnelOverhead(6)]).toEqual([50, 70])
})
