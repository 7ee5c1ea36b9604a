/** Who talks to whom in a flow: ends as nodes of the map, and which of them began. */
import type {Endpoint, Flow} from '../../api/gen/flow.ts'
import {TraceObservationPoint, Verdict} from '../../api/gen/flow.ts'
import {dropCodes} from '../../model/drop-reasons.ts'
import {identity, reservedName} from '../../model/identity.ts'
import {monitorTypes} from '../../model/trace.ts'
import {shown} from './shown-text.ts'
import type {MapNode, NodeKind, Outcome} from './wire.ts'

const reservedKinds: Readonly<Record<string, NodeKind>> = {
  host: 'host',
  world: 'world',
  'world-ipv4': 'world',
  'world-ipv6': 'world',
  'remote-node': 'remote-node',
  health: 'health',
  'kube-apiserver': 'kube-apiserver',
  ingress: 'ingress',
}
const firstLocalIdentity = 0x01000000
const lastLocalIdentity = 0x01ffffff
/** nodes that policies know by their labels */
const remoteNodeScope = 0x02

/** The node of the map that an end belongs to. */
export function nodeOf(end: Endpoint | undefined): MapNode {
  const {identity: number = 0, namespace = '', pod_name: pod = '', workloads = []} = end ?? {}
  const [workload] = workloads
  if (workload?.name !== undefined && workload.name !== '') {
    return named('workload', namespace, workload.name, workload.kind ?? '')
  }
  if (pod !== '') return named('workload', namespace, pod, 'Pod')
  const reserved = reservedName(identity(number))
  const kind = reserved === undefined ? undefined : reservedKinds[reserved]
  if (kind !== undefined) return named(kind, '', kind === 'world' ? 'world' : reserved!, '')
  if (number >>> 24 === remoteNodeScope) {
    const server = end?.labels?.includes('reserved:kube-apiserver') === true
    return server ? named('kube-apiserver', '', 'kube-apiserver', '') : named('remote-node', '', 'remote-node', '')
  }
  // identities of prefixes and of names in DNS: outside of the cluster
  if (number >= firstLocalIdentity && number <= lastLocalIdentity) return named('world', '', 'world', '')
  const app = appOf(end?.labels ?? [])
  if (app !== undefined)
    return named('workload', namespace || labelled(end, 'k8s:io.kubernetes.pod.namespace='), app, '')
  return named('other', namespace, reserved ?? `identity ${number}`, '')
}

function named(kind: NodeKind, namespace: string, name: string, workloadKind: string): MapNode {
  const id = kind === 'workload' || kind === 'other' ? `${namespace}/${workloadKind}/${name}` : kind
  return {id: shown(id), kind, name: shown(name), namespace: shown(namespace), workloadKind: shown(workloadKind)}
}

function labelled(end: Endpoint | undefined, prefix: string): string {
  return end?.labels?.find((label) => label.startsWith(prefix))?.slice(prefix.length) ?? ''
}

/** What an end is called whose pod is not known any more, but its identity is. */
function appOf(labels: readonly string[]): string | undefined {
  for (const key of ['k8s:app.kubernetes.io/name=', 'k8s:k8s-app=', 'k8s:app=']) {
    const found = labels.find((label) => label.startsWith(key))
    if (found !== undefined) return found.slice(key.length)
  }
  return undefined
}

/** The ends in the direction in which the connection was made. */
export function clientAndServer(flow: Flow): {
  readonly client: Endpoint | undefined
  readonly server: Endpoint | undefined
  readonly port: number
} {
  const transport = flow.l4?.TCP ?? flow.l4?.UDP ?? flow.l4?.SCTP
  if (flow.is_reply === true) {
    return {client: flow.destination, server: flow.source, port: transport?.source_port ?? 0}
  }
  return {client: flow.source, server: flow.destination, port: transport?.destination_port ?? 0}
}

export function protocolOf({l4}: Flow): string {
  if (l4?.TCP !== undefined) return 'TCP'
  if (l4?.UDP !== undefined) return 'UDP'
  if (l4?.SCTP !== undefined) return 'SCTP'
  if (l4?.ICMPv4 !== undefined) return 'ICMP'
  if (l4?.ICMPv6 !== undefined) return 'ICMPv6'
  if (l4?.VRRP !== undefined) return 'VRRP'
  return l4?.IGMP === undefined ? '' : 'IGMP'
}

const byPolicy = new Set([dropCodes['POLICY_DENIED'], dropCodes['POLICY_DENY'], dropCodes['AUTH_REQUIRED']])

/** What became of it; undefined for events that say nothing about that (translations, debug captures). */
export function outcomeOf(flow: Flow): Outcome | undefined {
  switch (flow.verdict) {
    case Verdict.FORWARDED:
    case Verdict.REDIRECTED:
      return 'forwarded'
    case Verdict.DROPPED:
      // a proxy that refuses a request says no reason
      return byPolicy.has(flow.drop_reason_desc || (flow.drop_reason ?? 0)) || flow.l7 !== undefined
        ? 'denied'
        : 'dropped'
    case Verdict.ERROR:
      return 'dropped'
    case Verdict.AUDIT:
      return 'audited'
    default:
      return undefined
  }
}

const arrivals = new Set<number>([
  TraceObservationPoint.TO_ENDPOINT,
  TraceObservationPoint.TO_PROXY,
  TraceObservationPoint.TO_HOST,
  TraceObservationPoint.TO_STACK,
  TraceObservationPoint.TO_NETWORK,
])

/**
 * Whether the event counts as one flow. A packet is seen at several points; it counts where it arrives: at the pod it
 * is for, or where it leaves the cluster's pods. What is told twice about a dropped one counts as the drop.
 */
export function counts(flow: Flow): boolean {
  if (flow.l7 !== undefined) return true
  switch (flow.event_type?.type) {
    case monitorTypes.drop:
      return true
    case monitorTypes['policy-verdict']:
      return flow.verdict === Verdict.AUDIT
    case monitorTypes.trace: {
      const point = flow.trace_observation_point ?? TraceObservationPoint.UNKNOWN_POINT
      const toPod = (flow.destination?.pod_name ?? '') !== ''
      return toPod ? point === TraceObservationPoint.TO_ENDPOINT : arrivals.has(point)
    }
    default:
      return false
  }
}
