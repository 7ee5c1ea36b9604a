/** All flags of `hubble observe`, and what they ask for. */
import {Flags, type Interfaces} from '@oclif/core'
import type {GetFlowsRequest} from '../../api/gen/observer.ts'
import {fail} from '../../runtime/errors.ts'
import {HUBBLE_FLAG_VALUE, HUBBLE_FLAGS_CONFLICT} from './errors.ts'
import {type Filters, filterFlagNames, filtersFromFlags, type TypedFlag} from './filter-flags.ts'
import {parseTime, timeFormats} from './time.ts'

const filter = (summary: string, char?: 'n' | 't' | 'l') =>
  Flags.string({
    summary,
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'FILTER',
    ...(char === undefined ? {} : {char}),
  })
const mark = (summary: string, char?: 'A' | '4' | '6') =>
  Flags.boolean({summary, helpGroup: 'FILTER', ...(char === undefined ? {} : {char: char as 'A'})})

const sided = (name: string, what: string, char?: 'n' | 'l') => ({
  [name]: filter(`flows that have ${what} at either end`, char),
  [`from-${name}`]: filter(`flows from ${what}`),
  [`to-${name}`]: filter(`flows to ${what}`),
})

export const filterFlags: Interfaces.FlagInput = {
  ...sided('pod', 'pods whose name begins so ([namespace/]prefix)'),
  ...sided('namespace', 'pods of this namespace', 'n'),
  ...sided('service', 'services whose name begins so ([namespace/]prefix)'),
  ...sided('workload', 'this workload ([kind/]name)'),
  ...sided('label', 'labels that this selector chooses', 'l'),
  ...sided('identity', 'this identity (a number or a reserved name)'),
  ...sided('ip', 'this address or prefix'),
  ...sided('fqdn', 'a DNS name like this (* stands for any part)'),
  ...sided('port', 'this port'),
  ...sided('cluster', 'pods of this cluster'),
  'all-namespaces': mark('pods of any namespace', 'A'),
  'from-all-namespaces': mark('flows from pods of any namespace'),
  'to-all-namespaces': mark('flows to pods of any namespace'),
  'snat-ip': filter('flows whose source was translated to this address or prefix'),
  ipv4: mark('IPv4 only', '4'),
  ipv6: mark('IPv6 only', '6'),
  'ip-version': filter('none, v4 or v6'),
  protocol: filter('icmp, icmpv4, icmpv6, tcp, udp, sctp, vrrp, igmp, dns, http or kafka'),
  'tcp-flags': filter('flags of TCP that are set, with commas'),
  verdict: filter('FORWARDED, DROPPED, AUDIT, REDIRECTED, ERROR, TRACED or TRANSLATED'),
  'drop-reason-desc': filter('reason of a drop, such as POLICY_DENIED'),
  type: filter(
    'kind of event: drop, trace, policy-verdict, trace-sock, capture, l7 (of it dns, http, kafka); TYPE:SUBTYPE for one of its kinds',
    't',
  ),
  'traffic-direction': filter('ingress or egress'),
  'http-status': filter('status of HTTP, 404 or 5+'),
  'http-method': filter('method of HTTP'),
  'http-path': filter('expression that the path of an HTTP request matches'),
  'http-url': filter('expression that the URL of an HTTP request matches'),
  'http-header': filter('header of HTTP, key:value'),
  'dns-query': filter('expression that the name of a DNS query matches'),
  'trace-id': filter('trace of OpenTelemetry'),
  'ip-trace-id': filter('trace carried in an option of IP'),
  'node-name': filter('node that saw it ([cluster/]node, * stands for any part)'),
  'node-label': filter('labels of the node that saw it, as a selector'),
  interface: filter('network device, by name or index'),
  uuid: filter('one flow by its number'),
  'cel-expression': filter(
    'expression in CEL over _flow, such as "_flow.source.namespace == _flow.destination.namespace"',
  ),
  encrypted: mark('encrypted flows'),
  unencrypted: mark('flows that are not encrypted'),
  not: Flags.boolean({summary: 'leave out what the next filter matches', helpGroup: 'FILTER'}),
  allowlist: filter('filter as JSON of the API'),
  denylist: filter('filter as JSON of the API: leave out what it matches'),
}

export const selectorFlags: Interfaces.FlagInput = {
  last: Flags.integer({summary: 'the last N, of each node; 20 when nothing else is asked for', min: 0}),
  first: Flags.integer({summary: 'the first N', min: 0}),
  all: Flags.boolean({summary: 'all that is stored'}),
  follow: Flags.boolean({char: 'f', summary: 'go on with what comes'}),
  since: Flags.string({summary: 'not older than this: a span such as 5m, or a time'}),
  until: Flags.string({summary: 'not newer than this: a span or a time'}),
}

export const formatFlags: Interfaces.FlagInput = {
  output: Flags.string({
    char: 'o',
    summary: 'form of the lines',
    options: ['compact', 'dict', 'json', 'jsonpb', 'table', 'tab'],
    default: 'compact',
  }),
  'print-node-name': Flags.boolean({summary: 'show the node that saw it'}),
  'time-format': Flags.string({summary: 'form of times', options: [...timeFormats], default: 'StampMilli'}),
  color: Flags.string({summary: 'colours', options: ['auto', 'always', 'never'], default: 'auto'}),
}

const everything = 2n ** 64n - 1n

/** @throws HUBBLE_FLAGS_CONFLICT, HUBBLE_FLAG_VALUE */
export function selection(flags: Readonly<Record<string, unknown>>, now?: () => number): GetFlowsRequest {
  const {last, first, all, follow, since, until} = flags as {
    last?: number
    first?: number
    all?: boolean
    follow?: boolean
    since?: string
    until?: string
  }
  const both = (a: unknown, b: unknown, names: string) => {
    if (a !== undefined && a !== false && b !== undefined && b !== false) fail(HUBBLE_FLAGS_CONFLICT, {flags: names})
  }
  both(first, last, '--first and --last')
  both(first, all, '--first and --all')
  both(first, follow, '--first and --follow')
  both(last, all, '--last and --all')
  const request: GetFlowsRequest = {}
  if (since !== undefined) request.since = parseTime(since, 'since', now)
  if (until !== undefined && follow !== true) request.until = parseTime(until, 'until', now)
  if (follow === true) request.follow = true
  if (first !== undefined) Object.assign(request, {first: true, number: BigInt(first)})
  else if (last !== undefined) request.number = BigInt(last)
  else if (all === true) request.number = everything
  else if (follow !== true && since === undefined && until === undefined) request.number = 20n
  return request
}

/** The filters of a command line, `raw` in its order. */
export function typedFilters(raw: readonly {type: string; flag?: string; input: unknown}[]): Filters {
  const typed: TypedFlag[] = []
  for (const token of raw) {
    if (token.type !== 'flag' || token.flag === undefined) continue
    const known = filterFlagNames.has(token.flag) || ['not', 'allowlist', 'denylist'].includes(token.flag)
    if (known) typed.push({name: token.flag, value: String(token.input)})
  }
  return filtersFromFlags(typed)
}

/** Paths of --field-mask. */
export function maskOf(text: string | undefined, json: boolean): string[] | undefined {
  if (text === undefined) return undefined
  if (!json) fail(HUBBLE_FLAG_VALUE, {flag: 'field-mask', detail: 'it is for JSON only', expected: '-o json with it'})
  return text.split(',').map((path) => path.trim())
}
