/**
 * Why one end of a connection passes or is refused: the rule that decides, and, for what no rule allows, the rules that
 * come nearest to it with the conditions they miss. The verdict is that of the compiled sets; the conditions are read
 * from the rules they were compiled of.
 */
import type {Ip} from '../model/ip.ts'
import {protocolLabel, protocolNumbers} from '../model/port.ts'
import {formatRequirement, holds, type Selector} from '../model/selector.ts'
import {type ClusterModel, type Member, type ModelQuestion, subjectOf} from './cluster-model.ts'
import type {ExpandedPeers, ExpandedPolicy, ExpandedRule, ExpandedSpec} from './expand.ts'
import {type Direction, formatRuleRef, type Port, type RuleRef} from './rule.ts'

/** A condition of a rule that does not hold. */
export interface Missed {
  /** whose: that of the rule's own pods, of the other end, of what is asked for, or that nothing can enforce the rule */
  readonly of: 'subject' | 'peer' | 'port' | 'proxy'
  readonly wanted: string
  readonly found: string
}

export interface NearRule {
  readonly rule: string
  readonly missed: readonly Missed[]
}

/** `open`: no policy isolates this direction; `exempt`: policy is not asked. */
export type SideVerdict = 'allowed' | 'denied' | 'open' | 'exempt'

export interface Side {
  readonly subject: string
  readonly direction: Direction
  readonly verdict: SideVerdict
  readonly reason: string
  /** the rule that speaks */
  readonly rule: string | undefined
  /** policies that deny what no rule allows */
  readonly isolatedBy: readonly string[]
  /** rules that would have allowed it but for these conditions, the nearest first */
  readonly near: readonly NearRule[]
}

export interface Connection {
  readonly from: Member
  readonly to: Member
  readonly fromIp: Ip | undefined
  readonly toIp: Ip | undefined
  readonly protocol: number
  /** of the receiver; ICMP: the type */
  readonly port: number
}

export interface Explanation {
  readonly allowed: boolean
  readonly sides: readonly Side[]
}

const nearMax = 3

/** Both ends of a connection, the sender's first. Nodes have policies with the host firewall, other ends have none. */
export function explainConnection(model: ClusterModel, connection: Connection): Explanation {
  const {from, to, fromIp, toIp, protocol, port} = connection
  const sides: Side[] = []
  if (model.isJudged(from)) {
    sides.push(explainSide(model, {subject: from, direction: 'egress', peer: to, ip: toIp, protocol, port}))
  }
  if (model.isJudged(to)) {
    sides.push(explainSide(model, {subject: to, direction: 'ingress', peer: from, ip: fromIp, protocol, port}))
  }
  return {allowed: sides.every(({verdict}) => verdict !== 'denied'), sides}
}

export function explainSide(model: ClusterModel, question: ModelQuestion): Side {
  const {subject, direction, peer} = question
  const side = {subject: subject.key, direction, rule: undefined, isolatedBy: [], near: []}
  if (peer.key === subject.key) return {...side, verdict: 'exempt', reason: `a ${subject.kind} always reaches itself`}
  const [sender, receiver] = direction === 'ingress' ? [peer, subject] : [subject, peer]
  if (sender.kind === 'node' && receiver.kind === 'pod' && sender.node === receiver.node) {
    return {...side, verdict: 'exempt', reason: 'a node always reaches its own pods'}
  }
  const resolved = model.resolve(subject, direction)
  if (resolved === 'open') return {...side, verdict: 'open', reason: `no policy isolates ${direction}`}
  const {allowed, rule, byDefault} = model.ask(question)
  const isolatedBy = resolved.isolatedBy === 'mode' ? [] : resolved.isolatedBy.map(formatRuleRef)
  const said = {...side, isolatedBy, rule: rule === undefined || byDefault ? undefined : formatRuleRef(rule)}
  if (allowed) {
    const failsafe = rule === undefined && !byDefault
    const why = failsafe ? 'it keeps the node within reach, whatever policies say' : 'a rule allows it'
    return {...said, verdict: 'allowed', reason: byDefault ? 'no rule denies it' : why}
  }
  if (!byDefault) {
    const filter = resolved.rules.some((one) => one.action === 'filter' && sameRule(one.ref, rule!))
    const reason = filter ? 'the rule needs a proxy, which is not available' : 'a rule denies it'
    return {...said, verdict: 'denied', reason}
  }
  const reason = resolved.isolatedBy === 'mode' ? 'no rule allows it (enforcement is "always")' : 'no rule allows it'
  return {...said, verdict: 'denied', reason, near: nearRules(model, question)}
}

/** The allowing rules that miss fewest conditions, also of policies that would be for this pod but for some label. */
function nearRules(model: ClusterModel, question: ModelQuestion): NearRule[] {
  const {subject, direction, peer, ip} = question
  // peers are asked about what they are to this one
  const asked = {...question, peer: {...peer, labels: model.peerLabels(peer, subject, ip)}}
  const found = model.policies.flatMap((policy) =>
    policy.specs.flatMap((spec) => {
      const about = missedBySubject(policy, spec, subject)
      if (about === undefined) return []
      return spec.rules
        .filter((rule) => rule.direction === direction && rule.action !== 'deny')
        .map((rule): NearRule => ({rule: formatRuleRef(rule.ref), missed: [...about, ...missedBy(rule, asked)]}))
    }),
  )
  found.sort((a, b) => a.missed.length - b.missed.length)
  const least = found[0]?.missed.length ?? 0
  return found.filter(({missed}) => missed.length === least).slice(0, nearMax)
}

