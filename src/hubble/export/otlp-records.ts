/**
 * Flows as OpenTelemetry has them: a log record for each, or a span. Names of attributes follow its conventions where
 * there are some, and are `hubble.*` otherwise.
 * @see https://opentelemetry.io/docs/specs/semconv/general/attributes/
 */
import {createHash} from 'node:crypto'
import {type Endpoint, type Flow, L7FlowType, VerdictEnum} from '../../api/gen/flow.ts'
import type {KeyValue, LogRecord, Resource, Span, Value} from '../../api/gen/otlp.ts'
import {enumName} from '../../api/wire/json.ts'
import {dropText, endText, summaryText, typeText, verdictText} from '../flow/flow-text.ts'

const severities = {info: 9, warn: 13} as const
const dropped = 2
const failed = 3
const spanKinds = {client: 3, server: 2, internal: 1} as const
const statusError = 2

export function resourceOf(nodeName: string, clusterName: string, version: string): Resource {
  return {
    attributes: [
      word('service.name', 'hubble'),
      word('service.version', version),
      word('k8s.cluster.name', clusterName),
      word('k8s.node.name', nodeName.slice(nodeName.indexOf('/') + 1)),
    ],
  }
}

export function logRecord(flow: Flow, observedNs: bigint): LogRecord {
  const bad = flow.verdict === dropped || flow.verdict === failed
  const {traceId} = idsOf(flow)
  return {
    time_unix_nano: flow.time,
    observed_time_unix_nano: observedNs,
    severity_number: bad ? severities.warn : severities.info,
    severity_text: bad ? 'WARN' : 'INFO',
    body: {string_value: textOf(flow)},
    attributes: attributesOf(flow),
    // without a trace of its own a record belongs to none
    ...(flow.trace_context?.parent?.trace_id === undefined ? {} : {trace_id: traceId}),
  }
}

export function spanOf(flow: Flow): Span {
  const {traceId, spanId} = idsOf(flow)
  const end = flow.time ?? 0n
  const {type, latency_ns: latency = 0n, http, dns} = flow.l7 ?? {}
  const name =
    http !== undefined ? (http.method ?? 'HTTP') : dns !== undefined ? `DNS ${dns.query ?? ''}` : typeText(flow)
  const bad = flow.verdict === dropped || flow.verdict === failed
  return {
    trace_id: traceId,
    span_id: spanId,
    name,
    kind:
      flow.l7 === undefined ? spanKinds.internal : flow.traffic_direction === 2 ? spanKinds.client : spanKinds.server,
    start_time_unix_nano: type === L7FlowType.RESPONSE ? end - latency : end,
    end_time_unix_nano: end,
    attributes: attributesOf(flow),
    ...(bad ? {status: {code: statusError, message: dropText(flow.drop_reason_desc ?? 0)}} : {}),
  }
}

/** Flows of one connection share a trace when the packets bear none. */
function idsOf(flow: Flow): {traceId: Uint8Array; spanId: Uint8Array} {
  const given = flow.trace_context?.parent?.trace_id ?? ''
  const ends = [endKey(flow, 'source'), endKey(flow, 'destination')].sort().join(' ')
  const traceId = /^[0-9a-f]{32}$/i.test(given) ? Buffer.from(given, 'hex') : hash(ends).subarray(0, 16)
  const spanId = hash(`${flow.uuid ?? ''} ${flow.time ?? 0n} ${ends}`).subarray(0, 8)
  return {traceId: new Uint8Array(traceId), spanId: new Uint8Array(spanId)}
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function endKey({IP, l4}: Flow, end: 'source' | 'destination'): string {
  const transport = l4?.TCP ?? l4?.UDP ?? l4?.SCTP
  return `${IP?.[end] ?? ''} ${transport?.[`${end}_port`] ?? 0}`
}

function textOf(flow: Flow): string {
  const options = {translate: true, numeric: false}
  const end = (which: 'source' | 'destination') => {
    const {host, port, identity} = endText(flow, which, options)
    return `${host}${port === '' ? '' : `:${port}`} ${identity}`.trimEnd()
  }
  return `${end('source')} -> ${end('destination')} ${typeText(flow)} ${verdictText(flow)} (${summaryText(flow)})`
}

function attributesOf(flow: Flow): KeyValue[] {
  const {IP, l4, l7} = flow
  const protocol = l4 === undefined ? undefined : Object.keys(l4)[0]
  const transport = l4?.TCP ?? l4?.UDP ?? l4?.SCTP
  const pairs: (KeyValue | undefined)[] = [
    maybe('source.address', IP?.source),
    count('source.port', transport?.source_port),
    maybe('destination.address', IP?.destination),
    count('destination.port', transport?.destination_port),
    maybe('network.transport', protocol?.toLowerCase()),
    maybe('network.type', IP?.ipVersion === 2 ? 'ipv6' : IP?.ipVersion === 1 ? 'ipv4' : undefined),
    maybe('hubble.verdict', enumName(VerdictEnum, flow.verdict ?? 0)),
    maybe('hubble.type', typeText(flow)),
    maybe('hubble.direction', ['', 'ingress', 'egress'][flow.traffic_direction ?? 0]),
    maybe('hubble.drop_reason', flow.verdict === dropped ? dropText(flow.drop_reason_desc ?? 0) : undefined),
    maybe('hubble.uuid', flow.uuid),
    flow.is_reply === undefined ? undefined : {key: 'hubble.is_reply', value: {bool_value: flow.is_reply}},
    ...end('source', flow.source, flow.source_service?.name),
    ...end('destination', flow.destination, flow.destination_service?.name),
    maybe('http.request.method', l7?.http?.method),
    maybe('url.full', l7?.http?.url),
    count('http.response.status_code', l7?.http?.code),
    maybe('dns.question.name', l7?.dns?.query),
  ]
  const count_ = flow.aggregate
  if (count_ !== undefined) {
    const {ingress_flow_count: i = 0, egress_flow_count: e = 0, unknown_direction_flow_count: u = 0} = count_
    pairs.push(count('hubble.aggregate.count', i + e + u))
  }
  return pairs.filter((pair) => pair !== undefined)
}

function end(which: string, endpoint: Endpoint | undefined, service: string | undefined): (KeyValue | undefined)[] {
  const [workload] = endpoint?.workloads ?? []
  return [
    maybe(`${which}.k8s.namespace.name`, endpoint?.namespace),
    maybe(`${which}.k8s.pod.name`, endpoint?.pod_name),
    maybe(`${which}.k8s.workload.name`, workload?.name),
    maybe(`${which}.k8s.workload.kind`, workload?.kind),
    maybe(`${which}.k8s.service.name`, service),
    count(`${which}.hubble.identity`, endpoint?.identity),
    (endpoint?.labels ?? []).length === 0
      ? undefined
      : {
          key: `${which}.hubble.labels`,
          value: {array_value: {values: endpoint!.labels!.map((label): Value => ({string_value: label}))}},
        },
  ]
}

function word(key: string, value: string): KeyValue {
  return {key, value: {string_value: value}}
}

function maybe(key: string, value: string | undefined): KeyValue | undefined {
  return value === undefined || value === '' ? undefined : word(key, value)
}

function count(key: string, value: number | undefined): KeyValue | undefined {
  return value === undefined || value === 0 ? undefined : {key, value: {int_value: BigInt(value)}}
}
