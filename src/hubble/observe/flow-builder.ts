/** Makes the flow of the API from an event in the store, with names. Only for those that somebody wants. */
import {randomBytes} from 'node:crypto'
import type {Endpoint, Flow, Layer4, Policy, TCPFlags} from '../../api/gen/flow.ts'
import {FlowType, IPVersion, Tunnel_Protocol} from '../../api/gen/flow.ts'
import {anyOfBytes} from '../../api/wire/any.ts'
import {eventFlags, eventType, sourceFile, sourceFileNames} from '../../datapath/gen/enums.ts'
import {Ip} from '../../model/ip.ts'
import {tracePointProto, traceReason} from '../../model/trace.ts'
import type {EndpointName, FlowNames} from '../flow/names.ts'
import {packetSummary} from '../flow/summary.ts'
import {accessEventType} from './access-record.ts'
import type {BootTime} from './boot-time.ts'
import {EventColumns} from './event-columns.ts'
import type {FlowStore} from './flow-store.ts'

const protocols = {icmp: 1, igmp: 2, tcp: 6, udp: 17, icmpv6: 58, vrrp: 112, sctp: 132} as const
const firstLocalIdentity = 0x01000000

export class FlowBuilder {
  readonly columns: EventColumns
  readonly #store: FlowStore
  readonly #time: BootTime
  readonly #names: FlowNames
  readonly #uuidPrefix = randomBytes(6).toString('hex')
  readonly #emitter: {name: string; version: string}

  constructor(store: FlowStore, time: BootTime, names: FlowNames, version: string) {
    this.columns = new EventColumns(store)
    this.#store = store
    this.#time = time
    this.#names = names
    this.#emitter = {name: 'Hubble', version}
  }

  build(sequence: number): Flow {
    const slot = this.#store.slot(sequence)
    const c = this.columns
    const names = this.#names
    const time = this.#time.wall(this.#store.times[slot]!, sequence)
    const timeMs = Number(time / 1_000_000n)
    const type = c.type(slot)
    const socket = type === eventType.EVENT_SOCKET
    const protocol = c.protocol(slot)
    const source = Ip.fromBytes(c.addressBytes('src', slot)).toString()
    const destination = Ip.fromBytes(c.addressBytes('dst', slot)).toString()
    const sourcePort = c.sourcePort(slot)
    const destinationPort = c.destinationPort(slot)
    const sourceName = names.endpoint(source, timeMs)
    const destinationName = names.endpoint(destination, timeMs)
    const flow: Flow = {
      time,
      uuid: this.uuid(sequence),
      emitter: this.#emitter,
      verdict: c.verdict(slot),
      IP: {source, destination, ipVersion: c.family(slot) === 6 ? IPVersion.IPv6 : IPVersion.IPv4},
      source: this.#endpoint(c.sourceEndpoint(slot), c.sourceIdentity(slot), sourceName),
      destination: this.#endpoint(c.destinationEndpoint(slot), c.destinationIdentity(slot), destinationName),
      Type: socket ? FlowType.SOCK : type === accessEventType ? FlowType.L7 : FlowType.L3_L4,
      node_name: names.nodeName,
      event_type: {type, sub_type: c.subType(slot)},
      traffic_direction: c.direction(slot),
    }
    if (names.nodeLabels.length > 0) flow.node_labels = [...names.nodeLabels]
    const l4 = layer4(protocol, sourcePort, destinationPort, c.tcpFlags(slot), c.icmpCode(slot))
    if (l4 !== undefined) flow.l4 = l4
    if (c.encrypted(slot) === 1) flow.IP!.encrypted = true
    this.#addNames(flow, slot, source, sourcePort, destination, destinationPort, protocol)
    const reply = c.reply(slot)
    if (reply !== 0) {
      flow.is_reply = reply === 2
      if (reply === 2) flow.reply = true
    }
    const ifindex = c.interface(slot)
    if (ifindex !== 0) flow.interface = {index: ifindex, name: names.device(ifindex)}
    if ((c.flags(slot) & eventFlags.EVENT_VXLAN) !== 0) flow.tunnel = {protocol: Tunnel_Protocol.VXLAN}
    if (type === eventType.EVENT_DROP) this.#addDrop(flow, slot)
    else if (type === eventType.EVENT_TRACE) this.#addTrace(flow, slot)
    else if (type === eventType.EVENT_VERDICT) this.#addVerdict(flow, slot)
    else if (type === accessEventType) this.#addRecord(flow, slot)
    else this.#addSocket(flow, slot)
    // a process that was refused has sent nothing that could have flags
    const process = socket || c.file(slot) === sourceFile.FILE_SOCK
    const summary =
      type === accessEventType ? '' : process ? (protocol === protocols.udp ? 'UDP' : 'TCP') : packetSummary(l4)
    if (summary !== '') flow.Summary = summary
    const payload = this.#store.payloads.of(sequence)
    if (payload !== undefined) flow.extensions = anyOfBytes(payload)
    return flow
  }

