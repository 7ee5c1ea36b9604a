/**
 * Connects pods and takes them down again: what CNI's ADD, DEL, CHECK and GC do.
 *
 * Why the order of ADD is safe: the slot's row is closed before a device with its index exists; the row is written and
 * the programs are attached before the device is up, so no packet ever passes unjudged; the record is on disk and the
 * identity known before the runtime is told. Whatever fails on the way is taken back in reverse.
 */

import {randomBytes} from 'node:crypto'
import {closeSync, openSync} from 'node:fs'
import {findLink} from '../../kernel/netlink/link.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {inNetns, netnsIdentity} from '../../kernel/netns.ts'
import type {Ip} from '../../model/ip.ts'
import {Mac} from '../../model/mac.ts'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {CniCall} from '../cni/call.ts'
import {codes} from '../errors.ts'
import type {NodePools} from '../ipam/node-pools.ts'
import {podDeviceName} from '../node/device-names.ts'
import {removeDevice} from '../node/own-devices.ts'
import type {Sysctl} from '../node/sysctl.ts'
import type {EndpointMap, Programs} from '../reconcile/datapath-door.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {attachmentOf, inState} from './endpoint-row.ts'
import type {FormerEndpoints} from './former.ts'
import {addressesInside} from './inside.ts'
import {bringUpNodeEnd, configurePodEnd, createPair, type PodDevice, removePair} from './pod-device.ts'
import type {EndpointRecords} from './record.ts'
import type {Slots} from './slots.ts'

/** What of the node every pod's network depends on. */
export interface PodNetwork {
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly routerIps: readonly Ip[]
  readonly mtu: number
  readonly routeMtu: number
}

export interface ConnectionsOptions {
  readonly tables: Tables
  readonly slots: Slots
  readonly pools: NodePools
  readonly former: FormerEndpoints
  readonly records: EndpointRecords
  readonly socket: NetlinkSocket
  readonly sysctl: Sysctl
  readonly programs: Programs
  readonly endpointMap: EndpointMap
  /** device index of slot 0 */
  readonly ifindexBase: number
  readonly bootId: string
  readonly network: () => PodNetwork
  /** do the datapath's maps follow the endpoint's row? */
  readonly settled: (key: string) => boolean
  readonly clock: Clock
  readonly log: Log
}

/** How many device indexes are tried when others hold ours. */
const slotTries = 32
/** How long the API server may be behind the runtime, ms. */
const announcementMs = 5_000
/** How long a pod's identity may take, ms: then the runtime tries again. */
const identityMs = 15_000
const closedSets = {ingress: 0, egress: 0}

export class Connections {
  private readonly options: ConnectionsOptions
  private readonly log: Log
  /** the last call of each container: one after another */
  private readonly turns = new Map<string, Promise<unknown>>()

  constructor(options: ConnectionsOptions) {
    this.options = options
    this.log = options.log.for('endpoint')
  }

  /**
   * Connects a pod. The runtime's call may be repeated: what an earlier one left of the same attachment goes first.
   *
   * @param signal aborted when nobody waits for the answer any more
   * @throws CNI_NETNS_GONE, CNI_INTERFACE_EXISTS, IPAM_*, ENDPOINT_SLOTS_EXHAUSTED, POD_UNKNOWN, IDENTITY_*
   */
  add(call: CniCall, signal: AbortSignal): Promise<EndpointRow> {
    return this.inTurn(call.containerId, async () => {
      const {tables} = this.options
      for (const row of tables.endpoints.by('attachment', attachmentOf(call))) await this.disconnect(row)
      const netns = openNamespace(call.netns)
      try {
        const inode = netnsIdentity(netns)
        await this.whenKnown(call, signal)
        for (const row of tables.endpoints.by('netns', call.netns)) {
          // a new sandbox at the path of one that is gone
          if (row.netnsInode !== inode) await this.disconnect(row)
        }
        return await this.connect(call, netns, inode, signal)
      } finally {
        closeSync(netns)
      }
    })
  }

  /**
   * Takes down what a container has: one interface, or all. What is not there is success.
   *
   * @returns the number of endpoints that were there
   */
  remove(containerId: string, ifname: string | undefined): Promise<number> {
    return this.inTurn(containerId, async () => {
      const rows = this.options.tables.endpoints
        .by('container', containerId)
        .filter((row) => ifname === undefined || row.ifname === ifname)
      for (const row of rows) await this.disconnect(row)
      // an ADD that was cut off by the end of an earlier process leaves a device at most
      if (rows.length === 0 && ifname !== undefined) {
        removeDevice(this.options.socket, podDeviceName(containerId, ifname))
      }
      return rows.length
    })
  }

