/** The metrics of what proxies tell: DNS and HTTP. */
import {type Flow, L7FlowType} from '../../api/gen/flow.ts'
import type {Kind} from './kind.ts'

const rcodes = ['No Error', 'Format Error', 'Server Failure', 'Non-Existent Domain', 'Not Implemented', 'Query Refused']
const forwarded = 1

/** Answers are counted with what they said; what was refused was never asked. */
export const dnsKind: Kind = ({options}, counter) => {
  const withQuery = options.has('query')
  const labels = [...(withQuery ? ['query'] : []), 'rcode', 'qtypes', 'ips_returned']
  const queries = counter('dns_queries_total', 'Number of DNS queries observed', labels)
  const responses = counter('dns_responses_total', 'Number of DNS responses observed', labels)
  const types = counter('dns_response_types_total', 'Number of DNS queries observed', [
    ...(withQuery ? ['query'] : []),
    'type',
    'qtypes',
  ])
  return (flow, count) => {
    const {l7} = flow
    const dns = l7?.dns
    if (dns === undefined || flow.verdict !== forwarded) return
    const qtypes = dns.qtypes ?? []
    if (options.has('ignoreaaaa') && qtypes.length === 1 && qtypes[0] === 'AAAA') return
    const name = withQuery ? [dns.query ?? ''] : []
    const kind = qtypes.join(',')
    if (l7!.type === L7FlowType.REQUEST) queries.add(flow, count, [...name, '', kind, '0'])
    else if (l7!.type === L7FlowType.RESPONSE) {
      const code = dns.rcode ?? 0
      responses.add(flow, count, [...name, rcodes[code] ?? String(code), kind, String((dns.ips ?? []).length)])
      for (const type of dns.rrtypes ?? []) types.add(flow, count, [...name, type, kind])
    }
  }
}

/** Who told it: the client's end, or the server's. */
function reporter({traffic_direction: direction}: Flow): string {
  return direction === 1 ? 'server' : direction === 2 ? 'client' : 'unknown'
}

export const httpKind: Kind = (_, counter, histogram) => {
  const requests = counter('http_requests_total', 'Count of HTTP requests', ['method', 'protocol', 'reporter'])
  const responses = counter('http_responses_total', 'Count of HTTP responses', ['method', 'status', 'reporter'])
  const durations = histogram('http_request_duration_seconds', 'Quantiles of HTTP request duration in seconds', [
    'method',
    'reporter',
  ])
  return (flow, count) => {
    const {l7} = flow
    const http = l7?.http
    if (http === undefined || flow.verdict !== forwarded) return
    const {method = '', protocol = '', code = 0} = http
    if (l7!.type === L7FlowType.REQUEST) requests.add(flow, count, [method, protocol, reporter(flow)])
    else if (l7!.type === L7FlowType.RESPONSE) {
      responses.add(flow, count, [method, String(code), reporter(backwards(flow))])
      durations.add(flow, seconds(l7!.latency_ns), [method, reporter(backwards(flow))])
    }
  }
}

export const httpKind2: Kind = ({options}, counter, histogram) => {
  const exemplars = options.get('exemplars') === 'true'
  const requests = counter('http_requests_total', 'Count of HTTP requests by methods and status codes', [
    'method',
    'protocol',
    'status',
    'reporter',
  ])
  const durations = histogram('http_request_duration_seconds', 'Quantiles of HTTP request duration in seconds', [
    'method',
    'reporter',
  ])
  return (flow, count) => {
    const {l7} = flow
    const http = l7?.http
    // the answer tells the request as well, and whether it came
    if (http === undefined || flow.verdict !== forwarded || l7!.type !== L7FlowType.RESPONSE) return
    const {method = '', protocol = '', code = 0} = http
    requests.add(flow, count, [method, protocol, String(code), reporter(backwards(flow))], exemplars)
    durations.add(flow, seconds(l7!.latency_ns), [method, reporter(backwards(flow))], exemplars)
  }
}

/** An answer goes the other way than its request. */
function backwards(flow: Flow): Flow {
  const {traffic_direction: direction} = flow
  return {...flow, traffic_direction: direction === 1 ? 2 : direction === 2 ? 1 : 0}
}

function seconds(latencyNs: bigint | undefined): number {
  return Number(latencyNs ?? 0n) / 1e9
}