/** undefined: the policy is not for this kind of thing, or for another namespace, or misses more than one label. */
function missedBySubject(
  {ref}: ExpandedPolicy,
  {subject: wanted}: ExpandedSpec,
  subject: Member,
): Missed[] | undefined {
  if ((wanted.kind === 'nodes') !== (subjectOf(subject).kind === 'node')) return undefined
  if (ref.namespace !== '' && !subject.key.startsWith(`${ref.namespace}/`)) return undefined
  const missed = unmet(wanted.selector, subject, 'subject')
  return missed === undefined || missed.length > 1 ? undefined : missed
}

function missedBy({peers, ports, action}: ExpandedRule, question: ModelQuestion): Missed[] {
  const missed = [...missedByPeer(peers, question), ...missedByPort(ports, question)]
  if (action === 'filter') missed.push({of: 'proxy', wanted: 'a proxy', found: 'none is available'})
  return missed
}

/** Of several ways to be the peer, what the nearest misses. */
function missedByPeer({any, selectors, cidrs}: ExpandedPeers, {peer, ip}: ModelQuestion): Missed[] {
  if (any) return []
  const ways: Missed[][] = selectors.flatMap((selector) => {
    const missed = unmet(selector, peer, 'peer')
    return missed === undefined ? [] : [missed]
  })
  for (const {items, reach} of cidrs) {
    const text = items.map(({cidr, except}) => [cidr, ...except.map((hole) => `not ${hole}`)].join(' ')).join(', ')
    const inside = items.some(
      ({cidr, except}) => ip !== undefined && cidr.contains(ip) && !except.some((hole) => hole.contains(ip)),
    )
    if (inside && (reach === 'everywhere' || peer.kind === 'outside')) return []
    const found = ip === undefined ? 'no address' : String(ip)
    const place = inside ? `${found} is a ${peer.kind}: prefixes mean addresses outside the cluster` : found
    ways.push([{of: 'peer', wanted: text, found: place}])
  }
  ways.sort((a, b) => a.length - b.length)
  return ways[0] ?? [{of: 'peer', wanted: 'nobody', found: peer.key}]
}

/** The labels that somebody lacks; undefined for what selects nobody. */
function unmet(selector: Selector, {labels}: Member, of: Missed['of']): Missed[] | undefined {
  if (selector.kind === 'any') return []
  if (selector.kind !== 'match') return undefined
  return selector.requirements
    .filter((requirement) => !holds(requirement, labels))
    .map((requirement) => {
      const has = labels.withKey(requirement.key)
      return {of, wanted: formatRequirement(requirement), found: has.length === 0 ? 'no such label' : has.join(', ')}
    })
}

function missedByPort(
  ports: ExpandedRule['ports'],
  {protocol, port, direction, subject, peer}: ModelQuestion,
): Missed[] {
  if (ports.kind === 'any') return []
  const receiver = direction === 'ingress' ? subject : peer
  const meaning = ({name, protocol: wanted}: Extract<Port, {kind: 'name'}>) =>
    (receiver.namedPorts.get(name) ?? []).filter((one) => one.protocol === wanted).map((one) => one.port)
  const list = ports.kind === 'none' ? [] : ports.of
  const matches = list.some(
    (one) =>
      one.protocol === protocol &&
      (one.kind === 'protocol' ||
        (one.kind === 'range' && one.first <= port && port <= one.last) ||
        (one.kind === 'icmp' && one.type === port) ||
        (one.kind === 'name' && meaning(one).includes(port))),
  )
  if (matches) return []
  const wanted = list.map((one) => {
    const text = formatPort(one)
    if (one.kind !== 'name') return text
    const numbers = meaning(one)
    return `${text} (${numbers.length === 0 ? `${receiver.key} has no such port` : `${numbers.join(', ')} there`})`
  })
  return [{of: 'port', wanted: wanted.join(', ') || 'no port', found: formatAsked(protocol, port)}]
}

/** `TCP/80`, `TCP/8000-8080`, `UDP`, `TCP/http`, `ICMP/8`. */
export function formatPort(port: Port): string {
  const protocol = protocolLabel(port.protocol)
  switch (port.kind) {
    case 'protocol':
      return protocol
    case 'range':
      return `${protocol}/${port.first === port.last ? port.first : `${port.first}-${port.last}`}`
    case 'icmp':
      return `${protocol}/${port.type}`
    case 'name':
      return `${protocol}/${port.name}`
  }
}

export function formatAsked(protocol: number, port: number): string {
  const {tcp, udp, sctp, icmp, icmpv6} = protocolNumbers
  return [tcp, udp, sctp, icmp, icmpv6].some((one) => one === protocol)
    ? `${protocolLabel(protocol)}/${port}`
    : protocolLabel(protocol)
}

function sameRule(a: RuleRef, b: RuleRef): boolean {
  return formatRuleRef(a) === formatRuleRef(b)
}
