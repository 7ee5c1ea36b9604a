/** What nodes, endpoints and the configuration claim about addresses. Pure: one object in, its rows out. */
import {Cidr} from '../../model/cidr.ts'
import {type Identity, outsideApiServers, reservedIdentities, worldIdentity} from '../../model/identity.ts'
import type {Ip} from '../../model/ip.ts'
import type {AddressRow, AddressSource, EndpointRow, NodeRow, RemoteEndpointRow} from '../state/rows.ts'

/** What of the configuration says how addresses are reached. */
export interface AddressPlan {
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly tunnel: boolean
  /** which address of a node tunnels go to */
  readonly underlay: 4 | 6
  /** reached as they are */
  readonly nativeCidrs: readonly Cidr[]
}

/**
 * This node's own.
 *
 * @param hostIps every address of its devices, the router addresses included
 */
export function hostRows(hostIps: readonly Ip[], plan: AddressPlan): AddressRow[] {
  return hostIps
    .filter((ip) => enabled(ip, plan))
    .map((ip) => row(Cidr.host(ip), 'local-host', 'host', reservedIdentities.host, {localHost: true, native: true}))
}

/** The pods' range of this node: an address of it that no endpoint has belongs to a pod that is not there (yet). */
export function localPodRangeRows(podCidrs: readonly Cidr[], plan: AddressPlan): AddressRow[] {
  return podCidrs
    .filter((cidr) => enabled(cidr.network, plan))
    .map((cidr) => row(cidr, 'local-host', 'pod-range', reservedIdentities.unmanaged, {native: true}))
}

export function endpointRows(endpoint: EndpointRow, plan: AddressPlan): AddressRow[] {
  const owner = `endpoint/${endpoint.id}`
  const identity = endpoint.identity ?? reservedIdentities.init
  const {id: slot, generation} = endpoint
  return [endpoint.ipv4, endpoint.ipv6]
    .filter((ip) => ip !== undefined && enabled(ip, plan))
    .map((ip) => row(Cidr.host(ip!), 'local-endpoint', owner, identity, {native: true, endpoint: {slot, generation}}))
}

/**
 * Another node: its own addresses are reached through the underlay, always; what lies in its pod range goes through
 * the tunnel when there is one. A tunnel needs a node address of the underlay's family: without one nothing of the
 * node's pod range is claimed, and packets to it are dropped as unknown instead of leaving in the clear.
 *
 * @param apiServers its address among these has an identity of its own
 * @param identityOf what its addresses are known by, that of an API server or not
 */
export function nodeRows(
  node: NodeRow,
  plan: AddressPlan,
  apiServers: readonly Ip[] = [],
  identityOf: NodeIdentity = plainIdentity,
): AddressRow[] {
  const owner = `node/${node.name}`
  const carriesApiServer = (ip: Ip) => apiServers.some((one) => one.equals(ip))
  const tunnel = tunnelTo(node.internalIps, plan)
  const rows = [...node.internalIps, ...node.externalIps].map((ip) =>
    // pods' sources mean nothing to the underlay when it carries a tunnel
    row(Cidr.host(ip), 'node', owner, identityOf(node, carriesApiServer(ip)), {remoteNode: true, native: !plan.tunnel}),
  )
  if (plan.tunnel && tunnel === undefined) return rows.filter(({cidr}) => enabled(cidr.network, plan))
  const way = plan.tunnel ? {tunnel} : {native: true}
  for (const ip of node.routerIps) {
    rows.push(row(Cidr.host(ip), 'node', owner, identityOf(node, false), {remoteNode: true, ...way}))
  }
  for (const ip of node.healthIps) rows.push(row(Cidr.host(ip), 'node', owner, reservedIdentities.health, way))
  for (const cidr of node.podCidrs) rows.push(row(cidr, 'node', owner, reservedIdentities.unmanaged, way))
  return rows.filter(({cidr}) => enabled(cidr.network, plan))
}

export type NodeIdentity = (node: NodeRow, apiServer: boolean) => Identity

/** Of nodes that are not told apart by labels. */
export function plainIdentity(_: NodeRow, apiServer: boolean): Identity {
  return reservedIdentities[apiServer ? 'kube-apiserver' : 'remote-node']
}

/** A pod of another node. */
export function remoteEndpointRows(endpoint: RemoteEndpointRow, plan: AddressPlan): AddressRow[] {
  const {namespace, name, identity, nodeIp} = endpoint
  if (plan.tunnel && nodeIp?.family !== plan.underlay) return []
  const way = plan.tunnel ? {tunnel: nodeIp} : {native: true}
  return endpoint.ips
    .filter((ip) => enabled(ip, plan))
    .map((ip) => row(Cidr.host(ip), 'remote-endpoint', `pod/${namespace}/${name}`, identity, way))
}

/**
 * Everything else: outside (masqueraded, where that is on), the native ranges that are reached as they are, and the API
 * servers, where no node claims them.
 */
export function clusterRows(plan: AddressPlan, apiServers: readonly Ip[] = []): AddressRow[] {
  const dualStack = plan.ipv4 && plan.ipv6
  const native = new Map(plan.nativeCidrs.map((cidr) => [String(cidr), cidr]))
  const outside = [Cidr.of('0.0.0.0/0'), Cidr.of('::/0')].filter((cidr) => !native.has(String(cidr)))
  const rowOf = (cidr: Cidr, more: Partial<AddressRow>) =>
    row(cidr, 'cluster', 'cluster', worldIdentity(cidr.family, {dualStack}), more)
  return [
    ...outside.map((cidr) => rowOf(cidr, {})),
    ...Array.from(native.values(), (cidr) => rowOf(cidr, {native: true})),
    ...apiServers.map((ip) =>
      row(Cidr.host(ip), 'cluster', 'kube-apiserver', outsideApiServers[ip.family], {
        native: plan.nativeCidrs.some((cidr) => cidr.contains(ip)),
      }),
    ),
  ].filter(({cidr}) => enabled(cidr.network, plan))
}

function enabled(ip: Ip, plan: AddressPlan): boolean {
  return ip.family === 4 ? plan.ipv4 : plan.ipv6
}

/** The address of a node that tunnels to it have. */
function tunnelTo(internalIps: readonly Ip[], plan: AddressPlan): Ip | undefined {
  return internalIps.find((ip) => ip.family === plan.underlay)
}

function row(
  cidr: Cidr,
  source: AddressSource,
  owner: string,
  identity: Identity,
  more: Partial<Omit<AddressRow, 'cidr' | 'source' | 'owner' | 'identity'>>,
): AddressRow {
  return {
    cidr,
    source,
    owner,
    identity,
    cidrClass: 0,
    endpoint: more.endpoint,
    localHost: more.localHost ?? false,
    remoteNode: more.remoteNode ?? false,
    native: more.native ?? false,
    tunnel: more.tunnel,
  }
}
