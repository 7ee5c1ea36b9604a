/** Answers the agent's wishes with the maps and hooks of a loaded generation. */
import type {Attachments, Hook} from '../../datapath/attach.ts'
import {attachSockets, detachSockets} from '../../datapath/attach-cgroup.ts'
import type {XdpAttachments} from '../../datapath/attach-xdp.ts'
import {HOST_SLOT} from '../../datapath/gen/constants.ts'
import {addressFlags, deviceFlags, endpointFlags} from '../../datapath/gen/enums.ts'
import {
  type Address,
  type Device,
  deviceZero,
  type Endpoint,
  endpointZero,
  type L2Entry,
  type L2Key,
  staleSocketCodec,
} from '../../datapath/gen/types.ts'
import type {Generation} from '../../datapath/generation.ts'
import type {AddressMap} from '../../datapath/maps/addresses.ts'
import {openAddresses, openDevices, openEndpoints, openEpoch, openL2} from '../../datapath/maps/open.ts'
import {PolicyTables, SetNumbers} from '../../datapath/maps/policy.ts'
import {ServiceTables} from '../../datapath/maps/services.ts'
import {readMapIterator} from '../../kernel/bpf/iterator.ts'
import type {BpfMap} from '../../kernel/bpf/map.ts'
import {isErrno} from '../../kernel/errors.ts'
import {closeFd} from '../../kernel/libc.ts'
import type {Cidr} from '../../model/cidr.ts'
import {identity, reservedIdentities} from '../../model/identity.ts'
import {Ip} from '../../model/ip.ts'
import type {L2Map} from '../l2/announcer.ts'
import type {SetMaps} from '../policy/door.ts'
import type {ServiceMaps} from '../service/door.ts'
import type {AddressRow, DeviceRow, EndpointRow} from '../state/rows.ts'
import type {AddressMaps, DeviceMap, EndpointMap, EndpointSets, HostRow, Programs} from './datapath-door.ts'
import {loadedServiceMaps} from './loaded-service-maps.ts'
import {loadedSetMaps} from './loaded-set-maps.ts'
import type {StaleSocket} from './stale-sockets.ts'

const noAddress = new Uint8Array(16)

export class LoadedDatapath {
  readonly generation: Generation
  readonly attachments: Attachments
  readonly endpoints: EndpointMap
  readonly hostRow: HostRow
  readonly addresses: AddressMaps
  readonly devices: DeviceMap
  readonly programs: Programs
  readonly services: ServiceMaps
  readonly sets: SetMaps
  readonly l2: L2Map
  /** Sockets that are connected to a backend that is gone, or were. */
  readonly staleSockets: () => StaleSocket[]
  private readonly closes: (() => void)[]

  constructor(
    generation: Generation,
    hooks: {readonly node: Attachments; readonly pods: Attachments; readonly xdp: XdpAttachments},
    tableSeed: Uint8Array,
  ) {
    this.generation = generation
    this.attachments = hooks.node
    const open = (name: string) => generation.map(name)
    const endpoints = openEndpoints(open)
    const addresses = openAddresses(open)
    const devices = openDevices(open)
    const epoch = openEpoch(open)
    const services = new ServiceTables(open)
    const policy = new PolicyTables(open)
    const numbers = new SetNumbers(open)
    const l2 = openL2(open)
    this.closes = [endpoints, addresses, devices, epoch, services, policy, numbers, l2].map((map) => () => map.close())
    this.endpoints = endpointMap(endpoints)
    this.hostRow = {put: (sets) => endpoints.put(HOST_SLOT, hostValue(sets))}
    this.addresses = addressMaps(addresses, epoch)
    this.devices = deviceMap(devices)
    this.programs = programsOf(generation, hooks.node, hooks.pods, hooks.xdp)
    this.l2 = l2Map(l2)
    this.staleSockets = () => staleSockets(generation)
    this.services = loadedServiceMaps(services, tableSeed, this.addresses.moveEpoch)
    this.sets = loadedSetMaps(policy, numbers, this.addresses.moveEpoch)
  }

  close(): void {
    for (const close of this.closes) close()
    this.generation.close()
  }
}

