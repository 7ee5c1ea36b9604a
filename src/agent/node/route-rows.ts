/** Which routes a node needs. Pure: one object in, its routes out. */
import {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import type {EndpointRow, NodeRow, RouteRow} from '../state/rows.ts'

export interface RoutePlan {
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly mode: 'tunnel' | 'native'
  /** native: routes to the pod ranges of nodes on the same link */
  readonly direct: boolean
  readonly overlayDevice: string
  /** bytes that fit into the tunnel; undefined without one */
  readonly tunnelMtu: number | undefined
  readonly routerIps: readonly Ip[]
}

/** The node's own pod range: an address in it that no pod has is unreachable, and never leaves by the default route. */
export function podRangeRoutes(podCidrs: readonly Cidr[], plan: RoutePlan): RouteRow[] {
  return podCidrs.filter((cidr) => enabled(cidr, plan)).map((cidr) => route(cidr, 'pod-range', {kind: 'unreachable'}))
}

/** Addresses that are led out of a device of ours, whoever's they are not. */
export function fixedRoutes(ips: readonly Ip[], device: string, plan: RoutePlan): RouteRow[] {
  return ips
    .map((ip) => Cidr.host(ip))
    .filter((cidr) => enabled(cidr, plan))
    .map((cidr) => route(cidr, 'fixed', {device}))
}

/** A pod of this node: straight to its device, longer than the range's route. */
export function endpointRoutes(endpoint: EndpointRow, plan: RoutePlan): RouteRow[] {
  return [endpoint.ipv4, endpoint.ipv6]
    .filter((ip) => ip !== undefined)
    .map((ip) => Cidr.host(ip!))
    .filter((cidr) => enabled(cidr, plan))
    .map((cidr) => route(cidr, `endpoint/${endpoint.id}`, {device: endpoint.hostDevice}))
}

/**
 * Another node's pod ranges.
 * 1 Tunnel: to the overlay device, whose program finds the node by address; the source is the router address, which
 *   the other node can answer through its own tunnel.
 * 2 Native with direct routes: via the node's address of the same family. A range without such an address gets none.
 * 3 Native otherwise: the network is told by somebody else.
 */
export function nodeRoutes(node: NodeRow, plan: RoutePlan): RouteRow[] {
  const owner = `node/${node.name}`
  const ranges = node.podCidrs.filter((cidr) => enabled(cidr, plan))
  if (plan.mode === 'tunnel') {
    return ranges.map((cidr) =>
      route(cidr, owner, {
        device: plan.overlayDevice,
        source: plan.routerIps.find((ip) => ip.family === cidr.family),
        mtu: plan.tunnelMtu,
      }),
    )
  }
  if (!plan.direct) return []
  return ranges.flatMap((cidr) => {
    const gateway = node.internalIps.find((ip) => ip.family === cidr.family)
    return gateway === undefined ? [] : [route(cidr, owner, {gateway})]
  })
}

/** Bytes that VXLAN adds: outer Ethernet is not part of an MTU, inner Ethernet is. */
export function tunnelOverhead(underlay: 4 | 6): number {
  const [innerEthernet, vxlan, udp] = [14, 8, 8]
  return innerEthernet + vxlan + udp + (underlay === 4 ? 20 : 40)
}

function enabled(cidr: Cidr, plan: RoutePlan): boolean {
  return cidr.family === 4 ? plan.ipv4 : plan.ipv6
}

function route(destination: Cidr, owner: string, more: Partial<Omit<RouteRow, 'destination' | 'owner'>>): RouteRow {
  return {
    destination,
    owner,
    kind: more.kind ?? 'unicast',
    gateway: more.gateway,
    device: more.device,
    source: more.source,
    mtu: more.mtu,
  }
}