  /** The same for the same event as long as this process lives. */
  uuid(sequence: number): string {
    const number = sequence.toString(16).padStart(15, '0')
    const prefix = this.#uuidPrefix
    return `${prefix.slice(0, 8)}-${prefix.slice(8, 12)}-4${number.slice(0, 3)}-8${number.slice(3, 6)}-${number.slice(6)}000`
  }

  #addNames(
    flow: Flow,
    slot: number,
    source: string,
    sourcePort: number,
    destination: string,
    destinationPort: number,
    protocol: number,
  ): void {
    const names = this.#names
    const sourceNames = names.dnsNames(source)
    if (sourceNames.length > 0) flow.source_names = [...sourceNames]
    const destinationNames = names.dnsNames(destination)
    if (destinationNames.length > 0) flow.destination_names = [...destinationNames]
    // what was translated names the service's end besides client and backend
    const flags = this.columns.flags(slot)
    if ((flags & eventFlags.EVENT_ORIGINAL) !== 0) {
      const end = Ip.fromBytes(this.columns.addressBytes('orig', slot)).toString()
      const service = names.service(end, this.columns.originalPort(slot), protocol)
      const side = (flags & eventFlags.EVENT_REPLY) !== 0 ? 'source_service' : 'destination_service'
      if (service !== undefined) flow[side] = service
      return
    }
    const sourceService = names.service(source, sourcePort, protocol)
    if (sourceService !== undefined) flow.source_service = sourceService
    const destinationService = names.service(destination, destinationPort, protocol)
    if (destinationService !== undefined) flow.destination_service = destinationService
  }

  #endpoint(id: number, identity: number, name: EndpointName | undefined): Endpoint {
    const endpoint: Endpoint = {ID: id, identity}
    const labels = this.#names.identityLabels(identity) ?? name?.labels ?? []
    if (labels.length > 0) endpoint.labels = shownLabels(identity, labels)
    if (name === undefined) return endpoint
    if (name.clusterName !== '') endpoint.cluster_name = name.clusterName
    endpoint.namespace = name.namespace
    endpoint.pod_name = name.podName
    if (name.workloads.length > 0) endpoint.workloads = [...name.workloads]
    return endpoint
  }

  #addDrop(flow: Flow, slot: number): void {
    const c = this.columns
    const reason = c.point(slot)
    flow.drop_reason = reason
    flow.drop_reason_desc = reason
    const file = sourceFileNames.get(c.file(slot))
    const line = c.line(slot)
    if (file !== undefined && line !== 0) flow.file = {name: `${file.slice('FILE_'.length).toLowerCase()}.c`, line}
    this.#addPolicy(flow, slot, true)
  }

  #addTrace(flow: Flow, slot: number): void {
    const c = this.columns
    flow.trace_observation_point = tracePointProto(c.point(slot)).number
    flow.trace_reason = traceReason(c.reason(slot)).number
    const proxyPort = c.proxyPort(slot)
    if (proxyPort !== 0) flow.proxy_port = proxyPort
  }

  #addVerdict(flow: Flow, slot: number): void {
    const c = this.columns
    const verdict = c.policyVerdict(slot)
    flow.policy_match_type = c.reason(slot)
    if (verdict > 0) flow.proxy_port = verdict
    if (verdict < 0) {
      flow.drop_reason = -verdict
      flow.drop_reason_desc = -verdict
    }
    this.#addPolicy(flow, slot, verdict < 0)
  }

  #addRecord(flow: Flow, slot: number): void {
    const proxyPort = this.columns.proxyPort(slot)
    if (proxyPort !== 0) flow.proxy_port = proxyPort
    const {record, traceId} = this.#store.kept(slot) ?? {}
    if (record !== undefined) flow.l7 = record
    if (traceId !== undefined) flow.trace_context = {parent: {trace_id: traceId}}
    // an access log has no flags of a packet
    if (flow.l4?.TCP !== undefined) delete flow.l4.TCP.flags
  }

  #addSocket(flow: Flow, slot: number): void {
    const c = this.columns
    flow.sock_xlate_point = c.point(slot)
    const cookie = BigInt(c.socketLow(slot)) | (BigInt(c.socketHigh(slot)) << 32n)
    if (cookie !== 0n) flow.socket_cookie = cookie
    const [, , low, high] = c.address('orig')
    const cgroup = BigInt(low![slot]!) | (BigInt(high![slot]!) << 32n)
    if (cgroup !== 0n) flow.cgroup_id = cgroup
  }

  #addPolicy(flow: Flow, slot: number, denied: boolean): void {
    const cookie = this.columns.cookie(slot)
    const policy: Policy | undefined = cookie === 0 ? undefined : this.#names.policy(cookie)
    if (policy === undefined) return
    const egress = flow.traffic_direction === 2
    if (denied) flow[egress ? 'egress_denied_by' : 'ingress_denied_by'] = [policy]
    else flow[egress ? 'egress_allowed_by' : 'ingress_allowed_by'] = [policy]
  }
}

