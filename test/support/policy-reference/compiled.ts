/** The same world through the compiler: who asks, what number that is, and what the rule sets answer. */
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {LabelSet, nodeLabels, podLabels} from '../../../src/model/labels.ts'
import {parseProtocol, protocolNumbers} from '../../../src/model/port.ts'
import type {NamedPorts} from '../../../src/policy/cidr-classes.ts'
import {ClusterModel, type Member, outsideMember} from '../../../src/policy/cluster-model.ts'
import type {ExpandedPolicy} from '../../../src/policy/expand.ts'
import {failsafePorts} from '../../../src/policy/failsafe.ts'
import type {RuleSetLookup} from '../../../src/policy/lookup.ts'
import {nodeAsPeer} from '../../../src/policy/node-peer.ts'
import {defaultPolicyOptions, type PolicyOptions} from '../../../src/policy/options.ts'
import type {PeerGroups} from '../../../src/policy/peer-groups.ts'
import {checkPolicyObject} from '../../../src/policy/policy-object.ts'
import type {Policy, RuleRef} from '../../../src/policy/rule.ts'
import {objectLabels} from '../../../src/policy/universe.ts'
import {isPod, type Party, type PolicyObject, type Question, type Subject, type World, type WorldPod} from './world.ts'

export class CompiledWorld {
  readonly world: World
  readonly model: ClusterModel
  private readonly members = new Map<object | string, Member>()
  /** by address: identity and class */
  private readonly known = new Map<string, readonly [number, number]>()

  constructor(world: World) {
    this.world = world
    const {cluster, nodeSelectors} = world
    const options: PolicyOptions = {...defaultPolicyOptions, cluster, nodeSelectors, hostFirewall: true}
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
    this.model = new ClusterModel({
      policies: world.policies.map((object) => check(object, options)),
      ...{references, options, mode: world.mode, cidrMatchesNodes: world.cidrMatchesNodes},
      ...(world.failsafe === undefined
        ? {}
        : {failsafe: failsafePorts({...world.failsafe, apiServer: [world.failsafe.apiServer]})}),
      members: [
        ...world.pods.map((pod) => this.member({kind: 'pod', pod, ip: pod.ips[0]!})),
        ...world.nodes.map((node) => this.member({kind: 'node', node, ip: node.ips[0]!})),
      ],
    })
  }

  get policies(): readonly ExpandedPolicy[] {
    return this.model.policies
  }

  get groups(): PeerGroups {
    return this.model.groups
  }

  ask({subject, direction, peer, protocol, port}: Question): {allowed: boolean; rule: RuleRef | undefined} {
    return this.model.ask({
      ...{subject: this.subjectMember(subject), direction, peer: this.member(peer), protocol, port},
      ip: Ip.of(peer.ip),
    })
  }

  setOf(subject: Subject, direction: 'ingress' | 'egress'): RuleSetLookup | 'open' {
    return this.model.setOf(this.subjectMember(subject), direction)
  }

  /** Identity and class of an address. */
  peerNumbers(peer: Party): readonly [number, number] {
    let numbers = this.known.get(peer.ip)
    if (numbers === undefined) {
      numbers = [this.identityOf(peer), this.model.classOf(this.member(peer), Ip.of(peer.ip))]
      this.known.set(peer.ip, numbers)
    }
    return numbers
  }

  identityOf(peer: Party): number {
    return this.model.identityOf(
      this.member(peer),
      this.member({kind: 'pod', pod: this.world.pods[0]!, ip: ''}),
      Ip.of(peer.ip),
    )
  }

  private subjectMember(subject: Subject): Member {
    const ip = subject.ips[0]!
    return this.member(isPod(subject) ? {kind: 'pod', pod: subject, ip} : {kind: 'node', node: subject, ip})
  }

  member(party: Party): Member {
    const of = party.kind === 'pod' ? party.pod : party.kind === 'node' ? party.node : party.ip
    let member = this.members.get(of)
    if (member === undefined) this.members.set(of, (member = this.makeMember(party)))
    return member
  }

  private makeMember(party: Party): Member {
    const nobody = {labels: LabelSet.empty, namedPorts: new Map(), node: '', apiServer: false}
    switch (party.kind) {
      case 'outside':
        return outsideMember(party.ip, [Ip.of(party.ip)])
      case 'node': {
        const {name, apiServer, ips, local, labels} = party.node
        return {
          ...nobody,
          ...{key: `node/${name}`, kind: 'node', node: local ? 'local' : name, apiServer},
          labels: nodeLabels(labels),
          ...(this.world.nodeSelectors ? {asPeer: nodeAsPeer(labels, {cluster: this.world.cluster, apiServer})} : {}),
          ips: ips.map((ip) => Ip.of(ip)),
        }
      }
      case 'pod': {
        const {pod} = party
        return {
          ...{key: `${pod.namespace}/${pod.name}`, kind: 'pod', node: 'local', apiServer: false},
          labels: labelsOf(this.world, pod),
          ips: pod.ips.map((ip) => Ip.of(ip)),
          namedPorts: portsOf(pod),
        }
      }
    }
  }
}

function check(object: PolicyObject, options: PolicyOptions): Policy {
  const checked = checkPolicyObject(object.kind, object, options)
  if (!checked.ok) throw new Error(`refused: ${JSON.stringify(checked.problems)} in ${JSON.stringify(object)}`)
  return checked.policy
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
