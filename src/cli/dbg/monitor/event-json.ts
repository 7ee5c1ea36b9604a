/** `cilium-dbg monitor -j`: one object a line. */
import type {Event} from '../../../datapath/gen/types.ts'
import {reasonText} from '../../../model/drop-reasons.ts'
import {Ip} from '../../../model/ip.ts'
import {directions, monitorTypes, policyMatches, tracePoints, traceReason} from '../../../model/trace.ts'
import {toJson} from '../../render/text.ts'
import {fileName, hex, originalIp, traceSummary, verdictAction} from './event-text.ts'
import type {MonitorItem} from './listen.ts'
import {connText, flowHash} from './packet.ts'

const typeNames = new Map<number, string>(Object.entries(monitorTypes).map(([name, number]) => [number, name]))

/** The line of a frame; undefined for what only this program needs. */
export function monitorJson(item: MonitorItem): string | undefined {
  switch (item.kind) {
    case 'hello':
      return undefined
    case 'lost':
      return oneLine({type: 'lost', ...item.lost})
    case 'notice':
      return oneLine({type: 'agent', subtype: item.notice.title, message: item.notice.message})
    case 'event':
      return oneLine({
        ...eventObject(item.event),
        ...(item.payload === undefined ? {} : {payload: Buffer.from(item.payload).toString('base64')}),
      })
  }
}

function eventObject(event: Event): Record<string, unknown> {
  const base = {
    cpu: `CPU ${String(event.cpu).padStart(2, '0')}:`,
    type: typeNames.get(event.type) ?? String(event.type),
    mark: hex(flowHash(event)),
    ifindex: event.ifindex,
    source: event.srcEndpoint,
    bytes: event.length,
    srcLabel: event.srcIdentity,
    dstLabel: event.dstIdentity,
    dstID: event.dstEndpoint,
    summary: summary(event),
  }
  switch (event.type) {
    case monitorTypes.drop:
      return {...base, reason: reasonText(event.point, event.extError), File: fileName(event.file), Line: event.line}
    case monitorTypes.trace:
      return {
        ...base,
        state: traceReason(event.reason).name,
        observationPoint: tracePoints[event.point] ?? String(event.point),
        traceSummary: traceSummary(event),
        origIP: originalIp(event),
      }
    case monitorTypes['policy-verdict']:
      return {
        ...base,
        direction: directions[event.direction] ?? 'unknown',
        action: verdictAction(event),
        match: policyMatches[event.reason] ?? 'unknown',
        cookie: event.cookie,
      }
    default:
      return {...base, socket: String(event.socket)}
  }
}

function summary(event: Event): Record<string, unknown> {
  const ports = event.sport !== 0 || event.dport !== 0
  return {
    text: connText(event),
    l3: {src: Ip.fromBytes(event.src).toString(), dst: Ip.fromBytes(event.dst).toString()},
    ...(ports ? {l4: {src: String(event.sport), dst: String(event.dport)}} : {}),
    protocol: event.proto,
  }
}

function oneLine(value: unknown): string {
  return toJson(value).replace(/\n\s*/g, '')
}
