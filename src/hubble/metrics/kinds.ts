/** The metrics by the name of their spec: which series a flow belongs to. */
import {
  DropReasonEnum,
  type Flow,
  FlowType,
  type TCPFlags,
  TraceObservationPointEnum,
  VerdictEnum,
} from '../../api/gen/flow.ts'
import {enumName} from '../../api/wire/json.ts'
import type {EnumType} from '../../api/wire/message.ts'
import {dropReasonNames} from '../../datapath/gen/enums.ts'
import {fail} from '../../runtime/errors.ts'
import type {Counter, Exemplar, Histogram, Metric, MetricRegistry} from '../../runtime/metrics.ts'
import {contextsOf} from './contexts.ts'
import {HUBBLE_METRIC_INVALID} from './errors.ts'
import type {CountFlow, Kind, Makers} from './kind.ts'
import {dnsKind, httpKind, httpKind2} from './layer7-kinds.ts'
import type {MetricSpec} from './spec.ts'

const verdicts = {forwarded: 1, dropped: 2, redirected: 5} as const
const eventNames: Readonly<Record<number, string>> = {
  1: 'Drop',
  3: 'Capture',
  4: 'Trace',
  5: 'PolicyVerdict',
  7: 'TraceSock',
}
const matchNames = ['none', 'l3-only', 'l3-l4', 'l4-only', 'all', 'l3-proto', 'proto-only'] as const

const kinds: Readonly<Record<string, Kind>> = {
  drop: (_, counter) => {
    const total = counter('drop_total', 'Number of drops', ['reason', 'protocol'])
    return (flow, count) => {
      if (flow.verdict !== verdicts.dropped) return
      total.add(flow, count, [reasonName(flow.drop_reason_desc ?? 0), protocolOf(flow)])
    }
  },
  flow: (_, counter) => {
    const total = counter('flows_processed_total', 'Total number of flows processed', [
      'protocol',
      'type',
      'subtype',
      'verdict',
    ])
    return (flow, count) => {
      const verdict = nameOf(VerdictEnum, flow.verdict ?? 0)
      total.add(flow, count, [protocolOf(flow), ...typeOf(flow), verdict])
    }
  },
  'flows-to-world': ({options}, counter) => {
    const withPort = options.has('port')
    const total = counter('flows_to_world_total', 'Total number of flows to reserved:world', [
      'protocol',
      'verdict',
      ...(withPort ? ['port'] : []),
    ])
    return (flow, count) => {
      if (flow.is_reply === true) return
      if (
        !options.has('any-drop') &&
        flow.verdict === verdicts.dropped &&
        flow.drop_reason_desc !== 133 &&
        flow.drop_reason_desc !== 181
      )
        return
      if (!(flow.destination?.labels ?? []).some((label) => label.startsWith('reserved:world'))) return
      if (options.has('syn-only') && (flow.l4?.TCP === undefined || flagsKey(flow.l4.TCP.flags) !== 'SYN')) return
      const labels = [protocolOf(flow), nameOf(VerdictEnum, flow.verdict ?? 0).toLowerCase()]
      total.add(flow, count, withPort ? [...labels, portOf(flow)] : labels)
    }
  },
  icmp: (_, counter) => {
    const total = counter('icmp_total', 'Number of ICMP messages', ['family', 'type'])
    return (flow, count) => {
      const [family, type] = flow.l4?.ICMPv4 === undefined ? ['IPv6', flow.l4?.ICMPv6] : ['IPv4', flow.l4.ICMPv4]
      if (type === undefined) return
      total.add(flow, count, [family!, (flow.Summary ?? '').split(' ')[1] ?? String(type.type ?? 0)])
    }
  },
  policy: (_, counter) => {
    const total = counter('policy_verdicts_total', 'Total number of Cilium network policy verdicts', [
      'direction',
      'match',
      'action',
    ])
    return (flow, count) => {
      if (flow.event_type?.type !== 5 || flow.source?.identity === 1) return
      const direction = flow.traffic_direction === 1 ? 'ingress' : flow.traffic_direction === 2 ? 'egress' : 'unknown'
      const match = matchNames[flow.policy_match_type ?? 0] ?? 'unknown'
      total.add(flow, count, [direction, match, nameOf(VerdictEnum, flow.verdict ?? 0).toLowerCase()])
    }
  },
  'port-distribution': (_, counter) => {
    const total = counter('port_distribution_total', 'Numbers of packets distributed by destination port', [
      'protocol',
      'port',
    ])
    return (flow, count) => {
      if (flow.verdict !== verdicts.forwarded || flow.is_reply === true || flow.is_reply === undefined) return
      total.add(flow, count, [protocolOf(flow), portOf(flow)])
    }
  },
  tcp: (_, counter) => {
    const total = counter('tcp_flags_total', 'TCP flag occurrences', ['flag', 'family'])
    return (flow, count) => {
      const {TCP} = flow.l4 ?? {}
      if (TCP === undefined || (flow.verdict !== verdicts.forwarded && flow.verdict !== verdicts.redirected)) return
      const family = flow.IP?.ipVersion === 2 ? 'IPv6' : 'IPv4'
      for (const flag of ['SYN-ACK', 'SYN', 'FIN', 'RST'] as const) {
        if (!hasFlag(TCP.flags, flag)) continue
        total.add(flow, count, [flag, family])
        if (flag === 'SYN-ACK') return
      }
    }
  },
  dns: dnsKind,
  http: httpKind,
  httpV2: httpKind2,
}