  /** @throws CNI_CHECK_FAILED when something of the attachment is no longer as ADD made it */
  check(call: CniCall): void {
    const attachment = attachmentOf(call)
    const failed: (detail: string) => never = (detail) => fail(codes.CNI_CHECK_FAILED, {attachment, detail})
    const [row] = this.options.tables.endpoints.by('attachment', attachment)
    if (row === undefined) failed('the agent does not know it')
    const link = findLink(this.options.socket, row.ifindex)
    if (link?.name !== row.hostDevice) failed(`device ${row.hostDevice} of the node is gone`)
    const netns = openNamespace(call.netns)
    try {
      if (netnsIdentity(netns) !== row.netnsInode) failed('the network namespace is another one')
      const own = [row.ipv4, row.ipv6].filter((ip) => ip !== undefined).map(String)
      const inside = inNetns(netns, () => addressesInside(row.ifname))
      if (inside === undefined) failed(`${row.ifname} of the pod is gone`)
      const missing = own.find((ip) => !inside.includes(ip))
      if (missing !== undefined) failed(`${row.ifname} of the pod has lost the address ${missing}`)
      for (const address of call.previousAddresses ?? []) {
        if (!own.includes(address.replace(/\/\d+$/, ''))) failed(`the pod does not have ${address}`)
      }
    } finally {
      closeSync(netns)
    }
  }

  /** Takes down every pod whose attachment (`container:eth0`) is not in the list. @returns how many */
  async collect(valid: ReadonlySet<string>): Promise<number> {
    const gone = [...this.options.tables.endpoints.values()].filter(
      (row) => row.kind === 'pod' && !valid.has(attachmentOf(row)),
    )
    for (const row of gone) {
      this.log.info('removing an endpoint that the runtime no longer has', describe(row))
      await this.inTurn(row.containerId, () => this.disconnect(row))
    }
    return gone.length
  }

  /** Takes down an endpoint, whoever asked. */
  release(row: EndpointRow): Promise<void> {
    return this.inTurn(row.containerId, () => this.disconnect(row))
  }

  /**
   * Until the pod is announced, or was known before a reboot: nothing is made for a pod that may not exist.
   *
   * @throws POD_UNKNOWN, CNI_ENVIRONMENT_INVALID
   */
  private async whenKnown({pod}: CniCall, signal: AbortSignal): Promise<void> {
    if (pod.name === '') fail(codes.CNI_ENVIRONMENT_INVALID, {detail: 'CNI_ARGS has no K8S_POD_NAME'})
    const {tables, former} = this.options
    const name = `${pod.namespace}/${pod.name}`
    const known = () => {
      const found = tables.pods.get(name)
      const sameUid = pod.uid === '' || found?.uid === pod.uid
      return (found !== undefined && sameUid) || (!tables.pods.synced && former.has(pod.namespace, pod.name, pod.uid))
    }
    try {
      await tables.pods.until(known, {signal, timeoutMs: announcementMs, what: `pod ${name}`})
    } catch (thrown) {
      throw new CiliumError(codes.POD_UNKNOWN, {pod: name}, {cause: thrown})
    }
  }

  private async connect(call: CniCall, netns: number, inode: string, signal: AbortSignal): Promise<EndpointRow> {
    const {tables, pools, slots, former, records, clock} = this.options
    const owner = call.pod.name === '' ? `container/${call.containerId}` : `${call.pod.namespace}/${call.pod.name}`
    const before = former.take(call.pod.namespace, call.pod.name, call.pod.uid)
    if (before !== undefined) await this.forgetFormer(before)
    const wished = [before?.ipv4, before?.ipv6].filter((ip) => ip !== undefined)
    const undo: (() => void | Promise<void>)[] = []
    try {
      const {ipv4, ipv6} = pools.allocate(owner, wished)
      const ips = [ipv4, ipv6].filter((ip) => ip !== undefined)
      undo.push(() => {
        for (const ip of ips) pools.release(ip)
      })
      const {device, slot} = this.makePair(call, netns, ips)
      undo.push(() => slots.release(slot.slot))
      undo.push(() => removePair(this.options.socket, device.ifindex))
      const row: EndpointRow = {
        id: slot.slot,
        generation: slot.generation,
        kind: 'pod',
        state: 'waiting-for-identity',
        containerId: call.containerId,
        ifname: call.ifname,
        netns: call.netns,
        netnsInode: inode,
        bootId: this.options.bootId,
        namespace: call.pod.namespace,
        pod: call.pod.name,
        podUid: call.pod.uid,
        hostDevice: device.hostDevice,
        ifindex: device.ifindex,
        mac: device.mac,
        hostMac: device.hostMac,
        ipv4,
        ipv6,
        createdAt: clock.now(),
        labels: before?.labels,
        allLabels: before?.allLabels,
        // what holds while the API server is away; otherwise it is looked up
        identity: tables.pods.synced ? undefined : before?.identity,
        ...(tables.pods.synced || before?.isolated === undefined ? {} : {isolated: before.isolated}),
        log: [],
      }
      undo.push(() => this.options.endpointMap.close(row.id, row.generation))
      this.openDevice(row, device, netns)
      undo.push(() => {
        tables.endpoints.delete(String(row.id))
      })
      tables.endpoints.upsert(inState(row, 'waiting-for-identity', clock.now(), 'created'))
      undo.push(() => records.remove(row.id))
      const ready = await this.whenReady(row, signal)
      this.log.info('connected', {...describe(ready), ipv4, ipv6, identity: ready.identity})
      return ready
    } catch (thrown) {
      for (const step of undo.reverse()) await step()
      throw thrown
    }
  }

