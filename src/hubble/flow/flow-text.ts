/** How a flow is told in words: ends, kind of event, verdict, summary. Pure; colours and columns are the caller's. */
import type {Endpoint, Flow, Layer7, Policy, Service} from '../../api/gen/flow.ts'
import {
  AuthType,
  DebugCapturePoint,
  DebugCapturePointEnum,
  DropReason,
  DropReasonEnum,
  L7FlowType,
  SocketTranslationPoint,
  TraceObservationPointEnum,
  Verdict,
  VerdictEnum,
} from '../../api/gen/flow.ts'
import {enumName} from '../../api/wire/json.ts'
import {dropReason} from '../../model/drop-reasons.ts'
import {identity, reservedName} from '../../model/identity.ts'
import {monitorTypes, policyMatches} from '../../model/trace.ts'

export interface EndText {
  /** `ns/pod`, `ns/service`, DNS names or the address; a MAC when there is no address */
  readonly host: string
  /** empty: none */
  readonly port: string
  /** `(world)`, `(ID:1234)` */
  readonly identity: string
}

export interface TextOptions {
  /** names instead of addresses */
  readonly translate: boolean
  /** identities and ports as numbers only */
  readonly numeric: boolean
}

export function endText(flow: Flow, end: 'source' | 'destination', options: TextOptions): EndText {
  const port = portOf(flow, end)
  const service = end === 'source' ? flow.source_service : flow.destination_service
  const names = end === 'source' ? flow.source_names : flow.destination_names
  const ip = flow.IP?.[end]
  const host =
    ip === undefined || ip === ''
      ? (flow.ethernet?.[end] ?? '')
      : options.translate
        ? (podText(flow[end]) ??
          serviceText(service) ??
          (names !== undefined && names.length > 0 ? names.join(',') : addressText(ip, port)))
        : addressText(ip, port)
  return {host, port, identity: ip === undefined || ip === '' ? '' : identityText(flow[end]?.identity ?? 0, options)}
}

function portOf({l4}: Flow, end: 'source' | 'destination'): string {
  const transport = l4?.TCP ?? l4?.UDP ?? l4?.SCTP
  if (transport === undefined) return ''
  return String((end === 'source' ? transport.source_port : transport.destination_port) ?? 0)
}

function podText(end: Endpoint | undefined): string | undefined {
  if (end?.pod_name === undefined || end.pod_name === '') return undefined
  return `${end.namespace ?? ''}/${end.pod_name}`
}

function serviceText(service: Service | undefined): string | undefined {
  if (service?.name === undefined || service.name === '') return undefined
  return `${service.namespace ?? ''}/${service.name}`
}

function addressText(ip: string, port: string): string {
  return ip.includes(':') && port !== '' ? `[${ip}]` : ip
}

export function identityText(number: number, {numeric}: Pick<TextOptions, 'numeric'> = {numeric: false}): string {
  const name = numeric ? undefined : number === 0 ? 'unknown' : reservedName(identity(number))
  return name === undefined ? `(ID:${number})` : `(${name})`
}

const socketPoints: Readonly<Record<number, string>> = {
  [SocketTranslationPoint.SOCK_XLATE_POINT_PRE_DIRECTION_FWD]: 'pre-xlate-fwd',
  [SocketTranslationPoint.SOCK_XLATE_POINT_POST_DIRECTION_FWD]: 'post-xlate-fwd',
  [SocketTranslationPoint.SOCK_XLATE_POINT_PRE_DIRECTION_REV]: 'pre-xlate-rev',
  [SocketTranslationPoint.SOCK_XLATE_POINT_POST_DIRECTION_REV]: 'post-xlate-rev',
}

/** What kind of event it is: `to-endpoint`, `Policy denied`, `policy-verdict:L3-Only INGRESS`. */
export function typeText(flow: Flow): string {
  if (flow.l7 !== undefined) return layer7Type(flow.l7)
  const {type = 0, sub_type: subType = 0} = flow.event_type ?? {}
  switch (type) {
    case monitorTypes.trace:
      return (
        enumName(TraceObservationPointEnum, flow.trace_observation_point ?? (subType === 0 ? 101 : subType)) ??
        String(subType)
      )
        .toLowerCase()
        .replace('_', '-')
    case monitorTypes.drop:
      return dropText(flow.drop_reason_desc || subType)
    case monitorTypes['policy-verdict']:
      return `policy-verdict:${policyMatches[flow.policy_match_type ?? 0] ?? flow.policy_match_type} ${directionText(flow)}`
    case monitorTypes.capture:
      return (
        enumName(DebugCapturePointEnum, flow.debug_capture_point ?? DebugCapturePoint.DBG_CAPTURE_POINT_UNKNOWN) ?? ''
      )
    case monitorTypes['trace-sock']:
      return socketPoints[flow.sock_xlate_point ?? 0] ?? 'unknown'
    default:
      return 'UNKNOWN'
  }
}

function directionText({traffic_direction: direction = 0}: Flow): string {
  return ['TRAFFIC_DIRECTION_UNKNOWN', 'INGRESS', 'EGRESS'][direction] ?? String(direction)
}

export function dropText(reason: number): string {
  if (reason === DropReason.DROP_REASON_UNKNOWN) return 'Unknown'
  return dropReason(reason)?.text ?? enumName(DropReasonEnum, reason) ?? String(reason)
}

function layer7Type({type, dns, http, kafka}: Layer7): string {
  const side = type === L7FlowType.REQUEST ? 'request' : type === L7FlowType.RESPONSE ? 'response' : 'sample'
  if (http !== undefined) return `http-${side}`
  if (dns !== undefined) return `dns-${side} ${dns.observation_source ?? ''}`.trimEnd()
  return kafka === undefined ? 'L7' : `kafka-${side}`
}