function staleSockets(generation: Generation): StaleSocket[] {
  const sockets = generation.map('cilium_sockets')
  try {
    const bytes = readMapIterator(generation.program('cil_stale_sockets'), sockets)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return Array.from({length: Math.floor(bytes.length / staleSocketCodec.size)}, (_, i) => {
      const {socket, netns, backend, port, proto} = staleSocketCodec.decode(view, i * staleSocketCodec.size)
      return {cookie: socket, netns, backend: Ip.fromBytes(backend), port, protocol: proto}
    })
  } finally {
    closeFd(sockets)
  }
}

export function endpointMap(map: BpfMap<number, Endpoint>): EndpointMap {
  return {
    read() {
      const found: {slot: number; generation: number; ifindex: number; ips: Ip[]}[] = []
      for (const [slot, {generation, ifindex, v4, v6}] of map.entries()) {
        const ips = [v4, v6].filter((bytes) => bytes.some((byte) => byte !== 0)).map(Ip.fromBytes)
        if (slot !== 0 && slot !== HOST_SLOT && generation !== 0) found.push({slot, generation, ifindex, ips})
      }
      return found
    },
    get: (slot) => map.get(slot),
    put: (row, sets) => map.put(row.id, endpointValue(row, sets)),
    close: (slot, generation) => map.put(slot, {...endpointZero, generation}),
  }
}

function endpointValue(row: EndpointRow, sets: EndpointSets): Endpoint {
  return {
    ifindex: row.ifindex,
    identity: row.identity ?? 0,
    id: row.id,
    generation: row.generation,
    flags: sets.audit === true ? endpointFlags.ENDPOINT_AUDIT : 0,
    egressSet: sets.egress,
    ingressSet: sets.ingress,
    v4: row.ipv4?.toMappedBytes() ?? noAddress,
    v6: row.ipv6?.toMappedBytes() ?? noAddress,
    mac: row.mac.toBytes(),
    nodeMac: row.hostMac.toBytes(),
  }
}

/** The node's own stack: no device, no addresses of one's own, only rules. */
function hostValue(sets: EndpointSets): Endpoint {
  return {
    ...endpointZero,
    // any index but 0, which means that nothing is there
    ifindex: 1,
    identity: reservedIdentities.host,
    id: HOST_SLOT,
    generation: 1,
    flags: sets.audit === true ? endpointFlags.ENDPOINT_AUDIT : 0,
    egressSet: sets.egress,
    ingressSet: sets.ingress,
  }
}

export function addressMaps(map: AddressMap, epoch: BpfMap<number, number>): AddressMaps {
  return {
    *read() {
      for (const [cidr] of map.entries()) yield cidr
    },
    put(row) {
      const value = addressValue(row)
      const present = map.get(row.cidr)
      if (present !== undefined && sameAddress(present, value)) return false
      map.put(row.cidr, value)
      return true
    },
    remove: (cidr: Cidr) => map.delete(cidr),
    moveEpoch: () => epoch.put(0, ((epoch.get(0) ?? 0) + 1) >>> 0),
  }
}

function addressValue(row: AddressRow): Address {
  return {
    identity: row.identity,
    cidrClass: row.cidrClass,
    endpoint: row.endpoint === undefined ? 0 : (row.endpoint.slot | (row.endpoint.generation << 16)) >>> 0,
    flags:
      (row.localHost ? addressFlags.ADDRESS_LOCAL_HOST : 0) |
      (row.remoteNode ? addressFlags.ADDRESS_REMOTE_NODE : 0) |
      (row.native ? addressFlags.ADDRESS_NATIVE : 0),
    tunnel: row.tunnel?.toMappedBytes() ?? noAddress,
  }
}

function sameAddress(a: Address, b: Address): boolean {
  return (
    a.identity === b.identity &&
    a.cidrClass === b.cidrClass &&
    a.endpoint === b.endpoint &&
    a.flags === b.flags &&
    a.tunnel.every((byte, i) => byte === b.tunnel[i])
  )
}

/** The rows that a map held when the agent started: what is believed until somebody knows better. */
export function restoredAddresses(map: AddressMap): AddressRow[] {
  const rows: AddressRow[] = []
  for (const [cidr, value] of map.entries()) {
    // local endpoints are restored from their own records
    if (value.endpoint !== 0) continue
    const tunnel = value.tunnel.some((byte) => byte !== 0) ? Ip.fromBytes(value.tunnel) : undefined
    rows.push({
      cidr,
      source: 'restored',
      owner: 'restored',
      identity: identity(value.identity),
      cidrClass: value.cidrClass,
      endpoint: undefined,
      localHost: (value.flags & addressFlags.ADDRESS_LOCAL_HOST) !== 0,
      remoteNode: (value.flags & addressFlags.ADDRESS_REMOTE_NODE) !== 0,
      native: (value.flags & addressFlags.ADDRESS_NATIVE) !== 0,
      tunnel,
    })
  }
  return rows
}

