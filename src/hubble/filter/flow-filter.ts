/**
 * Filters of flows: of the fields of one filter all must match, of the values of a field one; of several filters one.
 * A flow is shown when the white list, unless it is empty, matches it and the black list does not.
 */
import type {Endpoint, EventTypeFilter, Flow, FlowFilter, TCPFlags, Workload} from '../../api/gen/flow.ts'
import {fail} from '../../runtime/errors.ts'
import {FLOW_FILTER_INVALID} from './errors.ts'
import * as pattern from './patterns.ts'

export type FlowTest = (flow: Flow) => boolean

/** Makes the test of one field from its values. */
type FieldCompiler<K extends keyof FlowFilter> = (values: NonNullable<FlowFilter[K]>, field: string) => FlowTest

type Compilers = {readonly [K in keyof FlowFilter]-?: FieldCompiler<K>}

const protocolNames = [
  'icmp',
  'icmpv4',
  'icmpv6',
  'tcp',
  'udp',
  'sctp',
  'vrrp',
  'igmp',
  'dns',
  'http',
  'kafka',
] as const

const compilers: Compilers = {
  uuid: (values) => oneOf(values, (flow) => flow.uuid ?? ''),
  source_ip: (values, field) => address(values, field, (flow) => flow.IP?.source),
  source_ip_xlated: (values, field) => address(values, field, (flow) => flow.IP?.source_xlated),
  destination_ip: (values, field) => address(values, field, (flow) => flow.IP?.destination),
  source_pod: (values, field) => pod(values, field, (flow) => flow.source),
  destination_pod: (values, field) => pod(values, field, (flow) => flow.destination),
  source_fqdn: (values, field) => dns(values, field, (flow) => flow.source_names),
  destination_fqdn: (values, field) => dns(values, field, (flow) => flow.destination_names),
  source_label: (values, field) => labels(values, field, (flow) => flow.source?.labels),
  destination_label: (values, field) => labels(values, field, (flow) => flow.destination?.labels),
  node_labels: (values, field) => labels(values, field, (flow) => flow.node_labels),
  source_service: (values, field) => service(values, field, 'source_service'),
  destination_service: (values, field) => service(values, field, 'destination_service'),
  source_workload: (values) => workload(values, (flow) => flow.source),
  destination_workload: (values) => workload(values, (flow) => flow.destination),
  source_cluster_name: (values) => oneOf(values, (flow) => flow.source?.cluster_name ?? ''),
  destination_cluster_name: (values) => oneOf(values, (flow) => flow.destination?.cluster_name ?? ''),
  traffic_direction: (values) => oneOf(values, (flow) => flow.traffic_direction ?? 0),
  verdict: (values) => oneOf(values, (flow) => flow.verdict ?? 0),
  drop_reason_desc: (values) => oneOf(values, (flow) => flow.drop_reason_desc ?? 0),
  interface: (values) => (flow) => {
    const {index = 0, name = ''} = flow.interface ?? {}
    const has = (one: (typeof values)[number]) =>
      (one.index ?? 0) !== 0 || (one.name ?? '') !== ''
        ? ((one.index ?? 0) === 0 || one.index === index) && ((one.name ?? '') === '' || one.name === name)
        : false
    return values.some(has)
  },
  event_type: (values) => (flow) => {
    const {type = 0, sub_type: subType = 0} = flow.event_type ?? {}
    return values.some((one) => matchesEventType(one, type, subType))
  },
  http_status_code: (values, field) => {
    const tests = values.map((value) => pattern.statusPattern(value, field))
    return (flow) => {
      const code = flow.l7?.http?.code ?? 0
      return code !== 0 && tests.some((test) => test(String(code)))
    }
  },
  protocol: (values, field) => {
    const tests = values.map((value) => protocolTest(value, field))
    return (flow) => tests.some((test) => test(flow))
  },
  source_port: (values, field) => port(values, field, 'source_port'),
  destination_port: (values, field) => port(values, field, 'destination_port'),
  reply: (values) => (flow) => {
    // what was dropped got no answer
    const reply = flow.is_reply ?? (flow.verdict === 2 ? false : undefined)
    return reply !== undefined && values.includes(reply)
  },
  dns_query: (values, field) => expressions(values, field, (flow) => flow.l7?.dns?.query),
  http_path: (values, field) => expressions(values, field, (flow) => pathOf(flow.l7?.http?.url)),
  http_url: (values, field) => expressions(values, field, (flow) => flow.l7?.http?.url),
  source_identity: (values) => oneOf(values, (flow) => flow.source?.identity ?? 0),
  destination_identity: (values) => oneOf(values, (flow) => flow.destination?.identity ?? 0),
  http_method: (values) => {
    const wanted = new Set(values.map((value) => value.toLowerCase()))
    return (flow) => {
      const method = flow.l7?.http?.method
      return method !== undefined && wanted.has(method.toLowerCase())
    }
  },
  http_header: (values) => (flow) =>
    (flow.l7?.http?.headers ?? []).some((header) =>
      values.some((one) => (one.key ?? '') === (header.key ?? '') && (one.value ?? '') === (header.value ?? '')),
    ),
  tcp_flags: (values) => (flow) => {
    const flags = flow.l4?.TCP?.flags
    return flags !== undefined && values.some((wanted) => hasFlags(flags, wanted))
  },
  node_name: (values, field) => {
    const tests = values.map((value) => pattern.nodePattern(value, field))
    return (flow) => tests.some((test) => test(flow.node_name ?? ''))
  },
  ip_version: (values) => oneOf(values, (flow) => flow.IP?.ipVersion ?? 0),
  trace_id: (values) => oneOf(values, (flow) => flow.trace_context?.parent?.trace_id ?? ''),
  ip_trace_id: (values) => oneOf(values, (flow) => flow.ip_trace_id?.trace_id ?? 0n),
  encrypted: (values) => oneOf(values, (flow) => flow.IP?.encrypted ?? false),
  experimental: (value, field) => {
    const tests = (value.cel_expression ?? []).map((text) => pattern.celOf(text, `${field}.cel_expression`))
    return tests.length === 0 ? () => true : (flow) => tests.some((test) => test(flow))
  },
}