/** `FORWARDED`; of policy verdicts `ALLOWED`, `DENIED`, `AUDITED`, on wish with who decided. */
export function verdictText(flow: Flow, options: {readonly policies: boolean} = {policies: false}): string {
  const {verdict = 0} = flow
  if (flow.event_type?.type !== monitorTypes['policy-verdict']) return enumName(VerdictEnum, verdict) ?? String(verdict)
  const by = options.policies ? policiesText(flow) : ''
  switch (verdict) {
    case Verdict.FORWARDED:
    case Verdict.REDIRECTED:
      return `ALLOWED${by}`
    case Verdict.DROPPED:
    case Verdict.ERROR:
      return `DENIED${by}`
    case Verdict.AUDIT:
      return `AUDITED${by}`
    default:
      return enumName(VerdictEnum, verdict) ?? String(verdict)
  }
}

function policiesText(flow: Flow): string {
  const policies: readonly Policy[] = [
    ...(flow.egress_allowed_by ?? []),
    ...(flow.ingress_allowed_by ?? []),
    ...(flow.egress_denied_by ?? []),
    ...(flow.ingress_denied_by ?? []),
  ]
  if (policies.length === 0) return ''
  const text = ({name = '', namespace = '', kind = ''}: Policy) =>
    `${namespace === '' ? '' : `${namespace}/`}${name}${kind === '' ? '' : ` (${kind})`}`
  return ` BY ${policies.map(text).join(', ')}`
}

/** What stands in brackets at the end: of a packet its flags, of a request what was asked. */
export function summaryText(flow: Flow): string {
  const text = flow.l7 === undefined ? (flow.Summary ?? '') : layer7Summary(flow.l7)
  const trace = flow.ip_trace_id?.trace_id
  const traced = trace === undefined || trace === 0n ? '' : `IP Trace ID: ${trace}; `
  const auth = flow.auth_type ?? AuthType.DISABLED
  const name = Object.entries(AuthType).find(([, number]) => number === auth)?.[0] ?? String(auth)
  return `${traced}${text}${auth === AuthType.DISABLED ? '' : `; Auth: ${name}`}`
}

function layer7Summary({type, latency_ns: latency = 0n, http, dns, kafka}: Layer7): string {
  const response = type === L7FlowType.RESPONSE
  if (http !== undefined) {
    const {protocol = '', method = '', url = '', code = 0} = http
    if (!response) return `${protocol} ${method} ${url}`
    return `${protocol} ${code} ${latency / 1_000_000n}ms (${method} ${url})`
  }
  if (dns !== undefined) {
    const source = dns.observation_source === 'proxy' ? 'Proxy ' : dns.observation_source === 'agent' ? 'Agent ' : ''
    const question = `${dns.query ?? ''} ${(dns.qtypes ?? []).join(',')}`
    if (!response) return `DNS Query ${question}`
    if ((dns.rcode ?? 0) !== 0)
      return `DNS Answer RCode: ${rcodes[dns.rcode!] ?? dns.rcode} TTL: ${dns.ttl ?? 0} (${source}${question})`
    const ips = (dns.ips ?? []).length === 0 ? '' : ` "${dns.ips!.join(',')}"`
    const cnames = (dns.cnames ?? []).length === 0 ? '' : ` CNAMEs: "${dns.cnames!.join(',')}"`
    return `DNS Answer${ips}${cnames} TTL: ${dns.ttl ?? 0} (${source}${question})`
  }
  if (kafka !== undefined) {
    const {api_key: key = '', correlation_id: id = 0, topic = '', error_code: error = 0} = kafka
    return response
      ? `Kafka response ${key} correlation id ${id} topic '${topic}' return code ${error}`
      : `Kafka request ${key} correlation id ${id} topic '${topic}'`
  }
  return ''
}

const rcodes: Readonly<Record<number, string>> = {
  1: 'Format Error',
  2: 'Server Failure',
  3: 'Non-Existent Domain',
  4: 'Not Implemented',
  5: 'Query Refused',
}

const advice: Readonly<Record<number, readonly [cause: string, next: string]>> = {
  133: ['no policy allows it, and at least one selects the endpoint', 'kubectl get cnp,ccnp,netpol -A'],
  181: [
    'a policy denies it',
    'hubble observe --type policy-verdict --print-policy-names --use-default-field-masks=false',
  ],
  158: ['the service has no backend that is ready', 'kubectl get endpointslices -A'],
  132: ['the pod sent from an address that is not its own', 'cilium-dbg endpoint list'],
  169: ['the node has no route to the destination', 'ip route get ADDRESS'],
  171: ['the source has no identity that is known here', 'cilium-dbg identity list'],
  208: ['the table of connections is full', 'cilium-dbg status --verbose'],
  209: ['too many connections wait for an answer', 'cilium-dbg bpf ct list'],
  213: ['a process asked a service for a port or protocol that it does not have', 'kubectl get services -A'],
}

/** Why a flow was dropped, and where to look further; undefined when it was not. */
export function explain(flow: Flow): string | undefined {
  if (flow.verdict !== Verdict.DROPPED) return undefined
  if (flow.l7 !== undefined) return 'no rule of layer 7 allows this request; look further: kubectl get cnp,ccnp -A'
  const reason = flow.drop_reason_desc || (flow.drop_reason ?? 0)
  const [cause, next] = advice[reason] ?? [dropText(reason), 'cilium-dbg monitor --type drop']
  return `${cause}; look further: ${next}`
}
