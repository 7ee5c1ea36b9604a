/**
 * What the agent asks of the datapath, in the agent's own words. src/agent/reconcile/loaded-datapath.ts answers with
 * the kernel's maps and links; stories answer with plain tables.
 */
import type {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import type {AddressRow, DeviceRow, EndpointRow} from '../state/rows.ts'

/** Numbers of the rule sets that judge an endpoint's packets. */
export interface EndpointSets {
  readonly ingress: number
  readonly egress: number
  /** what they deny is told and let through */
  readonly audit?: boolean
}

export interface EndpointMap {
  /** Slots that hold an endpoint or remember how many they have had. */
  read(): readonly {
    readonly slot: number
    readonly generation: number
    readonly ifindex: number
    readonly ips: readonly Ip[]
  }[]
  /** What a slot holds. */
  get(slot: number): {readonly generation: number; readonly ifindex: number} | undefined
  put(row: EndpointRow, sets: EndpointSets): void
  /** Nothing passes any more; the generation stays known. */
  close(slot: number, generation: number): void
}

/** The row of the node's own stack, which has rule sets with the host firewall. */
export interface HostRow {
  put(sets: EndpointSets): void
}

export interface AddressMaps {
  /** Addresses and prefixes that are in the maps. */
  read(): Iterable<Cidr>
  /** @returns whether anything changed */
  put(row: AddressRow): boolean
  /** @returns whether it was there */
  remove(cidr: Cidr): boolean
  /** Makes every flow's verdict be computed again. After the maps have changed. */
  moveEpoch(): void
}

export interface DeviceMap {
  read(): readonly number[]
  /** @param xdp frames of other devices' XDP programs may be sent there */
  put(row: DeviceRow, xdp: boolean): void
  remove(ifindex: number): void
}

export interface Programs {
  /** Puts the pod programs on the node's end of a pod's device. Before it is up. Again is fine. */
  attachPod(ifindex: number): void
  /** Puts the netdev programs on a device of the node. */
  attachDevice(ifindex: number): void
  /** Puts the XDP program on a device, if it is wanted there. @returns whether it is there now */
  accelerate(ifindex: number): boolean
  attachOverlay(ifindex: number): void
  /** Puts the socket programs on the node's cgroup (version 2). */
  attachSockets(cgroup: string): void
  detachSockets(): void
  /** Meets what the stack has reassembled, on cilium_host. */
  attachHost(ifindex: number): void
  /** Puts on every hook again what now belongs there: the last step of a change of layout. */
  replace(): void
  /** Takes ours away and forgets its pins; a device that is gone, too. */
  detach(ifindex: number): void
}
