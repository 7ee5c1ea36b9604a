import {beforeAll, describe, expect, test} from 'vitest'
import type {Flow} from '../../../../src/api/gen/flow.ts'
import {FlowPrinter, type PrintOptions} from '../../../../src/cli/hubble/flow-printer.ts'
import {plain} from '../../../../src/cli/render/style.ts'

beforeAll(() => {
  process.env['TZ'] = 'UTC'
})

const options: PrintOptions = {
  format: 'compact',
  style: plain,
  timeFormat: 'StampMilli',
  nodeName: false,
  policyNames: false,
  translate: true,
  numeric: false,
  debug: false,
  legacyJson: false,
  explain: false,
}

const base: Flow = {
  time: 1_700_000_000_123_456_789n,
  verdict: 1,
  IP: {source: '10.0.1.5', destination: '10.0.2.7', ipVersion: 1},
  l4: {TCP: {source_port: 40_000, destination_port: 80, flags: {SYN: true}}},
  source: {identity: 1234, namespace: 'shop', pod_name: 'web-0'},
  destination: {identity: 2},
  Type: 1,
  event_type: {type: 4, sub_type: 0},
  trace_observation_point: 101,
  is_reply: false,
  Summary: 'TCP Flags: SYN',
}
const v6: Flow = {...base, IP: {source: 'fd00::5', destination: 'fd00::7', ipVersion: 2}, source: {identity: 1234}}

const line = (flow: Flow, more: Partial<PrintOptions> = {}) =>
  new FlowPrinter({...options, ...more}).print({flow, node_name: 'lab/n1', time: flow.time}).out

describe('compact lines', () => {
  test.each<[string, Flow, string]>([
    [
      'a forwarded packet',
      base,
      'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) to-endpoint FORWARDED (TCP Flags: SYN)',
    ],
    ['IPv6', v6, '[fd00::5]:40000 (ID:1234) -> [fd00::7]:80 (world) to-endpoint FORWARDED (TCP Flags: SYN)'],
    [
      'a reply, the client on the left',
      {...base, is_reply: true, event_type: {type: 4, sub_type: 3}, trace_observation_point: 3},
      '10.0.2.7:80 (world) <- shop/web-0:40000 (ID:1234) to-stack FORWARDED (TCP Flags: SYN)',
    ],
    [
      'a drop',
      {...base, verdict: 2, is_reply: undefined, event_type: {type: 1, sub_type: 133}, drop_reason_desc: 133},
      'shop/web-0:40000 (ID:1234) <> 10.0.2.7:80 (world) Policy denied DROPPED (TCP Flags: SYN)',
    ],
    [
      'a policy verdict that allows',
      {...base, event_type: {type: 5}, policy_match_type: 2, traffic_direction: 1},
      'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) policy-verdict:L3-L4 INGRESS ALLOWED (TCP Flags: SYN)',
    ],
    [
      'a policy verdict that denies',
      {...base, verdict: 2, event_type: {type: 5}, traffic_direction: 2, is_reply: undefined},
      'shop/web-0:40000 (ID:1234) <> 10.0.2.7:80 (world) policy-verdict:none EGRESS DENIED (TCP Flags: SYN)',
    ],
    [
      'a policy verdict in audit mode',
      {...base, verdict: 4, event_type: {type: 5}, traffic_direction: 2},
      'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) policy-verdict:none EGRESS AUDITED (TCP Flags: SYN)',
    ],
    [
      'a socket that is translated',
      {
        ...base,
        verdict: 7,
        is_reply: undefined,
        event_type: {type: 7, sub_type: 2},
        sock_xlate_point: 2,
        Summary: 'TCP',
      },
      'shop/web-0:40000 (ID:1234) <> 10.0.2.7:80 (world) post-xlate-fwd TRANSLATED (TCP)',
    ],
    [
      'ICMP',
      {...base, l4: {ICMPv4: {type: 8}}, Summary: 'ICMPv4 EchoRequest'},
      'shop/web-0 (ID:1234) -> 10.0.2.7 (world) to-endpoint FORWARDED (ICMPv4 EchoRequest)',
    ],
    [
      'a service and DNS names',
      {
        ...base,
        source_service: {name: 'x', namespace: 'y'},
        source: {identity: 1},
        destination_names: ['a.b.', 'c.d.'],
      },
      'y/x:40000 (host) -> a.b.,c.d.:80 (world) to-endpoint FORWARDED (TCP Flags: SYN)',
    ],
    [
      'a DNS answer',
      {
        ...base,
        Type: 2,
        event_type: {type: 129},
        l7: {type: 2, dns: {query: 'a.b.', qtypes: ['A'], ips: ['1.2.3.4'], ttl: 3, observation_source: 'proxy'}},
      },
      'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) dns-response proxy FORWARDED (DNS Answer "1.2.3.4" TTL: 3 (Proxy a.b. A))',
    ],
    [
      'an HTTP response',
      {
        ...base,
        Type: 2,
        l7: {
          type: 2,
          latency_ns: 12_000_000n,
          http: {code: 200, method: 'GET', url: 'http://a/', protocol: 'HTTP/1.1'},
        },
      },
      'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) http-response FORWARDED (HTTP/1.1 200 12ms (GET http://a/))',
    ],
    [
      'authentication and a trace id',
      {...base, auth_type: 1, ip_trace_id: {trace_id: 7n}},
      'shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) to-endpoint FORWARDED (IP Trace ID: 7; TCP Flags: SYN; Auth: SPIRE)',
    ],
  ])('%s', (_, flow, text) => {
    expect(line(flow)).toBe(`Nov 14 22:13:20.123: ${text}\n`)
  })

  test('tell node and policies on wish', () => {
    const flow: Flow = {
      ...base,
      event_type: {type: 5},
      policy_match_type: 4,
      traffic_direction: 1,
      ingress_allowed_by: [{name: 'web', namespace: 'shop', kind: 'CiliumNetworkPolicy'}],
    }

    expect(line(flow, {nodeName: true, policyNames: true})).toBe(
      'Nov 14 22:13:20.123 [lab/n1]: shop/web-0:40000 (ID:1234) -> 10.0.2.7:80 (world) policy-verdict:all INGRESS ALLOWED BY shop/web (CiliumNetworkPolicy) (TCP Flags: SYN)\n',
    )
  })

  test('never carry control characters of the cluster', () => {
    expect(line({...base, source: {namespace: 'a', pod_name: 'b\u001b[31m\u202e'}, Summary: 'x\ny'})).not.toMatch(
      /[\u001b\u202e]|x\n/,
    )
  })

  test('explain drops on wish', () => {
    const flow: Flow = {...base, verdict: 2, event_type: {type: 1, sub_type: 158}, drop_reason_desc: 158}

    expect(line(flow, {explain: true})).toContain(
      'the service has no backend that is ready; look further: kubectl get endpointslices -A',
    )
  })
})