/** Of the labels of a prefix only the longest says something. */
function shownLabels(identity: number, labels: readonly string[]): string[] {
  if (identity < firstLocalIdentity) return [...labels]
  const prefixes = labels.filter((label) => label.startsWith('cidr:'))
  const longest = prefixes.toSorted((a, b) => Number(b.split('/')[1]) - Number(a.split('/')[1]))[0]
  return labels.filter((label) => !label.startsWith('cidr:') || label === longest)
}

function layer4(
  protocol: number,
  source: number,
  destination: number,
  flags: number,
  code: number,
): Layer4 | undefined {
  switch (protocol) {
    case protocols.tcp:
      return {TCP: {source_port: source, destination_port: destination, flags: tcpFlags(flags)}}
    case protocols.udp:
      return {UDP: {source_port: source, destination_port: destination}}
    case protocols.sctp:
      return {SCTP: {source_port: source, destination_port: destination}}
    case protocols.icmp:
      return {ICMPv4: {type: flags, code}}
    case protocols.icmpv6:
      return {ICMPv6: {type: flags, code}}
    case protocols.vrrp:
      return {VRRP: {}}
    case protocols.igmp:
      return {IGMP: {type: flags}}
    default:
      return undefined
  }
}

/** Byte 13 of the header of TCP (RFC 9293). */
function tcpFlags(bits: number): TCPFlags {
  const flags: TCPFlags = {}
  if (bits & 0x01) flags.FIN = true
  if (bits & 0x02) flags.SYN = true
  if (bits & 0x04) flags.RST = true
  if (bits & 0x08) flags.PSH = true
  if (bits & 0x10) flags.ACK = true
  if (bits & 0x20) flags.URG = true
  if (bits & 0x40) flags.ECE = true
  if (bits & 0x80) flags.CWR = true
  return flags
}
