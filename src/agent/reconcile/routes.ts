/** Makes the node's routes equal to the route table. Ours carry our protocol number: others' are never touched. */
import {isErrno} from '../../kernel/errors.ts'
import {findLink} from '../../kernel/netlink/link.ts'
import {
  listRoutes,
  type Route,
  resolveRoute,
  routeDelete,
  routeProtocols,
  routeReplace,
} from '../../kernel/netlink/route.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {fail} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {Reconciler} from '../../runtime/reconciler.ts'
import {codes} from '../errors.ts'
import type {RouteRow} from '../state/rows.ts'

export interface RouteReconcilerOptions {
  readonly socket: NetlinkSocket
  /** a node that is not on our link gets no route, instead of an error */
  readonly skipUnreachable: boolean
  readonly log: Log
}

/** Ours wins over nothing that the administrator set: the kernel prefers the lower number, and 0 is its default. */
const ipv6Priority = 1024

export function routeReconciler({socket, skipUnreachable, log}: RouteReconcilerOptions): Reconciler<RouteRow> {
  return {
    update(row) {
      if (row.gateway !== undefined && !isOnLink(socket, row)) {
        if (!skipUnreachable) {
          fail(codes.ROUTE_NODE_UNREACHABLE, {
            destination: String(row.destination),
            gateway: String(row.gateway),
            owner: row.owner,
          })
        }
        log.debug('no direct route: the node is not on our link', {destination: row.destination, gateway: row.gateway})
        remove(socket, row)
        return
      }
      socket.run(routeReplace(routeOf(socket, row)))
      // a replaced IPv6 route may stay beside the new one when its type differs
      for (const other of others(socket, row)) if (isStale(socket, other, row)) remove(socket, row, other)
    },
    remove(row) {
      remove(socket, row)
    },
    prune(rows) {
      const wanted = new Set(rows.map((row) => row.destination.toString()))
      for (const family of [4, 6] as const) {
        for (const route of listRoutes(socket, {family, protocol: routeProtocols.cilium})) {
          if (!wanted.has(route.destination.toString())) deleteOwnRoute(socket, route)
        }
      }
    },
  }
}

function routeOf(socket: NetlinkSocket, row: RouteRow): Route {
  const device = row.device === undefined ? undefined : findLink(socket, row.device)
  if (row.device !== undefined && device === undefined) {
    fail(codes.ROUTE_DEVICE_MISSING, {destination: String(row.destination), device: row.device})
  }
  return {
    destination: row.destination,
    type: row.kind,
    ...(device === undefined ? {} : {ifindex: device.ifindex}),
    ...(row.gateway === undefined ? {} : {gateway: row.gateway}),
    ...(row.source === undefined ? {} : {source: row.source}),
    ...(row.mtu === undefined ? {} : {mtu: row.mtu}),
    ...(row.destination.family === 6 ? {priority: ipv6Priority} : {}),
  }
}

/** A gateway is on the link when the way to it needs no other gateway. */
function isOnLink(socket: NetlinkSocket, row: RouteRow): boolean {
  const way = resolveRoute(socket, row.gateway!)
  return way !== undefined && way.gateway === undefined
}

type Listed = ReturnType<typeof listRoutes>[number]

function others(socket: NetlinkSocket, row: RouteRow): Listed[] {
  if (row.destination.family === 4) return []
  return listRoutes(socket, {family: 6, protocol: routeProtocols.cilium}).filter((route) =>
    route.destination.equals(row.destination),
  )
}

function isStale(socket: NetlinkSocket, route: Listed, row: RouteRow): boolean {
  if (row.kind === 'unreachable') return typeOf(route.type).type !== 'unreachable'
  if (row.gateway !== undefined) return route.gateway?.equals(row.gateway) !== true
  return row.device !== undefined && route.ifindex !== findLink(socket, row.device)?.ifindex
}

function remove(socket: NetlinkSocket, row: RouteRow, found?: Listed): void {
  deleteRoute(socket, {
    destination: row.destination,
    ...(found === undefined
      ? {type: row.kind}
      : {...typeOf(found.type), ...(found.ifindex === 0 ? {} : {ifindex: found.ifindex})}),
  })
}

function deleteRoute(socket: NetlinkSocket, route: Route): void {
  const [error] = socket.tryAll([routeDelete({...route, scope: 'universe'})])
  if (error === undefined || isErrno(error, 'ESRCH')) {
    if (error === undefined) return
    // IPv4 compares scopes: routes to a device have that of the link
    const [again] = socket.tryAll([routeDelete({...route, scope: 'link'})])
    if (again !== undefined && !isErrno(again, 'ESRCH')) throw again
    return
  }
  throw error
}

/** Deletes a route that was listed. A missing one is success. */
export function deleteOwnRoute(socket: NetlinkSocket, route: Listed): void {
  deleteRoute(socket, {
    destination: route.destination,
    table: route.table,
    ...typeOf(route.type),
    ...(route.ifindex === 0 || route.type === 7 ? {} : {ifindex: route.ifindex}),
  })
}

function typeOf(type: number): {readonly type: 'unicast' | 'unreachable'} {
  return {type: type === 7 ? 'unreachable' : 'unicast'}
}