function deviceMap(map: BpfMap<number, Device>): DeviceMap {
  return {
    read: () => [...map.entries()].map(([ifindex]) => ifindex),
    put: (row, xdp) => map.put(row.ifindex, deviceValue(row, xdp)),
    remove: (ifindex) => {
      map.delete(ifindex)
    },
  }
}

function l2Map(map: BpfMap<L2Key, L2Entry>): L2Map {
  return {
    put: (ip, ifindex, until) => {
      const key = {addr: ip.toMappedBytes(), ifindex}
      map.put(key, {until, answers: map.get(key)?.answers ?? 0})
    },
    delete: (ip, ifindex) => {
      map.delete({addr: ip.toMappedBytes(), ifindex})
    },
    *entries() {
      for (const [{addr, ifindex}] of map.entries()) yield {ip: Ip.fromBytes(addr), ifindex}
    },
  }
}

/** The source of masqueraded traffic: the first global address of the device, one a family. */
function deviceValue(row: DeviceRow, xdp: boolean): Device {
  const source = (family: 4 | 6) =>
    row.addresses.find(({network}) => network.family === family && !network.isLinkLocal)?.network.toMappedBytes()
  return {
    ...deviceZero,
    v4: source(4) ?? noAddress,
    v6: source(6) ?? noAddress,
    mac: row.mac?.toBytes() ?? deviceZero.mac,
    flags:
      (row.masquerade ? deviceFlags.DEVICE_MASQUERADE : 0) |
      (row.mac === undefined ? deviceFlags.DEVICE_L3 : 0) |
      (xdp ? deviceFlags.DEVICE_XDP : 0),
    mtu: row.mtu,
  }
}

/** @param podAttachments how pods' devices get their programs: docs/decisions/pod-hooks.md */
function programsOf(
  generation: Generation,
  attachments: Attachments,
  podAttachments: Attachments,
  xdp: XdpAttachments,
): Programs {
  /** what is on hooks, to be put there again when a change of layout is complete */
  const attached = new Map<string, () => void>()
  const put = (to: Attachments, hook: Hook, program: string) => {
    const attachIt = () => to.attach(hook, generation.hookProgram(program))
    attachIt()
    attached.set(`${hook.ifindex} ${hook.direction}`, attachIt)
  }
  const attach = (to: Attachments, ifindex: number, ingress: string, egress: string) => {
    put(to, {ifindex, direction: 'ingress'}, ingress)
    put(to, {ifindex, direction: 'egress'}, egress)
  }
  return {
    attachPod: (ifindex) => attach(podAttachments, ifindex, 'cil_from_container', 'cil_to_container'),
    attachDevice: (ifindex) => attach(attachments, ifindex, 'cil_from_netdev', 'cil_to_netdev'),
    // it reads flows and makes none: next to programs of another layout it finds nothing, and lets everything pass
    accelerate: (ifindex) => xdp.attach(ifindex, generation.program('cil_xdp_entry')),
    attachSockets: (cgroup) => attachSockets(attachments.root, cgroup, (name) => generation.program(name)),
    detachSockets: () => detachSockets(attachments.root),
    attachOverlay: (ifindex) => attach(attachments, ifindex, 'cil_from_overlay', 'cil_to_overlay'),
    attachHost: (ifindex) => put(attachments, {ifindex, direction: 'ingress'}, 'cil_from_defrag'),
    replace: () => {
      for (const again of attached.values()) {
        try {
          again()
        } catch (thrown) {
          // the device went meanwhile
          if (!isErrno(thrown, 'ENODEV')) throw thrown
        }
      }
    },
    detach: (ifindex) => {
      attached.delete(`${ifindex} ingress`)
      attached.delete(`${ifindex} egress`)
      xdp.detach(ifindex)
      attachments.detach({ifindex, direction: 'ingress'})
      attachments.detach({ifindex, direction: 'egress'})
    },
  }
}
