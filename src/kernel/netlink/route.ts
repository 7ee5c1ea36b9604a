/** Routes of both families (RTM_*ROUTE). */
import {Cidr} from '../../model/cidr.ts'
import {Ip, type IpFamily} from '../../model/ip.ts'
import {isErrno} from '../errors.ts'
import {type Scope, scopes} from './address.ts'
import {Attributes, BodyWriter, families, messageFlags, messageTypes, type NetlinkRequest} from './codec.ts'
import type {NetlinkSocket} from './socket.ts'

const attribute = {
  destination: 1,
  device: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  mark: 16,
  via: 18,
} as const
const metric = {mtu: 2, advertisedMss: 8} as const
const routeHeader = 12
const RTNH_F_ONLINK = 4
const RTM_F_CLONED = 0x200
const RT_TABLE_COMPAT = 252

export const routeTypes = {unicast: 1, local: 2, blackhole: 6, unreachable: 7, prohibit: 8, throw: 9} as const
export type RouteType = keyof typeof routeTypes

export const routeTables = {main: 254, local: 255, all: 0} as const

/** Who made a route (include/uapi/linux/rtnetlink.h). Ours carry our number, so that we delete no others. */
export const routeProtocols = {unspecified: 0, kernel: 2, boot: 3, static: 4, cilium: 193} as const

export interface Route {
  /** 0.0.0.0/0 and ::/0 are default routes */
  readonly destination: Cidr
  readonly ifindex?: number
  readonly gateway?: Ip
  /** the gateway is on the device's link, whatever routes say */
  readonly onlink?: boolean
  readonly scope?: Scope
  /** source address of packets that take it */
  readonly source?: Ip
  /** bytes */
  readonly mtu?: number
  /** the lower wins */
  readonly priority?: number
  /** main by default */
  readonly table?: number
  readonly type?: RouteType
  /** routeProtocols.cilium by default */
  readonly protocol?: number
}

function write(route: Route): Uint8Array {
  const {family, length} = route.destination
  const body = new BodyWriter(routeHeader)
  const table = route.table ?? routeTables.main
  const type = route.type ?? 'unicast'
  const scope = route.scope ?? defaultScope(route, type)
  body.header.setUint8(0, families[`v${family}`])
  body.header.setUint8(1, length)
  body.header.setUint8(4, table < 256 ? table : RT_TABLE_COMPAT)
  body.header.setUint8(5, route.protocol ?? routeProtocols.cilium)
  body.header.setUint8(6, scopes[scope])
  body.header.setUint8(7, routeTypes[type])
  if (route.onlink) body.header.setUint32(8, RTNH_F_ONLINK, true)
  body.bytes(attribute.destination, route.destination.network.toBytes()).u32(attribute.table, table)
  if (route.ifindex !== undefined) body.u32(attribute.device, route.ifindex)
  if (route.gateway) writeGateway(body, family, route.gateway)
  if (route.source) body.bytes(attribute.preferredSource, route.source.toBytes())
  if (route.priority !== undefined) body.u32(attribute.priority, route.priority)
  if (route.mtu !== undefined) {
    const {mtu} = route
    body.nest(attribute.metrics, () => body.u32(metric.mtu, mtu))
  }
  return body.finish()
}

/** As `ip route` chooses it: a route without gateway reaches the link only. IPv6 knows no scopes. */
function defaultScope(route: Route, type: RouteType): Scope {
  if (route.destination.family === 6) return 'universe'
  if (type === 'local') return 'host'
  return type === 'unicast' && !route.gateway ? 'link' : 'universe'
}

/** An IPv4 route may go by an IPv6 gateway (RFC 5549). */
function writeGateway(body: BodyWriter, family: IpFamily, gateway: Ip): void {
  if (gateway.family === family) {
    body.bytes(attribute.gateway, gateway.toBytes())
    return
  }
  const via = new Uint8Array(2 + gateway.bits / 8)
  new DataView(via.buffer).setUint16(0, families[`v${gateway.family}`], true)
  via.set(gateway.toBytes(), 2)
  body.bytes(attribute.via, via)
}

/** Adds a route. @throws from the request: EEXIST */
export function routeAdd(route: Route): NetlinkRequest {
  return {
    type: messageTypes.newRoute,
    flags: messageFlags.create | messageFlags.exclusive,
    body: write(route),
    operation: `add route ${route.destination}`,
  }
}

