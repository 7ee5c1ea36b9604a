/**
 * Random policies compiled, written to the real maps, asked with packets through the real programs; the reference
 * evaluator says what must come out. Others and more of them: POLICY_SEED=3 POLICY_BPF_VERDICTS=10000000.
 */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {addressFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {PolicyTables} from '../../src/datapath/maps/policy.ts'
import {CompiledWorld} from '../support/policy-reference/compiled.ts'
import {describeDifference} from '../support/policy-reference/differential.ts'
import {evaluate} from '../support/policy-reference/evaluate.ts'
import {generateQuestions, generateWorld} from '../support/policy-reference/generate.ts'
import {Random} from '../support/policy-reference/random.ts'
import {shrink} from '../support/policy-reference/shrink.ts'
import {partiesOf, type Question, type World, type WorldPod} from '../support/policy-reference/world.ts'
import {addr, BpfNode, devices, macs, type Outcome} from './node.ts'
import {icmp, type Packet, tcp, udp} from './support/packet.ts'

const seed = Number(process.env['POLICY_SEED'] ?? 1)
const verdicts = Number(process.env['POLICY_BPF_VERDICTS'] ?? 1_000_000)
/** writing a world costs as much as some hundred questions */
const perWorld = 4000

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
    let wrong: {readonly question: Question; readonly outcome: Outcome} | undefined
    using written = new WrittenWorld(world)
    for (const questions of byTurn(generateQuestions(random, world, perWorld), asked)) {
      written.ask(questions, (question, outcome) => {
        const expected = evaluate(world, question)
        asked++
        if (expected.allowed) allowed++
        const text = outcome.action === 'drop' ? outcome.reason : outcome.action
        reasons.set(text, (reasons.get(text) ?? 0) + 1)
        const got = passedPolicy(outcome)
        if (got !== expected.allowed) wrong ??= {question, outcome}
      })
      if (wrong !== undefined) expect.fail(describeWrong(worldSeed, world, wrong))
    }
  }

  console.log(`${asked} verdicts, ${((100 * allowed) / asked).toFixed(1)} % allowed`, Object.fromEntries(reasons))
  expect(allowed / asked).toBeGreaterThan(0.3)
  expect(allowed / asked).toBeLessThan(0.7)
})

/** A wrong verdict in the smallest world that still shows it: to be kept as a story. */
function describeWrong(
  worldSeed: number,
  world: World,
  {question, outcome}: {readonly question: Question; readonly outcome: Outcome},
): string {
  const packet = packetOf(question, 0)!
  const small = shrink(world, (candidate) => {
    try {
      using written = new WrittenWorld(candidate)
      let differs = false
      written.ask([{question, packet}], (_, met) => {
        differs = passedPolicy(met) !== evaluate(candidate, question).allowed
      })
      return differs
    } catch {
      return false // the compiler refuses it
    }
  })
  const expected = evaluate(small, question)
  const allowed = passedPolicy(outcome) === true
  return `${describeDifference({seed: worldSeed, world: small, question, expected, allowed})}\n${outcome.reason}`
}

interface Sent {
  readonly question: Question
  readonly packet: Packet
}

/** One pod and direction after the other: playing a pod's part costs more than asking it. */
function byTurn(questions: Iterable<Question>, first: number): Iterable<readonly Sent[]> {
  const turns = new Map<WorldPod, {readonly ingress: Sent[]; readonly egress: Sent[]}>()
  let n = first
  for (const question of questions) {
    const packet = packetOf(question, n)
    if (packet === undefined) continue
    n++
    const {subject, direction} = question
    if (!turns.has(subject)) turns.set(subject, {ingress: [], egress: []})
    turns.get(subject)![direction].push({question, packet})
  }
  return [...turns.values()].flatMap(({ingress, egress}) => [ingress, egress]).filter(({length}) => length > 0)
}

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

  /** @param sent of one pod and one direction, at least one */
  ask(sent: readonly Sent[], met: (question: Question, outcome: Outcome) => void): void {
    const {subject, direction} = sent[0]!.question
    if (this.#playing !== subject) this.#play(subject)
    let [next, at] = [0, 0]
    const frame = ({packet}: Sent) => (direction === 'egress' ? packet.mac(macs.a.pod, macs.a.node) : packet).bytes
    node.runMany(
      direction === 'egress' ? 'cil_from_container' : 'cil_from_netdev',
      sent.length,
      {ifindex: direction === 'egress' ? devices.a : devices.eth0},
      () => frame(sent[next++]!),
      (_, outcome) => met(sent[at++]!.question, outcome),
    )
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
