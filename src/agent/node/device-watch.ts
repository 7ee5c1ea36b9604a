/**
 * Follows the node's devices and addresses: which devices carry its traffic (table `devices`), and which addresses are
 * its own. Looks at everything again shortly after any change; that is rare and costs a millisecond.
 */
import {listAddresses} from '../../kernel/netlink/address.ts'
import {type Link, listLinks} from '../../kernel/netlink/link.ts'
import {type NetworkChange, watchNetwork} from '../../kernel/netlink/monitor.ts'
import {listRoutes} from '../../kernel/netlink/route.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {Cidr} from '../../model/cidr.ts'
import {compareIps, type Ip} from '../../model/ip.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {DeviceRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {chooseDevices, isOwnDevice, matches} from './device-names.ts'

const settleMs = 50

export interface DeviceChoice {
  /** config `devices` */
  readonly patterns: readonly string[]
  readonly forceDetection: boolean
  /** config `egress-masquerade-interfaces`; empty: all */
  readonly masquerade: readonly string[]
  /** link-local addresses count as the node's: where its own traffic is judged they are no way around that */
  readonly linkLocal: boolean
}

export interface Look {
  readonly devices: readonly DeviceRow[]
  /** addresses of this node, sorted; without loopback and pods', link-local ones if asked for */
  readonly hostIps: readonly Ip[]
}

/** Looks once. @param nodeIps addresses by which the cluster knows this node */
export function lookAtDevices(socket: NetlinkSocket, choice: DeviceChoice, nodeIps: readonly Ip[]): Look {
  const links = listLinks(socket)
  const addresses = listAddresses(socket)
  const defaults = new Set(
    ([4, 6] as const).flatMap((family) =>
      listRoutes(socket, {family})
        .filter((route) => route.destination.length === 0)
        .map((route) => route.ifindex),
    ),
  )
  const of = (link: Link) => addresses.filter((address) => address.ifindex === link.ifindex)
  const chosen = new Set(
    chooseDevices(
      links.map((link) => ({
        name: link.name,
        kind: link.kind,
        loopback: link.loopback,
        enslaved: link.master !== 0,
        defaultRoute: defaults.has(link.ifindex),
        nodeAddress: of(link).some(({ip}) => nodeIps.some((known) => known.equals(ip))),
      })),
      choice.patterns,
      choice.forceDetection,
    ),
  )
  const devices = links
    .filter((link) => chosen.has(link.name))
    .map((link) => ({
      name: link.name,
      ifindex: link.ifindex,
      mtu: link.mtu,
      mac: link.mac,
      // the node's own address first: it is what others know us by
      addresses: of(link)
        .map(({ip}) => ip)
        .sort((a, b) => rank(a, nodeIps) - rank(b, nodeIps) || compareIps(a, b))
        .map((ip) => Cidr.host(ip)),
      up: link.up,
      masquerade: choice.masquerade.length === 0 || choice.masquerade.some((pattern) => matches(link.name, pattern)),
    }))
  const pods = new Set(links.filter((link) => isPodDevice(link.name)).map((link) => link.ifindex))
  const hostIps = addresses
    .filter(({ip, ifindex}) => !pods.has(ifindex) && !ip.isLoopback && (choice.linkLocal || !ip.isLinkLocal))
    .map(({ip}) => ip)
    .sort(compareIps)
  return {devices, hostIps}
}

/** Pods come and go by the hundred, and say nothing about the devices of the node: neither their ends nor their routes. */
function concerns(change: NetworkChange): boolean {
  if (change.type === 'link') return !isPodDevice(change.link.name)
  return change.type !== 'route' || change.route.destination.length === 0
}

function isPodDevice(name: string): boolean {
  return isOwnDevice(name) && name.startsWith('lxc')
}

function rank(ip: Ip, nodeIps: readonly Ip[]): number {
  if (nodeIps.some((known) => known.equals(ip))) return 0
  return ip.isLinkLocal ? 2 : 1
}

export interface DeviceWatchOptions {
  readonly socket: NetlinkSocket
  readonly tables: Tables
  readonly choice: DeviceChoice
  readonly nodeIps: () => readonly Ip[]
  readonly onHostIps: (ips: readonly Ip[]) => void
  readonly clock: Clock
  readonly log: Log
}

export class DeviceWatch {
  private readonly options: DeviceWatchOptions
  private readonly log: Log
  private end: (() => void) | undefined
  private timer: Timer | undefined
  private hostIps = ''

  constructor(options: DeviceWatchOptions) {
    this.options = options
    this.log = options.log.for('devices')
  }

  /** Looks once, then follows. */
  start(): void {
    this.end = watchNetwork(['link', 'address', 'route'], (change) => {
      if (!concerns(change)) return
      this.timer ??= this.options.clock.after(settleMs, () => {
        this.timer = undefined
        this.look()
      })
    })
    this.look()
  }

  stop(): void {
    this.end?.()
    this.timer?.cancel()
  }

  private look(): void {
    const {socket, tables, choice, nodeIps, onHostIps} = this.options
    try {
      const {devices, hostIps} = lookAtDevices(socket, choice, nodeIps())
      tables.devices.replaceAll(devices)
      if (hostIps.join() !== this.hostIps) {
        this.hostIps = hostIps.join()
        onHostIps(hostIps)
      }
    } catch (thrown) {
      this.log.warn('cannot look at the devices of this node', {error: CiliumError.from(thrown)})
    }
  }
}
