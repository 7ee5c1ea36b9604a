/**
 * Everybody in a cluster and all its policies at once: who may talk to whom, by the rule sets that agents would make.
 * What an agent does for the pods of its node, this does for all pods, in memory: for explaining, checking and
 * previewing policies.
 */
import {reservedIdentities, reservedLabels} from '../model/identity.ts'
import type {Ip} from '../model/ip.ts'
import {LabelSet} from '../model/labels.ts'
import {protocolNumbers} from '../model/port.ts'
import {CidrClasses, type NamedPorts, namedPortsText} from './cidr-classes.ts'
import {compileRules} from './compile.ts'
import {cidrSelectorsOf, type ExpandedPolicy, expandPolicy} from './expand.ts'
import type {Failsafe} from './failsafe.ts'
import {RuleSetLookup} from './lookup.ts'
import type {PolicyOptions} from './options.ts'
import {PeerGroups} from './peer-groups.ts'
import {type EnforcementMode, inOrder, type PolicySubject, type Resolved, resolveRules} from './resolve.ts'
import type {Direction, Policy, RuleRef} from './rule.ts'
import {RuleCookies} from './rule-cookies.ts'
import type {PeerIdentity, References} from './universe.ts'

/** Somebody who sends or receives. */
export interface Member {
  /** `default/web`, `node/n1`, `203.0.113.7` */
  readonly key: string
  readonly kind: 'pod' | 'node' | 'outside'
  /** of pods: those that count for identities */
  readonly labels: LabelSet
  readonly ips: readonly Ip[]
  readonly namedPorts: NamedPorts
  /** the node it is, or runs on; empty outside */
  readonly node: string
  /** of nodes: the API server runs there */
  readonly apiServer: boolean
  /** of nodes that policies tell apart by labels: what it is known by to others, and to its own pods */
  readonly asPeer?: {readonly remote: LabelSet; readonly host: LabelSet}
}

export interface ClusterFacts {
  readonly policies: readonly Policy[]
  readonly references: References
  readonly options: PolicyOptions
  readonly mode: EnforcementMode
  /** prefixes of Cilium policies mean nodes, too (`policy-cidr-match-mode`) */
  readonly cidrMatchesNodes: boolean
  readonly members: readonly Member[]
  /** what stays open at nodes; missing: nothing */
  readonly failsafe?: Failsafe
}

/** What one end is asked. Port of the receiver in host order; ICMP: the type. */
export interface ModelQuestion {
  readonly subject: Member
  readonly direction: Direction
  readonly peer: Member
  /** the peer's address; none when it is known by labels alone */
  readonly ip: Ip | undefined
  readonly protocol: number
  readonly port: number
}

export interface ModelAnswer {
  readonly allowed: boolean
  /** the rule that spoke, or the policy that isolates; undefined: nothing isolates, or the mode does */
  readonly rule: RuleRef | undefined
  /** no rule spoke: what an empty look-up means */
  readonly byDefault: boolean
}

/** The node's own identity where the API server runs on it: what it is called in here alone. */
const hostOfApiServer = 255

export class ClusterModel {
  readonly facts: ClusterFacts
  readonly policies: readonly ExpandedPolicy[]
  readonly cookies = new RuleCookies()
  readonly groups = new PeerGroups()
  private readonly classes: CidrClasses
  private readonly numbers = new Map<string, number>()
  private readonly sets = new Map<string, RuleSetLookup | 'open'>()

  constructor(facts: ClusterFacts) {
    this.facts = facts
    const {references, options, members} = facts
    this.policies = inOrder(facts.policies.map((policy) => expandPolicy(policy, references, options)))
    this.classes = new CidrClasses(cidrSelectorsOf(this.policies))
    for (const identity of this.identities()) this.groups.setIdentity(identity)
    // classes of pods come to be when their addresses are looked at
    for (const member of members) {
      if (member.kind === 'pod') for (const ip of member.ips) this.classOf(member, ip)
    }
    this.groups.setClasses(this.classes.all)
  }

  ask({subject, direction, peer, ip, protocol, port}: ModelQuestion): ModelAnswer {
    const set = this.setOf(subject, direction)
    if (set === 'open') return {allowed: true, rule: undefined, byDefault: true}
    const icmp = protocol === protocolNumbers.icmp || protocol === protocolNumbers.icmpv6
    const answer = set.ask({
      identity: this.identityOf(peer, subject, ip),
      cidrClass: ip === undefined ? 0 : this.classOf(peer, ip),
      protocol,
      port: icmp ? port + 1 : port,
    })
    return {
      allowed: answer.verdict === 'allow',
      rule: this.cookies.ruleOf(answer.cookie),
      byDefault: answer.rule === undefined,
    }
  }

