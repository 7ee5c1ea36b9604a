/**
 * What a proxy saw of a request or an answer (DNS, HTTP): told by whoever runs the proxy, and kept among the events of the
 * programs, with the record itself beside the columns.
 */
import type {Layer7} from '../../api/gen/flow.ts'
import {EVENT_VERSION} from '../../datapath/gen/constants.ts'
import {eventFlags} from '../../datapath/gen/enums.ts'
import {eventCodec, eventZero} from '../../datapath/gen/types.ts'
import {Ip} from '../../model/ip.ts'
import type {FlowStore} from './flow-store.ts'

/** The number that access logs have among the types of events. */
export const accessEventType = 129

export interface AccessEnd {
  readonly ip: string
  readonly port: number
  /** 0: not known */
  readonly identity: number
  /** of this node, 0: none */
  readonly endpoint: number
}

/** Plain values. */
export interface AccessRecord {
  /** boot clock, ns */
  readonly time: bigint
  readonly source: AccessEnd
  readonly destination: AccessEnd
  /** number of the transport: 6, 17 */
  readonly protocol: number
  /** flow.Verdict */
  readonly verdict: number
  /** flow.TrafficDirection */
  readonly direction: number
  readonly isReply: boolean
  readonly proxyPort: number
  readonly record: Layer7
  /** 32 hex digits */
  readonly traceId?: string
}

const scratch = new DataView(new ArrayBuffer(eventCodec.size))

export function appendAccess(store: FlowStore, access: AccessRecord): void {
  const {source, destination, record, traceId} = access
  const from = Ip.of(source.ip)
  eventCodec.encode(
    {
      ...eventZero,
      time: access.time,
      src: from.toMappedBytes(),
      dst: Ip.of(destination.ip).toMappedBytes(),
      sport: source.port,
      dport: destination.port,
      proxyPort: access.proxyPort,
      srcIdentity: source.identity,
      dstIdentity: destination.identity,
      srcEndpoint: source.endpoint,
      dstEndpoint: destination.endpoint,
      flags: (from.family === 6 ? eventFlags.EVENT_IPV6 : 0) | (access.isReply ? eventFlags.EVENT_REPLY : 0),
      version: EVENT_VERSION,
      type: accessEventType,
      point: access.verdict,
      direction: access.direction,
      proto: access.protocol,
    },
    scratch,
    0,
  )
  store.append(scratch, 0, eventCodec.size)
  store.keep(store.next - 1, traceId === undefined ? {record} : {record, traceId})
}
