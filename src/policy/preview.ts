/**
 * Which connections a change of policies allows or cuts: everybody whom a changed policy is for, towards everybody else
 * and back, over every stretch of ports that rules tell apart. Peers that no rule tells apart are asked about once.
 */
import {Ip} from '../model/ip.ts'
import {selects} from '../model/selector.ts'
import {type ClusterModel, type Member, outsideMember, subjectOf} from './cluster-model.ts'
import {cidrSelectorsOf} from './expand.ts'
import {type Explanation, explainConnection} from './explain.ts'
import {joinStretches, type PortStretch, portStretches} from './port-ranges.ts'
import {samePolicy} from './review.ts'
import {directions, type PolicyRef, type Ports, somePorts} from './rule.ts'

/** Ends that policies cannot tell apart. */
export interface Party {
  /** the first of them */
  readonly name: string
  readonly members: readonly string[]
}

export interface Change {
  readonly from: Party
  readonly to: Party
  readonly ports: readonly string[]
  readonly before: 'allowed' | 'denied'
  readonly after: 'allowed' | 'denied'
  /** what decides after the change */
  readonly reason: string
}

interface Ends {
  readonly party: Party
  readonly member: Member
  readonly ip: Ip | undefined
}

/** @param changed the policies that differ between the two */
export function previewChange(now: ClusterModel, then: ClusterModel, changed: readonly PolicyRef[]): Change[] {
  const ends = allEnds(now, then)
  const touched = ends.filter(({member}) => [now, then].some((model) => concerns(model, changed, member)))
  const stretches = portStretches(
    [
      ...[now, then].flatMap(({policies}) =>
        policies.flatMap(({specs}) => specs.flatMap((spec) => spec.rules.map(({ports}) => ports))),
      ),
      ...failsafeOf(then),
    ],
    now.facts.members.flatMap(({namedPorts}) => [...namedPorts.values()].flat()),
  )
  const changes: Change[] = []
  const asked = new Set<string>()
  for (const subject of touched) {
    for (const other of ends) {
      for (const [from, to] of [
        [subject, other],
        [other, subject],
      ] as const) {
        const key = `${from.party.name} ${from.ip} → ${to.party.name} ${to.ip}`
        if (asked.has(key) || from.ip?.family !== to.ip?.family) continue
        asked.add(key)
        changes.push(...compare(now, then, from, to, stretches))
      }
    }
  }
  return merge(changes)
}

function compare(
  now: ClusterModel,
  then: ClusterModel,
  from: Ends,
  to: Ends,
  stretches: readonly PortStretch[],
): Change[] {
  const byOutcome = new Map<
    string,
    {readonly stretches: PortStretch[]; readonly allowed: boolean; readonly reason: string}
  >()
  for (const stretch of stretches) {
    const connection = {from: from.member, to: to.member, fromIp: from.ip, toIp: to.ip, protocol: stretch.protocol}
    const before = passes(now, {...connection, port: stretch.first})
    const after = passes(then, {...connection, port: stretch.first})
    if (before === after) continue
    const reason = reasonOf(explainConnection(then, {...connection, port: stretch.first}))
    const key = `${after} ${reason}`
    const known = byOutcome.get(key)
    if (known === undefined) byOutcome.set(key, {stretches: [stretch], allowed: after, reason})
    else known.stretches.push(stretch)
  }
  return Array.from(byOutcome.values(), ({stretches: found, allowed, reason}) => ({
    from: from.party,
    to: to.party,
    ports: joinStretches(found).map(({text}) => text),
    before: allowed ? 'denied' : 'allowed',
    after: allowed ? 'allowed' : 'denied',
    reason,
  }))
}

/** The verdict alone, without looking for reasons. */
function passes(
  model: ClusterModel,
  {from, to, fromIp, toIp, protocol, port}: Parameters<typeof explainConnection>[1],
): boolean {
  // a node always reaches its own pods
  if (from.key === to.key || (from.kind === 'node' && to.kind === 'pod' && from.node === to.node)) return true
  const out =
    !model.isJudged(from) || model.ask({subject: from, direction: 'egress', peer: to, ip: toIp, protocol, port}).allowed
  if (!out) return false
  if (!model.isJudged(to)) return true
  return model.ask({subject: to, direction: 'ingress', peer: from, ip: fromIp, protocol, port}).allowed
}