  /** The rules that stand over somebody. */
  resolve(subject: Member, direction: Direction): Resolved | 'open' {
    const {mode} = this.facts
    // `always` is about pods
    const own = subject.kind === 'node' && mode === 'always' ? 'default' : mode
    return resolveRules(this.policies, subjectOf(subject), direction, own)
  }

  setOf(subject: Member, direction: Direction): RuleSetLookup | 'open' {
    const key = `${direction} ${subject.kind} ${subject.labels.canonical} ${namedPortsText(subject.namedPorts)}`
    let set = this.sets.get(key)
    if (set === undefined) {
      const resolved = this.resolve(subject, direction)
      set =
        resolved === 'open'
          ? resolved
          : new RuleSetLookup(compileRules(resolved, this.compiledFor(subject), this.groups, this.cookies), this.groups)
      this.sets.set(key, set)
    }
    return set
  }

  private compiledFor(subject: Member): PolicySubject {
    const {failsafe} = this.facts
    return {...subjectOf(subject), ...(subject.kind === 'node' && failsafe !== undefined ? {failsafe} : {})}
  }

  /** Is policy asked about what this one sends and receives? */
  isJudged({kind}: Member): boolean {
    return kind === 'pod' || (kind === 'node' && this.facts.options.hostFirewall)
  }

  /** By which identity somebody knows a peer. */
  identityOf(peer: Member, subject: Member, ip: Ip | undefined): number {
    switch (peer.kind) {
      case 'outside':
        return ip?.family === 6 ? reservedIdentities['world-ipv6'] : reservedIdentities['world-ipv4']
      case 'pod': {
        const number = this.numbers.get(peer.labels.canonical)
        if (number === undefined) throw new RangeError(`${peer.key} is no member`)
        return number
      }
      case 'node':
        if (peer.asPeer !== undefined) {
          const {remote, host} = peer.asPeer
          return this.numbers.get((peer.node === subject.node ? host : remote).canonical)!
        }
        if (peer.node === subject.node) return peer.apiServer ? hostOfApiServer : reservedIdentities.host
        return peer.apiServer ? reservedIdentities['kube-apiserver'] : reservedIdentities['remote-node']
    }
  }

  /** What selectors of rules are asked about when somebody is the other end. */
  peerLabels(peer: Member, subject: Member, ip: Ip | undefined): LabelSet {
    return this.groups.identity(this.identityOf(peer, subject, ip))!.labels
  }

  classOf(peer: Member, ip: Ip): number {
    if (peer.kind === 'outside') return this.classes.at(ip, 'outside')
    if (peer.kind === 'node') return this.classes.at(ip, this.facts.cidrMatchesNodes ? 'outside' : 'inside')
    const plain = this.classes.at(ip, 'inside')
    const identity = this.numbers.get(peer.labels.canonical)!
    const {namedPorts} = peer
    const differ = this.groups.identity(identity)?.namedPorts === 'differ'
    if (namedPorts.size === 0 || (!differ && plain === 0)) return plain
    return this.classes.at(ip, 'inside', {identity, namedPorts})
  }

  private identities(): PeerIdentity[] {
    const found: PeerIdentity[] = Object.values(reservedIdentities).map((id) => ({
      id,
      labels: reservedLabels(id)!,
      namedPorts: new Map(),
    }))
    const labels = reservedLabels(reservedIdentities.host, {apiServerHere: true})!
    found.push({id: hostOfApiServer, labels, namedPorts: new Map()})
    const pods = this.facts.members.filter(({kind}) => kind === 'pod')
    for (const [canonical, same] of Map.groupBy(pods, (pod) => pod.labels.canonical)) {
      const id = 256 + this.numbers.size
      this.numbers.set(canonical, id)
      const profiles = new Set(same.map(({namedPorts}) => namedPortsText(namedPorts)))
      const [first] = same
      found.push({id, labels: first!.labels, namedPorts: profiles.size > 1 ? 'differ' : first!.namedPorts})
    }
    const nodes = this.facts.members.flatMap(({asPeer}) => (asPeer === undefined ? [] : [asPeer.remote, asPeer.host]))
    for (const [canonical, same] of Map.groupBy(nodes, (one) => one.canonical)) {
      const id = 256 + this.numbers.size
      this.numbers.set(canonical, id)
      found.push({id, labels: same[0]!, namedPorts: new Map()})
    }
    return found
  }
}

/** Somebody outside the cluster. */
export function outsideMember(key: string, ips: readonly Ip[]): Member {
  return {key, kind: 'outside', labels: LabelSet.empty, ips, namedPorts: new Map(), node: '', apiServer: false}
}

export function subjectOf({kind, labels, namedPorts}: Member): PolicySubject {
  return {kind: kind === 'node' ? 'node' : 'endpoint', labels, namedPorts}
}
