/** The same world through the compiler: who asks, what number that is, and what the rule sets answer. */
import {createHash} from 'node:crypto'
import {Cidr} from '../../../src/model/cidr.ts'
import {reservedIdentities, reservedLabels} from '../../../src/model/identity.ts'
import {Ip} from '../../../src/model/ip.ts'
import {type LabelSet, podLabels} from '../../../src/model/labels.ts'
import {parseProtocol, protocolNumbers} from '../../../src/model/port.ts'
import {CidrClasses, type ClassVariant, type NamedPorts, namedPortsText} from '../../../src/policy/cidr-classes.ts'
import {checkCiliumPolicy} from '../../../src/policy/cilium-policy.ts'
import {compileRules} from '../../../src/policy/compile.ts'
import {cidrSelectorsOf, type ExpandedPolicy, expandPolicy} from '../../../src/policy/expand.ts'
import {RuleSetLookup} from '../../../src/policy/lookup.ts'
import {checkNetworkPolicy} from '../../../src/policy/network-policy.ts'
import {defaultPolicyOptions, type PolicyOptions} from '../../../src/policy/options.ts'
import {PeerGroups} from '../../../src/policy/peer-groups.ts'
import {inOrder, resolveRules} from '../../../src/policy/resolve.ts'
import {RuleCookies} from '../../../src/policy/rule-cookies.ts'
import type {RuleSet} from '../../../src/policy/rule-set.ts'
import {objectLabels, type PeerIdentity} from '../../../src/policy/universe.ts'
import type {Party, PolicyObject, Question, World, WorldPod} from './world.ts'

/** The steps that a mutant may replace. */
export interface CompilerParts {
  readonly compileRules: typeof compileRules
  readonly resolveRules: typeof resolveRules
  readonly expandPolicy: typeof expandPolicy
  readonly checkNetworkPolicy: typeof checkNetworkPolicy
  readonly checkCiliumPolicy: typeof checkCiliumPolicy
}

export const realParts: CompilerParts = {
  compileRules,
  resolveRules,
  expandPolicy,
  checkNetworkPolicy,
  checkCiliumPolicy,
}

export class CompiledWorld {
  readonly world: World
  readonly cookies = new RuleCookies()
  readonly policies: readonly ExpandedPolicy[]
  private readonly parts: CompilerParts
  private readonly classes: CidrClasses
  readonly groups = new PeerGroups()
  private readonly numbers = new Map<string, number>()
  private readonly sets = new Map<string, RuleSetLookup | 'open'>()
  /** by address: identity and class */
  private readonly known = new Map<string, readonly [number, number]>()

  constructor(world: World, parts: CompilerParts = realParts) {
    this.world = world
    this.parts = parts
    const options: PolicyOptions = {...defaultPolicyOptions, cluster: world.cluster}
    const references = {
      cidrGroups: world.cidrGroups.map(({name, labels, cidrs}) => ({
        name,
        labels: objectLabels(labels),
        cidrs: cidrs.map((cidr) => Cidr.of(cidr)),
      })),
      services: world.services.map(({namespace, name, labels, selector, backends}) => ({
        ...{namespace, name, selector},
        labels: objectLabels(labels),
        backends: backends.map((ip) => Ip.of(ip)),
      })),
    }
    this.policies = inOrder(
      world.policies.map((object) => parts.expandPolicy(this.check(object, options), references, options)),
    )
    this.classes = new CidrClasses(cidrSelectorsOf(this.policies))
    for (const identity of this.peerIdentities()) this.groups.setIdentity(identity)
    // pods' classes come to be when their addresses are looked at
    for (const pod of world.pods) for (const ip of pod.ips) this.classOf({kind: 'pod', pod, ip})
    this.groups.setClasses(this.classes.all)
  }

  ask({subject, direction, peer, protocol, port}: Question): {allowed: boolean; cookie: number} {
    const set = this.setOf(subject, direction)
    if (set === 'open') return {allowed: true, cookie: 0}
    const icmp = protocol === protocolNumbers.icmp || protocol === protocolNumbers.icmpv6
    const [identity, cidrClass] = this.peerNumbers(peer)
    const answer = set.ask({identity, cidrClass, protocol, port: icmp ? port + 1 : port})
    return {allowed: answer.verdict === 'allow', cookie: answer.cookie}
  }

