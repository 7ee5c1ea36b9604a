/**
 * Random policies compiled, written to the real maps, asked with packets through the real programs; the reference
 * evaluator says what must come out. More of them: POLICY_BPF_VERDICTS=1000000 POLICY_SEED=3.
 */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {addressFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {PolicyTables} from '../../src/datapath/maps/policy.ts'
import {CompiledWorld} from '../support/policy-reference/compiled.ts'
import {describeDifference} from '../support/policy-reference/differential.ts'
import {evaluate} from '../support/policy-reference/evaluate.ts'
import {generateQuestions, generateWorld} from '../support/policy-reference/generate.ts'
import {Random} from '../support/policy-reference/random.ts'
import {partiesOf, type Question, type World, type WorldPod} from '../support/policy-reference/world.ts'
import {addr, BpfNode, type Outcome} from './node.ts'
import {icmp, type Packet, tcp, udp} from './support/packet.ts'

const seed = Number(process.env['POLICY_SEED'] ?? 1)
const verdicts = Number(process.env['POLICY_BPF_VERDICTS'] ?? 200_000)
const perWorld = 1000

let node: BpfNode
let tables: PolicyTables
let next: number = ruleSetNumber.SET_FIRST

beforeAll(async () => {
  node = await BpfNode.make('policies', {config: {eventTrace: 0, eventDrop: 0, eventVerdict: 0}})
  tables = new PolicyTables((name) => node.fd(name))
})
afterAll(() => {
  tables?.close()
  node?.close()
})

/** Reasons that a packet can only meet once policy has let it pass. */
const later = new Set(['FIB_LOOKUP_FAILED', 'NO_MASQUERADE_ADDRESS', 'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE'])

test('the kernel says what the reference says', {timeout: 120_000 + 2 * verdicts}, () => {
  const reasons = new Map<string, number>()
  let [asked, allowed] = [0, 0]
  for (let worlds = 0; asked < verdicts; worlds++) {
    const worldSeed = (seed + worlds * 7919) >>> 0
    const random = new Random(worldSeed)
    const world = generateWorld(random)
    using written = new WrittenWorld(world)
    // one pod after the other: writing its part costs more than asking
    const questions = [...generateQuestions(random, world, perWorld)]
    questions.sort((a, b) => world.pods.indexOf(a.subject) - world.pods.indexOf(b.subject))
    for (const question of questions) {
      const sent = packetOf(question, asked)
      if (sent === undefined) continue
      const expected = evaluate(world, question)
      const outcome = written.ask(question, sent)
      asked++
      if (expected.allowed) allowed++
      const text = outcome.action === 'drop' ? outcome.reason : outcome.action
      reasons.set(text, (reasons.get(text) ?? 0) + 1)
      const got = passedPolicy(outcome)
      if (got !== expected.allowed) {
        const difference = {seed: worldSeed, world, question, expected, allowed: got === true}
        expect.fail(`${describeDifference(difference)}\n${JSON.stringify(outcome.action)} ${outcome.reason}`)
      }
    }
  }

  console.log(`${asked} verdicts, ${((100 * allowed) / asked).toFixed(1)} % allowed`, Object.fromEntries(reasons))
  expect(allowed / asked).toBeGreaterThan(0.3)
  expect(allowed / asked).toBeLessThan(0.7)
})

/** undefined: something else than policy has spoken before it. */
function passedPolicy({action, reason}: Outcome): boolean | undefined {
  if (action !== 'drop') return true
  if (reason === 'POLICY_DENIED' || reason === 'POLICY_DENY') return false
  return later.has(reason) ? true : undefined
}

/** A world in the maps: addresses of everybody, sets of all its pods, of which pod `a` plays one at a time. */
class WrittenWorld {
  readonly #compiled: CompiledWorld
  readonly #sets: (readonly [number, Parameters<PolicyTables['write']>[1]])[] = []
  readonly #numbers = new Map<WorldPod, {ingress: number; egress: number}>()
  #playing: WorldPod | undefined

  constructor(world: World) {
    this.#compiled = new CompiledWorld(world)
    node.reset()
    const {ADDRESS_NATIVE, ADDRESS_LOCAL_HOST, ADDRESS_REMOTE_NODE} = addressFlags
    for (const pod of world.pods) {
      this.#numbers.set(pod, {ingress: this.#write(pod, 'ingress'), egress: this.#write(pod, 'egress')})
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

  ask({subject, direction}: Question, packet: Packet): Outcome {
    if (this.#playing !== subject) this.#play(subject)
    return direction === 'egress' ? node.fromPod('a', packet) : node.fromNet(packet)
  }

  [Symbol.dispose](): void {
    for (const [number, set] of this.#sets) tables.remove(number, set)
    tables.writePeers(Array.from(this.#compiled.groups.allRows(), (row) => ({...row, groups: undefined})))
    for (const {ip} of partiesOf(this.#compiled.world)) node.addresses.delete(addr(ip))
  }

  #write(pod: WorldPod, direction: 'ingress' | 'egress'): number {
    const set = this.#compiled.setOf(pod, direction)
    if (set === 'open') return ruleSetNumber.SET_OPEN
    const number = next++
    tables.write(number, set.set)
    this.#sets.push([number, set.set])
    return number
  }

  /** Pod `a` takes the part of this pod: its addresses and its sets. */
  #play(pod: WorldPod): void {
    const set = (of: WorldPod, endpoint: number) => {
      for (const ip of of.ips) {
        const [identity, cidrClass] = this.#compiled.peerNumbers({kind: 'pod', pod: of, ip})
        node.address(ip, {identity, cidrClass, endpoint, flags: addressFlags.ADDRESS_NATIVE})
      }
    }
    if (this.#playing !== undefined) set(this.#playing, 0)
    set(pod, 1 | (1 << 16))
    const {ingress, egress} = this.#numbers.get(pod)!
    const identity = this.#compiled.identityOf({kind: 'pod', pod, ip: pod.ips[0]!})
    const [v4, v6] = [addr(pod.ips[0]!), addr(pod.ips[1]!)]
    node.pod('a', {identity, v4, v6, ingressSet: ingress, egressSet: egress})
    this.#playing = pod
  }
}

/** A packet that asks the question; its source port makes it a flow of its own. */
function packetOf({subject, direction, peer, protocol, port}: Question, n: number): Packet | undefined {
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
