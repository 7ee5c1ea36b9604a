/** Random policies for packet tests: a world of the reference evaluator in a node's maps, and packets that ask about it. */
import {HOST_SLOT} from '../../src/datapath/gen/constants.ts'
import {addressFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {endpointZero} from '../../src/datapath/gen/types.ts'
import {PolicyTables} from '../../src/datapath/maps/policy.ts'
import {CompiledWorld} from '../support/policy-reference/compiled.ts'
import {
  isPod,
  partiesOf,
  type Question,
  type Subject,
  type World,
  type WorldNode,
  type WorldPod,
} from '../support/policy-reference/world.ts'
import {addr, type BpfNode, devices, type Hook, macs, type Outcome} from './node.ts'
import {icmp, type Packet, tcp, udp} from './support/packet.ts'

/** A question, and a packet that asks it. */
export interface Sent {
  readonly question: Question
  readonly packet: Packet
}

/** Reasons that a packet can only meet once policy has let it pass. */
const later = new Set(['FIB_LOOKUP_FAILED', 'NO_MASQUERADE_ADDRESS', 'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE'])

/** undefined: something else than policy has spoken before it. */
export function passedPolicy({action, reason}: Outcome): boolean | undefined {
  if (action !== 'drop') return true
  if (reason === 'POLICY_DENIED' || reason === 'POLICY_DENY') return false
  return later.has(reason) ? true : undefined
}

/** The maps of a node, for one world after another. */
export class PolicyMaps {
  readonly node: BpfNode
  readonly tables: PolicyTables
  /** never used twice: flows of the world before know them */
  nextSet: number = ruleSetNumber.SET_FIRST

  constructor(node: BpfNode) {
    this.node = node
    this.tables = new PolicyTables((name) => node.fd(name))
  }

  close(): void {
    this.tables.close()
    this.node.close()
  }
}

/**
 * A world in the maps: addresses of everybody, sets of all its pods and of its node. Pod `a` plays one of its pods at a
 * time, the others are on other nodes.
 */
export class WrittenWorld {
  readonly #maps: PolicyMaps
  readonly #compiled: CompiledWorld
  readonly #sets: (readonly [number, Parameters<PolicyTables['write']>[1]])[] = []
  readonly #numbers = new Map<Subject, {ingress: number; egress: number}>()
  #playing: Subject | undefined

  constructor(maps: PolicyMaps, world: World) {
    this.#maps = maps
    this.#compiled = new CompiledWorld(world)
    const {node, tables} = maps
    node.reset()
    const {ADDRESS_NATIVE, ADDRESS_LOCAL_HOST, ADDRESS_REMOTE_NODE} = addressFlags
    for (const subject of [...world.pods, ...world.nodes.filter(({local}) => local)]) {
      this.#numbers.set(subject, {ingress: this.#write(subject, 'ingress'), egress: this.#write(subject, 'egress')})
    }
    tables.writePeers(this.#compiled.groups.takeChanges().rows)
    for (const party of partiesOf(world)) {
      const flags =
        party.kind === 'pod'
          ? ADDRESS_NATIVE
          : party.kind === 'outside'
            ? 0
            : party.node.local
              ? ADDRESS_LOCAL_HOST
              : ADDRESS_REMOTE_NODE
      const [identity, cidrClass] = this.#compiled.peerNumbers(party)
      node.address(party.ip, {identity, cidrClass, flags})
    }
  }

  /** @param sent of one subject and one direction, at least one */
  ask(sent: readonly Sent[], met: (question: Question, outcome: Outcome) => void): void {
    const {node} = this.#maps
    const {subject, direction} = sent[0]!.question
    if (this.#playing !== subject) this.#play(subject)
    const [hook, ifindex] = hookOf(subject, direction)
    const fromPod = hook === 'cil_from_container'
    let [next, at] = [0, 0]
    const frame = ({packet}: Sent) => (fromPod ? packet.mac(macs.a.pod, macs.a.node) : packet).bytes
    node.runMany(
      hook,
      sent.length,
      {ifindex},
      () => frame(sent[next++]!),
      (_, outcome) => met(sent[at++]!.question, outcome),
    )
  }

  [Symbol.dispose](): void {
    const {node, tables} = this.#maps
    for (const [number, set] of this.#sets) tables.remove(number, set)
    tables.writePeers(Array.from(this.#compiled.groups.allRows(), (row) => ({...row, groups: undefined})))
    for (const {ip} of partiesOf(this.#compiled.world)) node.addresses.delete(addr(ip))
  }

  #write(subject: Subject, direction: 'ingress' | 'egress'): number {
    const set = this.#compiled.setOf(subject, direction)
    if (set === 'open') return ruleSetNumber.SET_OPEN
    const number = this.#maps.nextSet++
    this.#maps.tables.write(number, set.set)
    this.#sets.push([number, set.set])
    return number
  }

  #play(subject: Subject): void {
    if (this.#playing !== undefined && isPod(this.#playing)) this.#place(this.#playing, 0)
    if (isPod(subject)) this.#playPod(subject)
    else this.#playNode(subject)
    this.#playing = subject
  }

  /** Pod `a` takes the part of this pod: its addresses and its sets. */
  #playPod(pod: WorldPod): void {
    this.#place(pod, 1 | (1 << 16))
    const {ingress, egress} = this.#numbers.get(pod)!
    const identity = this.#compiled.identityOf({kind: 'pod', pod, ip: pod.ips[0]!})
    const [v4, v6] = [addr(pod.ips[0]!), addr(pod.ips[1]!)]
    this.#maps.node.pod('a', {identity, v4, v6, ingressSet: ingress, egressSet: egress})
  }

  #playNode(node: WorldNode): void {
    const {ingress, egress} = this.#numbers.get(node)!
    this.#maps.node.endpoints.put(HOST_SLOT, {
      ...endpointZero,
      ...{ifindex: devices.host, identity: 1, id: HOST_SLOT, generation: 1, ingressSet: ingress, egressSet: egress},
    })
  }

  #place(pod: WorldPod, endpoint: number): void {
    for (const ip of pod.ips) {
      const [identity, cidrClass] = this.#compiled.peerNumbers({kind: 'pod', pod, ip})
      this.#maps.node.address(ip, {identity, cidrClass, endpoint, flags: addressFlags.ADDRESS_NATIVE})
    }
  }
}

function hookOf(subject: Subject, direction: 'ingress' | 'egress'): [Hook, number] {
  if (direction === 'ingress') return ['cil_from_netdev', devices.eth0]
  return isPod(subject) ? ['cil_from_container', devices.a] : ['cil_to_netdev', devices.eth0]
}

/** A packet that asks the question; its source port makes it a flow of its own. */
export function packetOf({subject, direction, peer, protocol, port}: Question, n: number): Packet | undefined {
  const own = subject.ips[peer.ip.includes(':') ? 1 : 0]!
  const [from, to] = direction === 'egress' ? [own, peer.ip] : [peer.ip, own]
  const end = (ip: string, at: number) => (ip.includes(':') ? `[${ip}]:${at}` : `${ip}:${at}`)
  const sport = 1024 + (n % 60_000)
  switch (protocol) {
    case 6:
      return tcp(end(from, sport), end(to, port)).syn()
    case 17:
      return udp(end(from, sport), end(to, port))
    case 1:
    case 58:
      // others are answers, errors, or have nothing that tells one flow from the next
      return port === 8 || port === 128 ? icmp(from, to).echo(sport) : undefined
    default:
      return undefined
  }
}