/** All fields that a filter can have. */
export const filterFields = Object.keys(compilers) as readonly (keyof FlowFilter)[]

/** @throws FLOW_FILTER_INVALID */
export function compileField<K extends keyof FlowFilter>(field: K, values: NonNullable<FlowFilter[K]>): FlowTest {
  return (compilers[field] as FieldCompiler<K>)(values, field)
}

/** Fields of a filter that say something. */
export function givenFields(filter: FlowFilter): (keyof FlowFilter)[] {
  return filterFields.filter((field) => {
    const value = filter[field]
    return Array.isArray(value) ? value.length > 0 : value !== undefined
  })
}

const filtersMax = 1_000
const valuesMax = 100_000

/** Refuses what would cost the server more than any person can mean. @throws FLOW_FILTER_INVALID */
export function checkFilterSize(filters: readonly FlowFilter[]): void {
  if (filters.length > filtersMax)
    fail(FLOW_FILTER_INVALID, {field: 'whitelist, blacklist', detail: `there are more than ${filtersMax} filters`})
  let values = 0
  for (const filter of filters)
    for (const value of Object.values(filter) as unknown[]) values += Array.isArray(value) ? value.length : 1
  if (values > valuesMax)
    fail(FLOW_FILTER_INVALID, {field: 'whitelist, blacklist', detail: `there are more than ${valuesMax} values`})
}

/** @throws FLOW_FILTER_INVALID */
export function compileFilter(filter: FlowFilter): FlowTest {
  const tests = givenFields(filter).map((field) => compileField(field, filter[field]! as never))
  return (flow) => tests.every((test) => test(flow))
}

/** @throws FLOW_FILTER_INVALID */
export function compileFilters(whitelist: readonly FlowFilter[], blacklist: readonly FlowFilter[]): FlowTest {
  const wanted = whitelist.map(compileFilter)
  const unwanted = blacklist.map(compileFilter)
  return (flow) => (wanted.length === 0 || wanted.some((test) => test(flow))) && !unwanted.some((test) => test(flow))
}

/** Type 0 stands for every type. */
export function matchesEventType(wanted: EventTypeFilter, type: number, subType: number): boolean {
  const wantedType = wanted.type ?? 0
  if (wantedType !== 0 && wantedType !== type) return false
  return wanted.match_sub_type !== true || (wanted.sub_type ?? 0) === subType
}

function oneOf<T>(values: readonly T[], read: (flow: Flow) => T): FlowTest {
  const wanted = new Set(values)
  return (flow) => wanted.has(read(flow))
}

