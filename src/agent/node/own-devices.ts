/**
 * The devices that every node has of ours: cilium_host with its other end cilium_net, which carries the router
 * addresses, and cilium_vxlan where there is a tunnel. Idempotent: what fits is left as it is, for it may carry traffic.
 */
import {isErrno} from '../../kernel/errors.ts'
import {addressDelete, addressReplace, listAddresses} from '../../kernel/netlink/address.ts'
import {BodyWriter, messageTypes, type NetlinkRequest} from '../../kernel/netlink/codec.ts'
import {findLink, type Link, linkAdd, linkDelete, linkSet, listLinks} from '../../kernel/netlink/link.ts'
import {neighbourReplace} from '../../kernel/netlink/neighbour.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import type {Ip} from '../../model/ip.ts'
import {hostDevice, hostPeerDevice, overlayDevice} from './device-names.ts'
import {prepareDevice, type Sysctl} from './sysctl.ts'

export interface OwnDevicesPlan {
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** bytes, of the underlay: the tunnel's smaller size is in routes alone */
  readonly mtu: number
  /** UDP port; undefined: no tunnel */
  readonly tunnelPort: number | undefined
}

export interface OwnDevices {
  readonly host: Link
  readonly overlay: Link | undefined
}

/** @throws KernelError, SYSCTL_FAILED */
export function ensureOwnDevices(socket: NetlinkSocket, sysctl: Sysctl, plan: OwnDevicesPlan): OwnDevices {
  const {mtu} = plan
  if (findLink(socket, hostDevice) === undefined) {
    removeDevice(socket, hostPeerDevice)
    socket.run(
      linkAdd({
        name: hostDevice,
        kind: 'veth',
        mtu,
        peer: {name: hostPeerDevice, mtu},
      }),
    )
    for (const name of [hostDevice, hostPeerDevice]) withoutLinkLocal(socket, name)
  }
  for (const name of [hostDevice, hostPeerDevice]) {
    prepareDevice(sysctl, name, {...plan, acceptLocal: true})
    bringUp(socket, findLink(socket, name)!, mtu)
  }
  return {host: findLink(socket, hostDevice)!, overlay: ensureOverlay(socket, sysctl, plan)}
}

/** Makes these the router addresses, and removes those of an earlier range. */
export function setRouterAddresses(socket: NetlinkSocket, host: Link, routerIps: readonly Ip[]): void {
  for (const ip of routerIps) {
    // of link scope, it is never chosen as a source but where a route says so
    socket.run(
      addressReplace({
        ifindex: host.ifindex,
        ip,
        prefixLength: ip.bits,
        ...(ip.family === 4 ? {scope: 'link' as const} : {}),
        prefixRoute: false,
      }),
    )
  }
  for (const {ip, prefixLength} of listAddresses(socket, host.ifindex)) {
    if (ip.isLinkLocal || routerIps.some((wanted) => wanted.equals(ip))) continue
    tolerate(socket, addressDelete({ifindex: host.ifindex, ip, prefixLength}), 'EADDRNOTAVAIL')
  }
}

/**
 * Neighbours for addresses that are nobody's, which datagrams go by after the stack has reassembled them: out at
 * cilium_net, in at cilium_host.
 */
export function setDefragNeighbours(socket: NetlinkSocket, host: Link, ips: readonly Ip[]): void {
  const peer = findLink(socket, hostPeerDevice)
  if (peer === undefined || host.mac === undefined) return
  for (const ip of ips) socket.run(neighbourReplace({ifindex: peer.ifindex, ip, mac: host.mac}))
}

function ensureOverlay(socket: NetlinkSocket, sysctl: Sysctl, plan: OwnDevicesPlan): Link | undefined {
  const found = findLink(socket, overlayDevice)
  if (plan.tunnelPort === undefined) {
    if (found !== undefined) removeDevice(socket, overlayDevice)
    return undefined
  }
  if (found !== undefined && (found.vxlan?.port !== plan.tunnelPort || !found.vxlan.external)) {
    removeDevice(socket, overlayDevice)
  }
  if (findLink(socket, overlayDevice) === undefined) {
    socket.run(
      linkAdd({
        name: overlayDevice,
        kind: 'vxlan',
        port: plan.tunnelPort,
        external: true,
        mtu: plan.mtu,
      }),
    )
    withoutLinkLocal(socket, overlayDevice)
  }
  prepareDevice(sysctl, overlayDevice, {...plan, acceptLocal: true})
  const link = findLink(socket, overlayDevice)!
  // nobody answers for an address behind the tunnel: programs know where it is, neighbours are never asked for
  socket.run(withoutNeighbours(link.ifindex))
  bringUp(socket, link, plan.mtu)
  return findLink(socket, overlayDevice)
}

/** Before it is up: what the kernel has given a device, it keeps. */
function withoutLinkLocal(socket: NetlinkSocket, name: string): void {
  socket.run(linkSet(findLink(socket, name)!.ifindex, {linkLocal: false}))
}

function bringUp(socket: NetlinkSocket, link: Link, mtu: number): void {
  if (link.up && link.mtu === mtu) return
  socket.run(linkSet(link.ifindex, {up: true, mtu}))
}

/** Removes a device by name; a missing one is success. */
export function removeDevice(socket: NetlinkSocket, name: string): void {
  const link = findLink(socket, name)
  if (link !== undefined) tolerate(socket, linkDelete(link.ifindex), 'ENODEV')
}

/** Devices with an index of the endpoints' range, whoever made them. */
export function listEndpointDevices(socket: NetlinkSocket, base: number, count: number): Link[] {
  return listLinks(socket).filter(({ifindex}) => ifindex > base && ifindex < base + count)
}

function tolerate(socket: NetlinkSocket, request: NetlinkRequest, errno: string): void {
  const [error] = socket.tryAll([request])
  if (error !== undefined && !isErrno(error, errno)) throw error
}

/** Sets IFF_NOARP (include/uapi/linux/if.h), which `linkSet` has no word for. */
function withoutNeighbours(ifindex: number): NetlinkRequest {
  const [linkHeader, noArp] = [16, 0x80]
  const body = new BodyWriter(linkHeader)
  body.header.setInt32(4, ifindex, true)
  body.header.setUint32(8, noArp, true)
  body.header.setUint32(12, noArp, true)
  return {
    type: messageTypes.newLink,
    flags: 0,
    body: body.finish(),
    operation: `take neighbour discovery from device ${ifindex}`,
  }
}
