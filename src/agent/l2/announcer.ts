/**
 * Layer 2 announcement of services' addresses.
 *
 *     policies, services, node ─► candidates ─► leases ─► who leads ─► cilium_l2 (answers of eBPF), gratuitous frames
 */
import type {KubeClient} from '../../k8s/client.ts'
import {joinGroup, openPacketSocket} from '../../kernel/packet-socket.ts'
import type {Ip} from '../../model/ip.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {DeviceRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {announcement, solicitedNodeGroup} from './announcement.ts'
import {Leases, leaseName} from './leases.ts'
import {type Candidate, candidates, type L2PolicyRow} from './policy.ts'

/** The datapath's side. */
export interface L2Map {
  /** @param untilNs monotonic clock */
  put(ip: Ip, ifindex: number, untilNs: bigint): void
  delete(ip: Ip, ifindex: number): void
  entries(): Iterable<{readonly ip: Ip; readonly ifindex: number}>
}

export interface AnnouncerOptions {
  readonly client: KubeClient
  readonly tables: Tables
  readonly map: L2Map
  readonly nodeName: string
  readonly namespace: string
  readonly leaseMs: number
  readonly renewDeadlineMs: number
  readonly retryMs: number
  readonly clock: Clock
  readonly log: Log
  /** told of policies that cannot be followed */
  readonly report: (policy: L2PolicyRow, problem: string) => void
}

const gatherMs = 20
/** A frame may be lost: it is sent again twice. */
const repeatsMs = [0, 300, 1500]

interface Place {
  readonly ip: Ip
  readonly device: DeviceRow
}

export class L2Announcer {
  private readonly options: AnnouncerOptions
  private readonly log: Log
  private readonly leases: Leases
  private readonly ends: (() => void)[] = []
  /** by lease */
  private candidates = new Map<string, Candidate>()
  /** what is in the map, by lease and then place */
  private readonly announced = new Map<string, Map<string, Place>>()
  private readonly groups = new Map<string, () => void>()
  private readonly sending = new Set<Timer>()
  private readonly told = new Map<string, string>()
  private timer: Timer | undefined

  constructor(options: AnnouncerOptions) {
    this.options = options
    this.log = options.log.for('l2-announcer')
    const {nodeName, ...rest} = options
    this.leases = new Leases({...rest, identity: nodeName, onChange: (lease) => this.apply(lease)})
  }

  start(): void {
    const {tables, clock} = this.options
    const soon = () => {
      this.timer ??= clock.after(gatherMs, () => this.compute())
    }
    const {services, l2Policies, localNode, devices, frontends} = tables
    for (const table of [services, l2Policies, localNode, devices, frontends]) this.ends.push(table.subscribe(soon))
    for (const table of [services, l2Policies, localNode, frontends]) table.whenSynced().then(soon, () => {})
    this.leases.start()
  }

  /** What is announced stays so until its lease ends: the agent may be back before. */
  async stop(): Promise<void> {
    for (const end of this.ends) end()
    this.timer?.cancel()
    for (const timer of this.sending) timer.cancel()
    for (const leave of this.groups.values()) leave()
    await this.leases.stop()
  }

  private compute(): void {
    this.timer = undefined
    const {tables, nodeName} = this.options
    const {services, l2Policies, localNode, devices, frontends} = tables
    if (![services, l2Policies, localNode, frontends].every((table) => table.synced)) return
    const policies = l2Policies.sorted()
    this.tell(policies)
    const found = candidates(policies, services.values(), {
      labels: localNode.get(nodeName)?.labels ?? {},
      devices: [...devices.values()].filter(({up, mac}) => up && mac !== undefined).map(({name}) => name),
      serves: ({namespace, name}) =>
        frontends
          .by('service', `${namespace}/${name}`)
          .some(
            ({kind, backends, internalOnly}) => kind !== 'ClusterIP' && !internalOnly && backends.active.length > 0,
          ),
    })
    const before = this.candidates
    this.candidates = new Map(found.map((one) => [leaseName(one), one]))
    this.leases.want(new Set(this.candidates.keys()))
    for (const lease of new Set([...before.keys(), ...this.candidates.keys()])) this.apply(lease)
    this.sweep()
  }