  setOf(pod: WorldPod, direction: 'ingress' | 'egress'): RuleSetLookup | 'open' {
    const key = `${pod.namespace}/${pod.name} ${direction}`
    let set = this.sets.get(key)
    if (set === undefined) {
      const rules = this.compile(pod, direction)
      set = rules === 'open' ? rules : new RuleSetLookup(rules, this.groups)
      this.sets.set(key, set)
    }
    return set
  }

  /** Identity and class of an address. */
  peerNumbers(peer: Party): readonly [number, number] {
    let numbers = this.known.get(peer.ip)
    if (numbers === undefined) {
      numbers = [this.identityOf(peer), this.classOf(peer)]
      this.known.set(peer.ip, numbers)
    }
    return numbers
  }

  identityOf(peer: Party): number {
    if (peer.kind === 'outside') {
      return peer.ip.includes(':') ? reservedIdentities['world-ipv6'] : reservedIdentities['world-ipv4']
    }
    if (peer.kind === 'pod') return this.numbers.get(labelsOf(this.world, peer.pod).canonical)!
    if (peer.node.local) return reservedIdentities.host
    return peer.node.apiServer ? reservedIdentities['kube-apiserver'] : reservedIdentities['remote-node']
  }

  classOf(peer: Party): number {
    const ip = Ip.of(peer.ip)
    if (peer.kind === 'outside') return this.classes.at(ip, 'outside')
    if (peer.kind === 'node') return this.classes.at(ip, this.world.cidrMatchesNodes ? 'outside' : 'inside')
    const plain = this.classes.at(ip, 'inside')
    const identity = this.identityOf(peer)
    const namedPorts = portsOf(peer.pod)
    const differ = this.groups.identity(identity)?.namedPorts === 'differ'
    if (namedPorts.size === 0 || (!differ && plain === 0)) return plain
    const variant: ClassVariant = {identity, namedPorts}
    return this.classes.at(ip, 'inside', variant)
  }

  /** One text for all that has been compiled, for telling mutants from the original without asking. */
  fingerprint(): string {
    const hash = createHash('sha256')
    for (const pod of this.world.pods) {
      for (const direction of ['ingress', 'egress'] as const) {
        const set = this.setOf(pod, direction)
        hash.update(set === 'open' ? 'open' : set.set.hash)
      }
    }
    return hash.digest('hex')
  }

  private compile(pod: WorldPod, direction: 'ingress' | 'egress'): RuleSet | 'open' {
    const subject = {kind: 'endpoint', labels: labelsOf(this.world, pod), namedPorts: portsOf(pod)} as const
    const resolved = this.parts.resolveRules(this.policies, subject, direction, this.world.mode)
    if (resolved === 'open') return resolved
    return this.parts.compileRules(resolved, subject, this.groups, this.cookies)
  }

  private check(object: PolicyObject, options: PolicyOptions) {
    const checked =
      object.kind === 'NetworkPolicy'
        ? this.parts.checkNetworkPolicy(object, options)
        : this.parts.checkCiliumPolicy(object.kind, object, options)
    if (!checked.ok) {
      throw new Error(`refused: ${JSON.stringify(checked.problems)} in ${JSON.stringify(object)}`)
    }
    return checked.policy
  }

  private peerIdentities(): PeerIdentity[] {
    const found: PeerIdentity[] = Object.values(reservedIdentities).map((id) => ({
      id,
      labels: reservedLabels(id)!,
      namedPorts: new Map(),
    }))
    const byLabels = Map.groupBy(this.world.pods, (pod) => labelsOf(this.world, pod).canonical)
    for (const [canonical, pods] of byLabels) {
      const id = 256 + this.numbers.size
      this.numbers.set(canonical, id)
      const profiles = new Set(pods.map((pod) => namedPortsText(portsOf(pod))))
      const namedPorts = profiles.size > 1 ? 'differ' : portsOf(pods[0]!)
      found.push({id, labels: labelsOf(this.world, pods[0]!), namedPorts})
    }
    return found
  }
}

function labelsOf(world: World, pod: WorldPod): LabelSet {
  return podLabels({
    labels: pod.labels,
    namespace: pod.namespace,
    namespaceLabels: world.namespaces[pod.namespace],
    serviceAccount: pod.serviceAccount,
    cluster: world.cluster,
  })
}

function portsOf(pod: WorldPod): NamedPorts {
  const found = new Map<string, {protocol: number; port: number}[]>()
  for (const {name, protocol, port} of pod.ports) {
    const entry = {protocol: protocolNumbers[parseProtocol(protocol)!], port}
    found.set(name, [...(found.get(name) ?? []), entry])
  }
  return found
}
