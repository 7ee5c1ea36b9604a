/** Recorded flows as connections: what policies are asked about. */
import type {Endpoint, Flow} from '../../api/gen/flow.ts'
import {Verdict} from '../../api/gen/flow.ts'
import {type GetFlowsResponse, ObserverService} from '../../api/gen/observer.ts'
import {protocolNumbers} from '../../model/port.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {HubbleClient} from '../hubble/client.ts'
import {fileResponses} from '../hubble/observe.ts'
import {reachRelay} from '../hubble/relay.ts'

export interface FlowSource {
  readonly cluster: ClusterOptions
  /** ns since 1970 */
  readonly since: bigint
  /** lines of "hubble observe -o json" in place of the relay's flows; `-`: stdin */
  readonly file: string | undefined
}

/** One end of recorded flows. */
export interface FlowEnd {
  readonly ip: string
  readonly namespace: string
  /** empty: no pod */
  readonly pod: string
  readonly identity: number
  /** `k8s:app=web` */
  readonly labels: readonly string[]
  /** names of the address in DNS */
  readonly names: readonly string[]
}

/** All flows from one to another on one port. */
export interface Connection {
  readonly from: FlowEnd
  readonly to: FlowEnd
  readonly protocol: number
  /** of the side that was asked; of ICMP the type */
  readonly port: number
  /** ns since 1970 */
  readonly last: bigint
  readonly passed: number
  readonly refused: number
}

/** From the relay, through a port of its own, or from a file. @throws HUBBLE_SERVICE_MISSING, HUBBLE_RELAY_SECRET, HUBBLE_UNREACHABLE */
export async function readConnections(source: FlowSource, signal: AbortSignal): Promise<Connection[]> {
  if (source.file !== undefined) return connectionsOf(fileResponses(source.file), source.since)
  const relay = await reachRelay(source.cluster, 0, {
    server: '',
    timeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    tls: false,
    tlsAllowInsecure: false,
    tlsCaFiles: [],
    tlsCertFile: undefined,
    tlsKeyFile: undefined,
    tlsServerName: undefined,
    basicAuth: undefined,
  })
  try {
    const client = await HubbleClient.connect(relay.server, signal)
    try {
      return await connectionsOf(client.stream(ObserverService.GetFlows, {since: source.since}, signal), source.since)
    } finally {
      client.close()
    }
  } finally {
    await relay.close()
  }
}

/** Answers tell nothing new and are left out, as is what says no verdict. */
export async function connectionsOf(responses: AsyncIterable<GetFlowsResponse>, since: bigint): Promise<Connection[]> {
  const found = new Map<string, Connection & {last: bigint; passed: number; refused: number}>()
  for await (const {flow} of responses) {
    if (flow === undefined || (flow.time ?? 0n) < since || flow.is_reply === true) continue
    const passed = flow.verdict === Verdict.FORWARDED || flow.verdict === Verdict.REDIRECTED
    const refused = flow.verdict === Verdict.DROPPED || flow.verdict === Verdict.AUDIT
    const asked = askedPort(flow)
    if ((!passed && !refused) || asked === undefined) continue
    // to the address of a Service: what it was translated to is an event of its own
    if (flow.destination_service !== undefined && (flow.destination?.pod_name ?? '') === '') continue
    const [from, to] = [endOf(flow, 'source'), endOf(flow, 'destination')]
    const key = JSON.stringify([nameOf(from), nameOf(to), asked])
    const known = found.get(key) ?? {from, to, ...asked, last: 0n, passed: 0, refused: 0}
    if ((flow.time ?? 0n) > known.last) known.last = flow.time ?? 0n
    if (passed) known.passed++
    else known.refused++
    found.set(key, known)
  }
  return [...found.values()]
}

/** `shop/web-0`, or the address. */
export function nameOf({pod, namespace, ip}: Pick<FlowEnd, 'pod' | 'namespace' | 'ip'>): string {
  return pod === '' ? ip : `${namespace}/${pod}`
}

function endOf(flow: Flow, side: 'source' | 'destination'): FlowEnd {
  const {namespace = '', pod_name: pod = '', identity = 0, labels = []}: Endpoint = flow[side] ?? {}
  const names = (side === 'source' ? flow.source_names : flow.destination_names) ?? []
  return {ip: flow.IP?.[side] ?? '', namespace, pod, identity, labels, names}
}

function askedPort({l4}: Flow): {readonly protocol: number; readonly port: number} | undefined {
  if (l4?.TCP !== undefined) return {protocol: protocolNumbers.tcp, port: l4.TCP.destination_port ?? 0}
  if (l4?.UDP !== undefined) return {protocol: protocolNumbers.udp, port: l4.UDP.destination_port ?? 0}
  if (l4?.SCTP !== undefined) return {protocol: protocolNumbers.sctp, port: l4.SCTP.destination_port ?? 0}
  if (l4?.ICMPv4 !== undefined) return {protocol: protocolNumbers.icmp, port: l4.ICMPv4.type ?? 0}
  if (l4?.ICMPv6 !== undefined) return {protocol: protocolNumbers.icmpv6, port: l4.ICMPv6.type ?? 0}
  return undefined
}