  /** Makes the map say what the lease says. New places are announced; those that stay get their later end. */
  private apply(lease: string): void {
    const {map, tables} = this.options
    const until = this.leases.leading.get(lease)
    const candidate = this.candidates.get(lease)
    const before = this.announced.get(lease) ?? new Map<string, Place>()
    const now = new Map<string, Place>()
    if (until !== undefined && candidate !== undefined) {
      for (const ip of candidate.ips) {
        for (const name of candidate.devices) {
          const device = tables.devices.get(name)
          if (device !== undefined) now.set(`${ip} ${device.ifindex}`, {ip, device})
        }
      }
    }
    try {
      for (const [key, {ip, device}] of before) if (!now.has(key)) map.delete(ip, device.ifindex)
      // the map's clock is the kernel's, which our own differs from by a constant
      const leftMs = (until ?? 0) - this.options.clock.monotonic()
      const end = process.hrtime.bigint() + BigInt(Math.round(leftMs * 1e6))
      for (const {ip, device} of now.values()) map.put(ip, device.ifindex, end < 0n ? 0n : end)
    } catch (thrown) {
      this.log.error('cannot announce a service', {lease, error: CiliumError.from(thrown)}, {per: lease})
      return
    }
    if (now.size === 0) this.announced.delete(lease)
    else this.announced.set(lease, now)
    this.followGroups()
    for (const [key, place] of now) if (!before.has(key)) this.announce(lease, key, place)
  }

  private announce(lease: string, key: string, {ip, device}: Place): void {
    const {clock} = this.options
    for (const ms of repeatsMs) {
      const timer = clock.after(ms, () => {
        this.sending.delete(timer)
        if (!this.announced.get(lease)?.has(key)) return
        try {
          const socket = openPacketSocket(device.ifindex)
          try {
            socket.send(announcement(ip, device.mac!))
          } finally {
            socket.close()
          }
        } catch (thrown) {
          this.log.warn('cannot send an announcement', {device: device.name, error: CiliumError.from(thrown)})
        }
      })
      this.sending.add(timer)
    }
  }

  /** Devices take the questions about exactly the IPv6 addresses that are announced. */
  private followGroups(): void {
    const wanted = new Map<string, Place>()
    for (const places of this.announced.values())
      for (const [key, place] of places) if (place.ip.family === 6) wanted.set(key, place)
    for (const [key, leave] of this.groups) {
      if (wanted.has(key)) continue
      leave()
      this.groups.delete(key)
    }
    for (const [key, {ip, device}] of wanted) {
      if (this.groups.has(key)) continue
      try {
        this.groups.set(key, joinGroup(device.ifindex, solicitedNodeGroup(ip)))
      } catch (thrown) {
        this.log.warn('cannot join the group of an address', {address: String(ip), error: CiliumError.from(thrown)})
      }
    }
  }

  /** Takes out what an agent before this one left and nobody leads here. */
  private sweep(): void {
    const {map} = this.options
    const wanted = new Set([...this.announced.values()].flatMap((places) => [...places.keys()]))
    const mayLead = new Set([...this.candidates.values()].flatMap(({ips}) => ips.map(String)))
    for (const {ip, ifindex} of [...map.entries()]) {
      // what may still be led is left until its lease is known; it ends by itself
      if (!wanted.has(`${ip} ${ifindex}`) && !mayLead.has(String(ip))) map.delete(ip, ifindex)
    }
  }

  private tell(policies: readonly L2PolicyRow[]): void {
    for (const policy of policies) {
      const text = policy.problems.join('; ')
      if (text !== '' && text !== this.told.get(policy.name)) this.options.report(policy, text)
      this.told.set(policy.name, text)
    }
  }
}