function reasonOf({allowed, sides}: Explanation): string {
  const decisive = sides.find(({verdict}) => verdict === (allowed ? 'allowed' : 'denied')) ?? sides.at(-1)
  if (decisive === undefined) return ''
  const by = decisive.rule ?? (decisive.isolatedBy.length > 0 ? decisive.isolatedBy.join(', ') : '')
  return [decisive.reason, by].filter((text) => text !== '').join(': ')
}

/** What stays open at nodes, where any rule is about one. */
function failsafeOf({policies, facts}: ClusterModel): Ports[] {
  const {failsafe} = facts
  if (failsafe === undefined) return []
  if (!policies.some(({specs}) => specs.some(({subject}) => subject.kind === 'nodes'))) return []
  return directions.flatMap((direction) => {
    const {anybody, nodes} = failsafe[direction]
    return [somePorts(anybody), somePorts(nodes)]
  })
}

/** Everybody, once for each kind that the two models tell apart, in both families; and the world by its prefixes. */
function allEnds(now: ClusterModel, then: ClusterModel): Ends[] {
  const parties = new Map<string, {members: string[]; member: Member; ip: Ip | undefined}>()
  const models = [now, then]
  for (const member of now.facts.members) {
    for (const ip of member.ips) {
      const classes = models.map((model) => model.classOf(member, ip)).join(' ')
      const ports = JSON.stringify([...member.namedPorts])
      // nodes are told apart by who lives on them
      const key = [
        member.kind,
        member.kind === 'node' ? member.key : member.labels.canonical,
        classes,
        ports,
        ip.family,
      ].join('|')
      const known = parties.get(key)
      if (known === undefined) parties.set(key, {members: [member.key], member, ip})
      else known.members.push(member.key)
    }
  }
  const inside = Array.from(parties.values(), ({members, member, ip}) => ({
    party: {name: member.key, members},
    member,
    ip,
  }))
  return [...inside, ...world(models)]
}

function world(models: readonly ClusterModel[]): Ends[] {
  const prefixes = new Map(
    models
      .flatMap(({policies}) => cidrSelectorsOf(policies))
      .flatMap(({items}) => items.flatMap(({cidr, except}) => [cidr, ...except]))
      .map((cidr) => [String(cidr), cidr] as const),
  )
  const elsewhere = ['192.0.2.1', '2001:db8::1'].map((text) => Ip.of(text))
  const known = Array.from(prefixes, ([name, {network}]) => [name, network] as const)
  // the rest of the world, by addresses that nobody has
  const rest = elsewhere.map((ip) => [`world IPv${ip.family}`, ip] as const)
  return [...known, ...rest].map(([name, ip]) => ({
    party: {name, members: [name]},
    member: outsideMember(name, [ip]),
    ip,
  }))
}

function concerns(model: ClusterModel, changed: readonly PolicyRef[], member: Member): boolean {
  return model.policies.some(
    ({ref, specs}) =>
      changed.some((one) => samePolicy(one, ref)) &&
      specs.some(
        ({subject}) =>
          (subject.kind === 'nodes') === (subjectOf(member).kind === 'node') &&
          selects(subject.selector, member.labels),
      ),
  )
}

/** IPv4 and IPv6 of one pair that change alike are told once. */
function merge(changes: readonly Change[]): Change[] {
  const found = new Map<string, Change>()
  for (const change of changes) {
    const key = JSON.stringify([change.from.name, change.to.name, change.ports, change.after])
    if (!found.has(key)) found.set(key, change)
  }
  // what is lost comes first
  const order = ({after, from, to, ports}: Change) => [after === 'denied' ? 0 : 1, from.name, to.name, ports].join(' ')
  return [...found.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1))
}
