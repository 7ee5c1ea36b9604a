/**
 * An endpoint of the agent's own: a namespace with a device like a pod's, in which probes are answered. Who reaches it
 * from another node has crossed everything that pods' traffic crosses. It is made anew at each start of the agent, which
 * is its only process; its addresses stay.
 */

import {randomBytes} from 'node:crypto'
import {closeSync, openSync} from 'node:fs'
import type {Server} from 'node:http'
import {findLink, linkSet} from '../../kernel/netlink/link.ts'
import {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns, netnsIdentity} from '../../kernel/netns.ts'
import {reservedIdentities} from '../../model/identity.ts'
import type {Ip} from '../../model/ip.ts'
import {Mac} from '../../model/mac.ts'
import type {Clock} from '../../runtime/clock.ts'
import {fail} from '../../runtime/errors.ts'
import type {PodNetwork} from '../endpoint/connections.ts'
import {bringUpNodeEnd, configurePodEnd, createPair, type PodDevice, removePair} from '../endpoint/pod-device.ts'
import type {Slots} from '../endpoint/slots.ts'
import {codes} from '../errors.ts'
import {healthLabels} from '../identity/pod-identity.ts'
import {healthDevice} from '../node/device-names.ts'
import {removeDevice} from '../node/own-devices.ts'
import type {Sysctl} from '../node/sysctl.ts'
import type {EndpointMap, Programs} from '../reconcile/datapath-door.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {helloServer, listenInside} from './responder.ts'

export interface HealthEndpointOptions {
  readonly tables: Tables
  readonly slots: Slots
  readonly socket: NetlinkSocket
  readonly sysctl: Sysctl
  readonly programs: Programs
  readonly endpointMap: EndpointMap
  readonly ifindexBase: number
  readonly nodeName: string
  readonly network: PodNetwork
  readonly healthIps: readonly Ip[]
  readonly port: number
  readonly bootId: string
  readonly clock: Clock
}

export class HealthEndpoint {
  private readonly options: HealthEndpointOptions
  private readonly server: Server = helloServer()
  private row: EndpointRow | undefined

  constructor(options: HealthEndpointOptions) {
    this.options = options
  }

  /** Removes what an earlier agent left, then makes it. */
  async start(): Promise<void> {
    const {socket, network, port} = this.options
    removeHealthEndpoint(socket, this.options.nodeName)
    const path = createNetns(netnsName(this.options.nodeName))
    const netns = openSync(path, 'r')
    try {
      inNetns(netns, () => {
        using inside = new NetlinkSocket()
        inside.run(linkSet(findLink(inside, 'lo')!.ifindex, {up: true}))
      })
      this.row = this.connect(netns, path)
      await listenInside(this.server, netns, port, network.ipv6)
    } finally {
      closeSync(netns)
    }
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (!this.server.listening) return resolve()
      this.server.close(() => resolve())
      this.server.closeAllConnections()
    })
    const {tables, endpointMap, socket, slots, nodeName} = this.options
    const row = this.row
    if (row === undefined) return
    tables.endpoints.delete(String(row.id))
    endpointMap.close(row.id, row.generation)
    slots.release(row.id)
    removeHealthEndpoint(socket, nodeName)
  }

  /** The same steps, in the same order, as for a pod. */
  private connect(netns: number, path: string): EndpointRow {
    const {tables, socket, sysctl, programs, endpointMap, network, clock, bootId} = this.options
    const {device, slot} = this.makePair(netns)
    const now = clock.now()
    const row: EndpointRow = {
      id: slot.slot,
      generation: slot.generation,
      kind: 'health',
      state: 'ready',
      containerId: '',
      ifname: device.ifname,
      netns: path,
      netnsInode: netnsIdentity(netns),
      bootId,
      namespace: '',
      pod: '',
      podUid: '',
      hostDevice: device.hostDevice,
      ifindex: device.ifindex,
      mac: device.mac,
      hostMac: device.hostMac,
      ipv4: device.ips.find((ip) => ip.family === 4),
      ipv6: device.ips.find((ip) => ip.family === 6),
      createdAt: now,
      labels: healthLabels,
      allLabels: healthLabels,
      identity: reservedIdentities.health,
      log: [{at: now, state: 'ready', ok: true, message: 'health endpoint'}],
    }
    endpointMap.put(row, {ingress: 0, egress: 0})
    programs.attachPod(row.ifindex)
    configurePodEnd(sysctl, netns, device, network)
    bringUpNodeEnd(socket, sysctl, device, network)
    tables.endpoints.upsert(row)
    return row
  }

  private makePair(netns: number) {
    const {slots, socket, ifindexBase, network, healthIps} = this.options
    for (let attempt = 1; attempt <= 32; attempt++) {
      const slot = slots.allocate()
      const device: PodDevice = {
        ifindex: ifindexBase + slot.slot,
        hostDevice: healthDevice,
        ifname: 'eth0',
        mac: Mac.local(randomBytes(6)),
        hostMac: Mac.local(randomBytes(6)),
        ips: healthIps,
        routerIps: network.routerIps,
        mtu: network.mtu,
        routeMtu: network.routeMtu,
      }
      if (createPair(socket, netns, device)) return {device, slot}
      slots.block(slot.slot)
    }
    return fail(codes.ENDPOINT_DEVICE_FAILED, {pod: 'cilium-health', node: '', detail: 'no free device index'})
  }
}

/** Takes device and namespace away; missing ones are success. */
export function removeHealthEndpoint(socket: NetlinkSocket, nodeName: string): void {
  const link = findLink(socket, healthDevice)
  if (link !== undefined) removePair(socket, link.ifindex)
  removeDevice(socket, healthDevice)
  deleteNetns(netnsName(nodeName))
}

function netnsName(nodeName: string): string {
  return `cilium-health-${nodeName}`
}