export const metricNames = Object.keys(kinds)

export interface CountingKind {
  readonly count: CountFlow
  /** series say who the ends are, so flows are alike only when their ends are the same */
  readonly needsEnds: boolean
  /** Forgets series that are about a pod. */
  forgetPod(namespace: string, pod: string): void
  /** Takes all its metrics back. */
  end(): void
}

/** Undefined for a name that nobody knows. @throws HUBBLE_METRIC_INVALID */
export function countingKind(spec: MetricSpec, registry: MetricRegistry, maxSeries: number): CountingKind | undefined {
  const kind = kinds[spec.name]
  if (kind === undefined) return undefined
  const contexts = contextsOf(spec)
  const metrics: Metric<unknown>[] = []
  const make = <M extends Metric<unknown>>(
    how: 'counter' | 'histogram',
    name: string,
    help: string,
    labels: readonly string[],
  ): M => {
    const full = `hubble_${name}`
    if (registry.names.includes(full))
      fail(HUBBLE_METRIC_INVALID, {spec: spec.name, detail: `${full} is counted already`})
    const metric = registry[how]({name: full, help, labels: [...contexts.names, ...labels], maxSeries})
    metrics.push(metric)
    return metric as unknown as M
  }
  const makers: Makers = {
    counter(name, help, labels) {
      const counter = make<Counter>('counter', name, help, labels)
      return {
        add: (flow, count, values, exemplar) =>
          counter.labels(...contexts.values(flow), ...values).inc(count, exemplar ? traceOf(flow, count) : undefined),
      }
    },
    histogram(name, help, labels) {
      const histogram = make<Histogram>('histogram', name, help, labels)
      return {
        add: (flow, seconds, values, exemplar) =>
          histogram
            .labels(...contexts.values(flow), ...values)
            .observe(seconds, exemplar ? traceOf(flow, seconds) : undefined),
      }
    },
  }
  const end = () => {
    for (const {name} of metrics) registry.remove(name)
  }
  try {
    return {
      count: kind(spec, makers.counter, makers.histogram),
      needsEnds: contexts.names.length > 0,
      forgetPod(namespace, pod) {
        for (const metric of metrics) metric.removeWhere((labels) => contexts.isAbout(labels, namespace, pod))
      },
      end,
    }
  } catch (thrown) {
    end()
    throw thrown
  }
}

function traceOf({trace_context: context, time = 0n}: Flow, value: number): Exemplar | undefined {
  const id = context?.parent?.trace_id ?? ''
  return id === '' ? undefined : {labels: {traceID: id}, value, time: Number(time / 1_000_000n) / 1000}
}

function protocolOf({l4}: Flow): string {
  return l4 === undefined ? 'Unknown flow' : (Object.keys(l4)[0] ?? 'Unknown flow')
}

function typeOf({Type, event_type: event, trace_observation_point: point}: Flow): [string, string] {
  if (Type === FlowType.L7) return ['L7', '']
  const name = eventNames[event?.type ?? 0] ?? 'Unknown'
  if (name !== 'Trace') return [name, '']
  return [
    name,
    nameOf(TraceObservationPointEnum, point ?? 0)
      .toLowerCase()
      .replaceAll('_', '-'),
  ]
}

/** The port that was asked; of ICMP 0. */
function portOf({l4}: Flow): string {
  const {TCP, UDP, SCTP} = l4 ?? {}
  return String((TCP ?? UDP ?? SCTP)?.destination_port ?? 0)
}

function hasFlag(flags: TCPFlags | undefined, flag: 'SYN' | 'SYN-ACK' | 'FIN' | 'RST'): boolean {
  if (flag === 'SYN-ACK') return flags?.SYN === true && flags.ACK === true
  return flags?.[flag] === true
}

function flagsKey(flags: TCPFlags | undefined): string {
  return Object.keys(flags ?? {}).join()
}

/** Reasons of ours have no name in the API: theirs in the programs is taken. */
function reasonName(reason: number): string {
  const known = enumName(DropReasonEnum, reason) ?? dropReasonNames.get(reason)
  return known?.replace(/^DROP_(?=NO_SERVICE|NO_LOCAL|NO_MASQ|FLOW_|TOO_|STALE_|UNKNOWN_ADDRESS)/, '') ?? String(reason)
}

function nameOf(type: EnumType, number: number): string {
  return enumName(type, number) ?? String(number)
}