/** Adds a route, or puts it in the place of one with the same destination, priority and table. */
export function routeReplace(route: Route): NetlinkRequest {
  return {
    type: messageTypes.newRoute,
    flags: messageFlags.create | messageFlags.replace,
    body: write(route),
    operation: `replace route ${route.destination}`,
  }
}

/** Deletes a route that has all of what is named. @throws from the request: ESRCH when there is none */
export function routeDelete(route: Route): NetlinkRequest {
  return {
    type: messageTypes.delRoute,
    flags: 0,
    body: write(route),
    operation: `delete route ${route.destination}`,
  }
}

export interface ListedRoute {
  readonly destination: Cidr
  /** 0 for none (blackhole, several next hops) */
  readonly ifindex: number
  readonly gateway: Ip | undefined
  readonly onlink: boolean
  readonly scope: number
  readonly source: Ip | undefined
  readonly mtu: number | undefined
  readonly priority: number
  readonly table: number
  readonly type: number
  readonly protocol: number
}

/** Reads a route from a message of type newRoute or delRoute; undefined for cached ones and other families. */
export function readRoute(body: DataView): ListedRoute | undefined {
  const family = body.getUint8(0)
  if (family !== families.v4 && family !== families.v6) return undefined
  const flags = body.getUint32(8, true)
  if ((flags & RTM_F_CLONED) !== 0) return undefined
  return readAnyRoute(body)
}

function readAnyRoute(body: DataView): ListedRoute {
  const attributes = new Attributes(body, routeHeader)
  const width = body.getUint8(0) === families.v4 ? 4 : 16
  const network = attributes.bytes(attribute.destination) ?? new Uint8Array(width)
  const gateway = attributes.bytes(attribute.gateway) ?? attributes.bytes(attribute.via)?.slice(2)
  const source = attributes.bytes(attribute.preferredSource)
  return {
    destination: Cidr.from(Ip.fromBytes(network), body.getUint8(1)),
    ifindex: attributes.u32(attribute.device) ?? 0,
    gateway: gateway && Ip.fromBytes(gateway),
    onlink: (body.getUint32(8, true) & RTNH_F_ONLINK) !== 0,
    scope: body.getUint8(6),
    source: source && Ip.fromBytes(source),
    mtu: attributes.nested(attribute.metrics)?.u32(metric.mtu),
    priority: attributes.u32(attribute.priority) ?? 0,
    table: attributes.u32(attribute.table) ?? body.getUint8(4),
    type: body.getUint8(7),
    protocol: body.getUint8(5),
  }
}

export interface RouteFilter {
  readonly family: IpFamily
  /** main by default; 0: all */
  readonly table?: number
  readonly ifindex?: number
  readonly protocol?: number
}

/** Routes of one family. */
export function listRoutes(socket: NetlinkSocket, filter: RouteFilter): ListedRoute[] {
  const table = filter.table ?? routeTables.main
  const body = new BodyWriter(routeHeader)
  body.header.setUint8(0, families[`v${filter.family}`])
  body.header.setUint8(5, filter.protocol ?? 0)
  if (table !== 0) body.u32(attribute.table, table)
  if (filter.ifindex !== undefined) body.u32(attribute.device, filter.ifindex)
  try {
    return socket.dump(
      {type: messageTypes.getRoute, flags: 0, body: body.finish(), operation: 'list routes'},
      readRoute,
    )
  } catch (thrown) {
    // a table is made with its first route
    if (isErrno(thrown, 'ENOENT')) return []
    throw thrown
  }
}

/**
 * The way that the kernel would choose, undefined when there is none.
 *
 * @param mark of the packet, for rules that look at it
 */
export function resolveRoute(socket: NetlinkSocket, destination: Ip, mark = 0): ListedRoute | undefined {
  const body = new BodyWriter(routeHeader)
  body.header.setUint8(0, families[`v${destination.family}`])
  body.header.setUint8(1, destination.bits)
  body.bytes(attribute.destination, destination.toBytes())
  if (mark !== 0) body.u32(attribute.mark, mark)
  const operation = `find route to ${destination}`
  try {
    return readAnyRoute(socket.ask({type: messageTypes.getRoute, flags: 0, body: body.finish(), operation}).body)
  } catch (thrown) {
    if (isErrno(thrown, 'ENETUNREACH', 'EHOSTUNREACH', 'ESRCH')) return undefined
    throw thrown
  }
}
