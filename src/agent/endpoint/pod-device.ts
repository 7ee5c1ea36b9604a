/**
 * The network of one pod: a veth pair whose node end has the index that its endpoint slot says, and whose pod end is
 * made in the pod's namespace under its final name.
 *
 *     node: lxc…  (ifindex 4096 + slot)  ◄────►  pod: eth0  10.0.1.5/32
 *                                                   default via 10.0.1.1 (permanent neighbour: lxc's address)
 *
 * All of it is synchronous: a handful of netlink messages, about a millisecond.
 */
import {isErrno} from '../../kernel/errors.ts'
import {addressReplace} from '../../kernel/netlink/address.ts'
import {findLink, linkAdd, linkDelete, linkSet} from '../../kernel/netlink/link.ts'
import {neighbourReplace} from '../../kernel/netlink/neighbour.ts'
import {routeReplace} from '../../kernel/netlink/route.ts'
import {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {inNetns} from '../../kernel/netns.ts'
import {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import type {Mac} from '../../model/mac.ts'
import {fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'
import {prepareDevice, type Sysctl} from '../node/sysctl.ts'

export interface PodDevice {
  readonly ifindex: number
  readonly hostDevice: string
  readonly ifname: string
  readonly mac: Mac
  readonly hostMac: Mac
  readonly ips: readonly Ip[]
  /** the pods' gateway, one a family */
  readonly routerIps: readonly Ip[]
  /** bytes; of the device */
  readonly mtu: number
  /** bytes that reach every pod; of the routes */
  readonly routeMtu: number
}

/**
 * Makes the pair. Neither end is up: nothing can pass before programs are attached.
 *
 * @param netns descriptor of the pod's namespace
 * @returns false when the index or the node end's name is somebody else's
 * @throws CNI_INTERFACE_EXISTS, KernelError
 */
export function createPair(socket: NetlinkSocket, netns: number, device: PodDevice): boolean {
  const [error] = socket.tryAll([
    linkAdd({
      name: device.hostDevice,
      ifindex: device.ifindex,
      mac: device.hostMac,
      mtu: device.mtu,
      kind: 'veth',
      peer: {name: device.ifname, netns, mac: device.mac, mtu: device.mtu},
    }),
  ])
  if (error === undefined) return true
  if (!isErrno(error, 'EEXIST')) throw error
  if (inNetns(netns, () => withSocket((inside) => findLink(inside, device.ifname))) !== undefined) {
    fail(codes.CNI_INTERFACE_EXISTS, {ifname: device.ifname, netns: 'the network namespace of the pod'})
  }
  return false
}

/** Addresses, routes and neighbours inside the pod, then its end up. Before the node's end: a pod sees no carrier yet. */
export function configurePodEnd(
  sysctl: Sysctl,
  netns: number,
  device: PodDevice,
  families: {readonly ipv4: boolean; readonly ipv6: boolean},
): void {
  inNetns(netns, () =>
    withSocket((socket) => {
      const link = findLink(socket, device.ifname)
      if (link === undefined) return fail(codes.CNI_NETNS_GONE, {path: device.ifname, detail: 'its device is gone'})
      const {ifindex} = link
      if (families.ipv6) {
        sysctl.setIfThere('net/ipv6/conf/all/disable_ipv6', 0)
        sysctl.setIfThere('net/ipv6/conf/lo/disable_ipv6', 0)
      }
      prepareDevice(sysctl, device.ifname, {ipv4: false, ipv6: families.ipv6})
      socket.run(linkSet(ifindex, {up: true}))
      socket.runAll([
        ...device.ips.map((ip) => addressReplace({ifindex, ip, prefixLength: ip.bits, prefixRoute: false})),
        ...device.routerIps.flatMap((ip) => [
          neighbourReplace({ifindex, ip, mac: device.hostMac}),
          routeReplace({destination: Cidr.host(ip), ifindex, scope: 'link'}),
          routeReplace({
            destination: Cidr.from(ip, 0),
            ifindex,
            gateway: ip,
            ...(device.routeMtu < device.mtu ? {mtu: device.routeMtu} : {}),
          }),
        ]),
      ])
    }),
  )
}

/** The node's end: the pod's neighbours, then up. Programs must be attached by now. */
export function bringUpNodeEnd(
  socket: NetlinkSocket,
  sysctl: Sysctl,
  device: PodDevice,
  families: {readonly ipv4: boolean; readonly ipv6: boolean},
): void {
  prepareDevice(sysctl, device.hostDevice, families)
  socket.runAll([linkSet(device.ifindex, {linkLocal: false}), linkSet(device.ifindex, {up: true})])
  socket.runAll(device.ips.map((ip) => neighbourReplace({ifindex: device.ifindex, ip, mac: device.mac})))
}

/** Removes the pair from the node's side; a missing one is success. Its routes and neighbours go with it. */
export function removePair(socket: NetlinkSocket, ifindex: number): void {
  const [error] = socket.tryAll([linkDelete(ifindex)])
  if (error !== undefined && !isErrno(error, 'ENODEV')) throw error
}

function withSocket<T>(work: (socket: NetlinkSocket) => T): T {
  using socket = new NetlinkSocket()
  return work(socket)
}