test('a dict is one key a line', () => {
  const printer = new FlowPrinter({...options, format: 'dict'})

  const text = printer.print({flow: base}).out + printer.print({flow: base}).out

  const record = `  TIMESTAMP: Nov 14 22:13:20.123
     SOURCE: shop/web-0:40000 (ID:1234)
DESTINATION: 10.0.2.7:80 (world)
       TYPE: to-endpoint
    VERDICT: FORWARDED
    SUMMARY: TCP Flags: SYN
`
  expect(text).toBe(`${record}------------\n${record}`)
})

test('a table comes at the end', () => {
  const printer = new FlowPrinter({...options, format: 'table'})

  expect(printer.print({flow: base}).out).toBe('')
  expect(printer.end()).toBe(
    `TIMESTAMP             SOURCE                         DESTINATION           TYPE          VERDICT     SUMMARY
Nov 14 22:13:20.123   shop/web-0:40000 (ID:1234)   10.0.2.7:80 (world)   to-endpoint   FORWARDED   TCP Flags: SYN
`.replace('SOURCE                         ', 'SOURCE                       '),
  )
})

test('JSON is one answer a line', () => {
  expect(JSON.parse(line(base, {format: 'json'}))).toMatchObject({
    flow: {verdict: 'FORWARDED', Type: 'L3_L4', is_reply: false, event_type: {type: 4}},
    node_name: 'lab/n1',
    time: '2023-11-14T22:13:20.123456789Z',
  })
  expect(JSON.parse(line(base, {format: 'json', legacyJson: true}))).toMatchObject({verdict: 'FORWARDED'})
})

test('lost events and nodes go to stderr', () => {
  const printer = new FlowPrinter(options)
  const time = base.time!

  expect(printer.print({lost_events: {source: 1, num_events_lost: 5n}, time}).err).toBe(
    'Nov 14 22:13:20.123: EVENTS LOST: PERF_EVENT_RING_BUFFER CPU(0) 5\n',
  )
  expect(printer.print({node_status: {state_change: 2, node_names: ['a', 'b']}, time, node_name: 'relay'}).err).toBe(
    'Nov 14 22:13:20.123 [relay]: 2 nodes are unavailable: a, b\n',
  )
  expect(printer.print({node_status: {state_change: 1, node_names: ['a']}, time}).err).toBe('')
})
