/** What datapath events say: message types, observation points, trace reasons, verdicts, directions. */

/** First byte of a monitor event (flow API: CiliumEventType.type). */
export const monitorTypes = {
  unspecified: 0,
  drop: 1,
  debug: 2,
  capture: 3,
  trace: 4,
  'policy-verdict': 5,
  'trace-sock': 7,
  l7: 129,
  agent: 130,
} as const

/** Where a packet was seen. The index is the datapath's number; the flow API differs in one: TO_ENDPOINT is 101. */
export const tracePoints = [
  'to-endpoint',
  'to-proxy',
  'to-host',
  'to-stack',
  'to-overlay',
  'from-endpoint',
  'from-proxy',
  'from-host',
  'from-stack',
  'from-overlay',
  'from-network',
  'to-network',
  'from-crypto',
  'to-crypto',
] as const
export type TracePoint = (typeof tracePoints)[number]

/** The datapath's number of a trace point, or undefined for a name that is none. */
export function tracePointNumber(name: string): number | undefined {
  const number = tracePoints.indexOf(name as TracePoint)
  return number < 0 ? undefined : number
}

/** flow.TraceObservationPoint of a datapath number. */
export function tracePointProto(point: number): {readonly name: string; readonly number: number} {
  const name = tracePoints[point]
  if (name === undefined) return {name: 'UNKNOWN_POINT', number: 0}
  return {name: name.replace('-', '_').toUpperCase(), number: point === 0 ? 101 : point}
}

/** Set in a trace reason when the packet is or was encrypted. */
export const traceEncrypted = 0x80

/** Why a packet was let through, by datapath number, with flow.TraceReason. */
const traceReasons: readonly (readonly [name: string, proto: string, number: number])[] = [
  ['new', 'NEW', 1],
  ['established', 'ESTABLISHED', 2],
  ['reply', 'REPLY', 3],
  ['related', 'RELATED', 4],
  ['reopened', 'REOPENED', 5],
  ['unknown', 'TRACE_REASON_UNKNOWN', 0],
  ['srv6-encap', 'SRV6_ENCAP', 6],
  ['srv6-decap', 'SRV6_DECAP', 7],
  ['encrypt-overlay', 'ENCRYPT_OVERLAY', 8],
]

/** Name and flow API member of a trace reason; the encryption bit is ignored. Unknown numbers are `unknown`. */
export function traceReason(reason: number): {readonly name: string; readonly proto: string; readonly number: number} {
  const [name, proto, number] = traceReasons[reason & ~traceEncrypted] ?? traceReasons[5]!
  return {name, proto, number}
}

/** flow.Verdict. */
export const verdicts = {
  VERDICT_UNKNOWN: 0,
  FORWARDED: 1,
  DROPPED: 2,
  ERROR: 3,
  AUDIT: 4,
  REDIRECTED: 5,
  TRACED: 6,
  TRANSLATED: 7,
} as const
export type Verdict = keyof typeof verdicts

/** The verdict of a policy verdict event: negative is minus a drop code, positive a proxy port. */
export function verdictOfPolicy(verdict: number, audited: boolean): Verdict {
  if (verdict < 0) return 'DROPPED'
  if (verdict > 0) return 'REDIRECTED'
  return audited ? 'AUDIT' : 'FORWARDED'
}

/** What of a policy entry decided, by datapath number. */
export const policyMatches = ['none', 'L3-Only', 'L3-L4', 'L4-Only', 'all', 'L3-Proto', 'Proto-Only'] as const

/** Direction numbers of counters and verdicts. */
export const directions = ['unknown', 'ingress', 'egress', 'service'] as const
