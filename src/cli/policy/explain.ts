/** `cilium policy explain`: may this pod reach that one, and which rule says so. */
import {protocolNumbers} from '../../model/port.ts'
import {ClusterModel} from '../../policy/cluster-model.ts'
import {type Explanation, explainConnection, formatAsked, type NearRule, type Side} from '../../policy/explain.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import type {Style} from '../render/style.ts'
import {clean} from '../render/text.ts'
import {type ClusterObjects, type PolicySource, readClusterObjects} from './cluster-objects.ts'
import {type AskedPort, type End, findEnds, splitPort} from './ends.ts'
import {checkSource, factsOf, policyOptionsOf} from './facts.ts'
import {nameOfPolicy, refOfSource} from './policy-name.ts'

export interface ExplainedConnection extends Explanation {
  readonly from: string
  readonly to: string
  /** `TCP/80`, of the receiver */
  readonly port: string
  /** families in which this is so */
  readonly families: readonly (4 | 6)[]
}

export interface ExplainReport {
  /** policies that count as absent, because they are invalid */
  readonly invalid: readonly string[]
  readonly connections: readonly ExplainedConnection[]
}

/** @throws POLICY_END_INVALID, POLICY_END_UNKNOWN, POLICY_PORT_INVALID; errors of the Kubernetes client */
export async function explainPolicy(
  options: ClusterOptions,
  {from, to}: {readonly from: string; readonly to: string},
  signal: AbortSignal,
): Promise<ExplainReport> {
  const [target, port] = splitPort(to)
  const cluster = await readClusterObjects(options, signal)
  return explainAmong(cluster, cluster.policies, from, target, port)
}

/** The same without a cluster to ask. */
export function explainAmong(
  cluster: ClusterObjects,
  policies: readonly PolicySource[],
  from: string,
  to: string,
  port: AskedPort,
): ExplainReport {
  const model = new ClusterModel(factsOf(cluster, policies))
  const {members} = model.facts
  const ends = [findEnds(from, cluster, members), findEnds(to, cluster, members, port)] as const
  return {invalid: invalidAmong(cluster, policies), connections: explainEnds(model, ...ends, port)}
}

/** The policies that agents refuse. */
export function invalidAmong({config}: ClusterObjects, policies: readonly PolicySource[]): string[] {
  const options = policyOptionsOf(config)
  return policies
    .filter((source) => !checkSource(source, options).ok)
    .map((source) => nameOfPolicy(refOfSource(source)))
}

/** Every pair that can talk; families in which the same is said are told together. */
export function explainEnds(
  model: ClusterModel,
  senders: readonly End[],
  receivers: readonly End[],
  asked: AskedPort,
): ExplainedConnection[] {
  const found = new Map<string, ExplainedConnection>()
  for (const from of senders) {
    for (const to of receivers) {
      const family = from.ip?.family ?? to.ip?.family
      if (to.ip !== undefined && from.ip !== undefined && to.ip.family !== from.ip.family) continue
      // ICMP belongs to one family
      if (asked.protocol === protocolNumbers.icmp && family === 6) continue
      if (asked.protocol === protocolNumbers.icmpv6 && family === 4) continue
      const {protocol} = asked
      const port = to.port ?? asked.port
      const explanation = explainConnection(model, {
        ...{from: from.member, to: to.member, fromIp: from.ip, toIp: to.ip, protocol, port},
      })
      const one = {from: from.member.key, to: to.member.key, port: formatAsked(protocol, port), ...explanation}
      const key = JSON.stringify(one)
      const families = family === undefined ? [] : [family]
      found.set(key, {...one, families: [...(found.get(key)?.families ?? []), ...families]})
    }
  }
  return [...found.values()]
}

export function explainText({invalid, connections}: ExplainReport, style: Style): string {
  const left = invalid
    .map((name) => `${style.warn('left out')}: ${clean(name)} is invalid (cilium policy check)\n`)
    .join('')
  if (connections.length === 0) return `${left}these ends share no address family\n`
  return left + connections.map((one) => connectionText(one, style)).join('\n')
}

function connectionText({from, to, port, families, allowed, sides}: ExplainedConnection, style: Style): string {
  const verdict = allowed ? style.good('allowed') : style.bad('denied')
  const family = families.length === 1 ? ` (IPv${families[0]})` : ''
  const lines = [`${clean(from)} → ${clean(to)} ${port}${family}: ${verdict}`]
  for (const side of sides) lines.push(...sideLines(side, style))
  if (sides.length === 0) lines.push('  no policy is asked: neither end is a pod, or a node with a host firewall')
  return `${lines.join('\n')}\n`
}

function sideLines({subject, direction, verdict, reason, rule, isolatedBy, near}: Side, style: Style): string[] {
  const word = verdict === 'denied' ? style.bad('denied') : verdict === 'allowed' ? style.good('allowed') : verdict
  const lines = [`  ${direction} of ${clean(subject)}: ${word}, ${reason}`]
  if (rule !== undefined) lines.push(`    by ${clean(rule)}`)
  else if (verdict === 'denied') for (const policy of isolatedBy) lines.push(`    isolated by ${clean(policy)}`)
  for (const one of near) lines.push(...nearLines(one))
  return lines
}

function nearLines({rule, missed}: NearRule): string[] {
  return [
    `    nearest ${clean(rule)}`,
    ...missed.map(({of, wanted, found}) => `      ${of}: wants ${clean(wanted)}; is ${clean(found)}`),
  ]
}