  /** The pair at the next free slot whose device index nobody else has. */
  private makePair(call: CniCall, netns: number, ips: readonly Ip[]) {
    const {slots, socket, ifindexBase} = this.options
    const {routerIps, mtu, routeMtu} = this.options.network()
    const hostDevice = podDeviceName(call.containerId, call.ifname)
    removeDevice(socket, hostDevice)
    for (let attempt = 1; attempt <= slotTries; attempt++) {
      const slot = slots.allocate()
      const device: PodDevice = {
        ifindex: ifindexBase + slot.slot,
        hostDevice,
        ifname: call.ifname,
        mac: Mac.local(randomBytes(6)),
        hostMac: Mac.local(randomBytes(6)),
        ips,
        routerIps: routerIps.filter((ip) => ips.some((own) => own.family === ip.family)),
        mtu,
        routeMtu,
      }
      try {
        if (createPair(socket, netns, device)) return {device, slot}
      } catch (thrown) {
        slots.release(slot.slot)
        throw thrown
      }
      slots.block(slot.slot)
    }
    return fail(codes.ENDPOINT_DEVICE_FAILED, {
      pod: call.pod.name,
      node: '',
      detail: `${slotTries} device indexes in a row are taken by others`,
    })
  }

  /** Row, programs, pod end, node end: in this order. Synchronous. */
  private openDevice(row: EndpointRow, device: PodDevice, netns: number): void {
    const {endpointMap, programs, socket, sysctl} = this.options
    const families = this.options.network()
    endpointMap.put(row, closedSets)
    programs.attachPod(row.ifindex)
    configurePodEnd(sysctl, netns, device, families)
    bringUpNodeEnd(socket, sysctl, device, families)
  }

  /** Until the identity is known, the map and routes follow the row, and its record is on disk. */
  private async whenReady(row: EndpointRow, signal: AbortSignal): Promise<EndpointRow> {
    const {endpoints} = this.options.tables
    const key = String(row.id)
    let ready: EndpointRow
    try {
      ready = await endpoints.until(
        (table) => {
          const now = table.get(key)
          if (now?.generation !== row.generation) fail(codes.ENDPOINT_NOT_FOUND, {endpoint: row.id})
          return now.state === 'ready' && this.options.settled(key) ? now : undefined
        },
        {signal, timeoutMs: identityMs, what: 'the identity of the pod'},
      )
    } catch (thrown) {
      throw this.whyNotReady(row, thrown)
    }
    await this.options.records.write(ready)
    return ready
  }

  private whyNotReady(row: EndpointRow, thrown: unknown): unknown {
    const {tables} = this.options
    const pod = `${row.namespace}/${row.pod}`
    const status = tables.endpoints.status(String(row.id))
    if (status?.state === 'error') {
      return new CiliumError(codes.ENDPOINT_DEVICE_FAILED, {pod, node: '', detail: `${status.code} ${status.message}`})
    }
    const detail = tables.endpoints.get(String(row.id))?.log.findLast((entry) => !entry.ok)?.message
    return new CiliumError(
      codes.IDENTITY_UNAVAILABLE,
      {pod, detail: detail ?? 'the API server has not answered yet'},
      {cause: thrown},
    )
  }

  /**
   * Takes an endpoint down. The row is closed first: what still arrives is dropped and counted. The address is given
   * back last, when nothing points at this endpoint any more.
   */
  private async disconnect(row: EndpointRow): Promise<void> {
    const {tables, records, slots, pools, socket} = this.options
    const current = tables.endpoints.get(String(row.id))
    if (current?.generation !== row.generation) return // somebody was faster
    tables.endpoints.delete(String(row.id))
    this.options.endpointMap.close(row.id, row.generation)
    // its programs go with it
    removePair(socket, row.ifindex)
    await records.remove(row.id)
    slots.release(row.id)
    for (const ip of [row.ipv4, row.ipv6]) if (ip !== undefined) pools.release(ip)
    this.log.info('disconnected', describe(row))
  }

  /** The slot, addresses and record that were kept for a pod that is here again, or gone for good. */
  async forgetFormer(row: EndpointRow): Promise<void> {
    const {slots, pools, records} = this.options
    slots.release(row.id)
    for (const ip of [row.ipv4, row.ipv6]) if (ip !== undefined) pools.release(ip)
    await records.remove(row.id)
  }

  private inTurn<T>(containerId: string, work: () => Promise<T>): Promise<T> {
    const before = this.turns.get(containerId) ?? Promise.resolve()
    const turn = before.then(work, work)
    this.turns.set(containerId, turn)
    const clear = () => {
      if (this.turns.get(containerId) === turn) this.turns.delete(containerId)
    }
    turn.then(clear, clear)
    return turn
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (thrown) {
    return fail(codes.CNI_NETNS_GONE, {path, detail: (thrown as Error).message}, {cause: thrown})
  }
}

function describe(row: EndpointRow): Record<string, unknown> {
  return {endpoint: row.id, pod: `${row.namespace}/${row.pod}`, container: row.containerId.slice(0, 12)}
}