function address(values: readonly string[], field: string, read: (flow: Flow) => string | undefined): FlowTest {
  const prefixes = values.map((value) => pattern.prefixOf(value, field))
  const hosts = new Set(prefixes.filter((prefix) => prefix.isHost).map((prefix) => prefix.network.toString()))
  const test = pattern.inPrefixes(prefixes, hosts)
  return (flow) => {
    const ip = read(flow)
    return ip !== undefined && test(ip)
  }
}

function pod(values: readonly string[], field: string, read: (flow: Flow) => Endpoint | undefined): FlowTest {
  const tests = values.map((value) => pattern.namePattern(value, field))
  return (flow) => {
    const {namespace = '', pod_name: name = ''} = read(flow) ?? {}
    return tests.some((test) => test(namespace, name))
  }
}

function service(values: readonly string[], field: string, end: 'source_service' | 'destination_service'): FlowTest {
  const tests = values.map((value) => pattern.namePattern(value, field))
  return (flow) => {
    const {namespace = '', name = ''} = flow[end] ?? {}
    return tests.some((test) => test(namespace, name))
  }
}

function dns(values: readonly string[], field: string, read: (flow: Flow) => readonly string[] | undefined): FlowTest {
  const tests = values.map((value) => pattern.dnsPattern(value, field))
  return (flow) => (read(flow) ?? []).some((name) => tests.some((test) => test(name)))
}

function labels(
  values: readonly string[],
  field: string,
  read: (flow: Flow) => readonly string[] | undefined,
): FlowTest {
  const tests = values.map((value) => pattern.labelPattern(value, field))
  return (flow) => {
    const found = read(flow)
    return found !== undefined && tests.some((test) => test(found))
  }
}

function workload(values: readonly Workload[], read: (flow: Flow) => Endpoint | undefined): FlowTest {
  return (flow) =>
    (read(flow)?.workloads ?? []).some((one) =>
      values.some(
        (wanted) =>
          ((wanted.name ?? '') === '' || wanted.name === one.name) &&
          ((wanted.kind ?? '') === '' || wanted.kind === one.kind),
      ),
    )
}

function port(values: readonly string[], field: string, end: 'source_port' | 'destination_port'): FlowTest {
  const wanted = new Set(values.map((value) => pattern.portOf(value, field)))
  return (flow) => {
    const l4 = flow.l4?.TCP ?? flow.l4?.UDP ?? flow.l4?.SCTP
    return l4 !== undefined && wanted.has(l4[end] ?? 0)
  }
}

function expressions(values: readonly string[], field: string, read: (flow: Flow) => string | undefined): FlowTest {
  const tests = values.map((value) => pattern.expressionOf(value, field))
  return (flow) => {
    const text = read(flow)
    return text !== undefined && tests.some((test) => test.test(text))
  }
}

function protocolTest(value: string, field: string): FlowTest {
  switch (value.toLowerCase() as (typeof protocolNames)[number]) {
    case 'icmp':
      return ({l4}) => l4?.ICMPv4 !== undefined || l4?.ICMPv6 !== undefined
    case 'icmpv4':
      return ({l4}) => l4?.ICMPv4 !== undefined
    case 'icmpv6':
      return ({l4}) => l4?.ICMPv6 !== undefined
    case 'tcp':
      return ({l4}) => l4?.TCP !== undefined
    case 'udp':
      return ({l4}) => l4?.UDP !== undefined
    case 'sctp':
      return ({l4}) => l4?.SCTP !== undefined
    case 'vrrp':
      return ({l4}) => l4?.VRRP !== undefined
    case 'igmp':
      return ({l4}) => l4?.IGMP !== undefined
    case 'dns':
      return ({l7}) => l7?.dns !== undefined
    case 'http':
      return ({l7}) => l7?.http !== undefined
    case 'kafka':
      return ({l7}) => l7?.kafka !== undefined
    default:
      return fail(FLOW_FILTER_INVALID, {
        field,
        detail: `${JSON.stringify(value)} is none of ${protocolNames.join(', ')}`,
      })
  }
}

function hasFlags(flags: TCPFlags, wanted: TCPFlags): boolean {
  return (Object.keys(wanted) as (keyof TCPFlags)[]).every((name) => wanted[name] !== true || flags[name] === true)
}

function pathOf(url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  const path = /^(?:[a-z][-+.a-z0-9]*:\/\/[^/?#]*)?([^?#]*)/i.exec(url)
  return path?.[1]
}
