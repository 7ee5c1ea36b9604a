/** Lines of `cilium-dbg monitor`, as scripts and eyes know them. */
import {eventFlags, sourceFileNames} from '../../../datapath/gen/enums.ts'
import type {Event} from '../../../datapath/gen/types.ts'
import {reasonText} from '../../../model/drop-reasons.ts'
import {Ip} from '../../../model/ip.ts'
import {
  directions,
  monitorTypes,
  policyMatches,
  traceEncrypted,
  tracePoints,
  traceReason,
} from '../../../model/trace.ts'
import {hexDump} from '../../render/hex-dump.ts'
import {clean, toJson} from '../../render/text.ts'
import type {MonitorItem} from './listen.ts'
import {connText, flowHash, identityText} from './packet.ts'

export interface LineOptions {
  /** identities as numbers */
  readonly numeric: boolean
  /** 0: one line; 1: with a second line of details */
  readonly verbosity: number
  /** with the bytes of packets, where the agent takes them */
  readonly hex?: boolean
  readonly deviceName: (ifindex: number) => string
}

/** What a frame looks like; undefined when it has no line at this verbosity. */
export function monitorLine(item: MonitorItem, options: LineOptions): string | undefined {
  switch (item.kind) {
    case 'hello':
      return undefined
    case 'lost':
      return `Lost ${item.lost.count} events${item.lost.where === 'listener' ? ' (this program reads too slowly)' : ''}`
    case 'notice':
      return `>> ${clean(item.notice.title)}: ${toJson(item.notice.message).replace(/\n\s*/g, ' ')}`
    case 'event': {
      const {event, payload = new Uint8Array(0)} = item
      const lines = options.verbosity > 0 ? verboseLines(event, payload.length, options) : eventLine(event, options)
      return lines === undefined || options.hex !== true || payload.length === 0
        ? lines
        : `${lines}\n${hexDump(payload)}`
    }
  }
}

function eventLine(event: Event, options: LineOptions): string | undefined {
  switch (event.type) {
    case monitorTypes.drop:
      return dropLine(event, options)
    case monitorTypes.trace:
      return traceLine(event, options)
    case monitorTypes['policy-verdict']:
      return verdictLine(event)
    default:
      return undefined // trace-sock is told with more verbosity only
  }
}

function dropLine(event: Event, {numeric}: LineOptions): string {
  const {point, extError, dstEndpoint, ifindex, file, line} = event
  return (
    `xx drop (${reasonText(point, extError)}) flow ${hex(flowHash(event))} to endpoint ${dstEndpoint}, ` +
    `ifindex ${ifindex}, file ${fileName(file)}:${line}, , ${identities(event, numeric)}: ${connText(event)}`
  )
}

function traceLine(event: Event, {numeric, deviceName}: LineOptions): string {
  const encrypted = (event.reason & traceEncrypted) !== 0 ? 'encrypted  ' : ''
  return (
    `${traceSummary(event)} ${encrypted}flow ${hex(flowHash(event))} , ${identities(event, numeric)} ` +
    `state ${traceReason(event.reason).name} ifindex ${clean(deviceName(event.ifindex))} ` +
    `orig-ip ${originalIp(event)}: ${connText(event)}`
  )
}

function verdictLine(event: Event): string {
  const {direction, proto, reason} = event
  const ingress = directions[direction] === 'ingress'
  return (
    `Policy verdict log: flow ${hex(flowHash(event))} local EP ID ${ingress ? event.dstEndpoint : event.srcEndpoint}, ` +
    `remote ID ${ingress ? event.srcIdentity : event.dstIdentity}, proto ${proto}, ${ingress ? 'ingress' : 'egress'}, ` +
    `action ${verdictAction(event)}, auth: disabled, match ${policyMatches[reason] ?? 'unknown'}, ${connText(event)}`
  )
}

export function verdictAction({verdict, flags}: Event): string {
  if ((flags & eventFlags.EVENT_AUDITED) !== 0) return 'audit'
  if (verdict < 0) return 'deny'
  return verdict > 0 ? 'redirect' : 'allow'
}

/** `-> endpoint 7`, `<- overlay`: where a packet was seen, as an arrow from here. */
export function traceSummary({point, dstEndpoint, srcEndpoint, proxyPort}: Event): string {
  switch (tracePoints[point]) {
    case 'to-endpoint':
      return `-> endpoint ${dstEndpoint}`
    case 'to-proxy':
      return proxyPort === 0 ? '-> proxy' : `-> proxy port ${proxyPort}`
    case 'to-host':
      return '-> host from'
    case 'from-endpoint':
      return `<- endpoint ${srcEndpoint}`
    case undefined:
      return `unknown trace (${point})`
    default: {
      const [way, place] = tracePoints[point]!.split('-', 2)
      return `${way === 'to' ? '->' : '<-'} ${place}`
    }
  }
}

function verboseLines(event: Event, captured: number, options: LineOptions): string {
  const {cpu, srcEndpoint, dstEndpoint, length, point, extError, reason} = event
  const head = `${'-'.repeat(78)}\nCPU ${String(cpu).padStart(2, '0')}: `
  const mark = `MARK ${hex(flowHash(event))} FROM ${srcEndpoint}`
  const ends = identities(event, options.numeric)
  switch (event.type) {
    case monitorTypes.drop:
      return `${head}${mark} DROP: ${length} bytes, reason ${reasonText(point, extError)}, ${ends}, to endpoint ${dstEndpoint}\n${connText(event)}`
    case monitorTypes.trace:
      return (
        `${head}${mark} ${tracePoints[point] ?? point}: ${length} bytes (${captured} captured), ` +
        `state ${traceReason(reason).name}, interface ${clean(options.deviceName(event.ifindex))}, , ${ends}, ` +
        `orig-ip ${originalIp(event)}, to endpoint ${dstEndpoint}\n${connText(event)}`
      )
    case monitorTypes['policy-verdict']:
      return `${head}${verdictLine(event)}`
    case monitorTypes['trace-sock']:
      return `${head.split('\n')[1]}[${socketPoints[point] ?? point}] sock_cookie: ${event.socket}, dst ${connText(event)}`
    default:
      return `${head}event of unknown type ${event.type}`
  }
}

const socketPoints: Readonly<Record<number, string>> = {
  1: 'pre-xlate-fwd',
  2: 'post-xlate-fwd',
  3: 'pre-xlate-rev',
  4: 'post-xlate-rev',
}

function identities({srcIdentity, dstIdentity}: Event, numeric: boolean): string {
  return `identity ${identityText(srcIdentity, numeric)}->${identityText(dstIdentity, numeric)}`
}

/** The address before translation; that of the packet when nothing was translated. */
export function originalIp({flags, orig, src}: Event): string {
  return Ip.fromBytes((flags & eventFlags.EVENT_ORIGINAL) !== 0 ? orig : src).toString()
}

export function fileName(file: number): string {
  const name = sourceFileNames.get(file)
  return name === undefined || name === 'FILE_UNKNOWN' ? 'unknown' : `${name.slice('FILE_'.length).toLowerCase()}.c`
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`
}
