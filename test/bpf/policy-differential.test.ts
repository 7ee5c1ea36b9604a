/**
 * Random policies compiled, written to the real maps, asked with packets through the real programs; the reference
 * evaluator says what must come out. Others and more of them: POLICY_SEED=3 POLICY_BPF_VERDICTS=10000000.
 */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {describeDifference} from '../support/policy-reference/differential.ts'
import {evaluate} from '../support/policy-reference/evaluate.ts'
import {generateQuestions, generateWorld, pickNode, pickPod} from '../support/policy-reference/generate.ts'
import {Random} from '../support/policy-reference/random.ts'
import {shrink} from '../support/policy-reference/shrink.ts'
import type {Question, Subject, World} from '../support/policy-reference/world.ts'
import {BpfNode, type Outcome} from './node.ts'
import {PolicyMaps, packetOf, passedPolicy, type Sent, WrittenWorld} from './policy-world.ts'

const seed = Number(process.env['POLICY_SEED'] ?? 1)
const verdicts = Number(process.env['POLICY_BPF_VERDICTS'] ?? 1_000_000)
/** writing a world costs as much as some hundred questions */
const perWorld = 4000
const quiet = {eventTrace: 0, eventDrop: 0, eventVerdict: 0}

let pods: PolicyMaps
let host: PolicyMaps

beforeAll(async () => {
  pods = new PolicyMaps(await BpfNode.make('policies', {config: quiet}))
  // without it a pod's packet to its node is a question about the pod alone
  host = new PolicyMaps(await BpfNode.make('policies-host', {config: {...quiet, hostFirewall: 1}}))
})
afterAll(() => {
  pods?.close()
  host?.close()
})

test.each([
  {of: 'pods', maps: () => pods, pick: pickPod, share: 1},
  {of: 'the node', maps: () => host, pick: pickNode, share: 0.3},
])('the kernel says of $of what the reference says', {timeout: 120_000 + 2 * verdicts}, ({maps, pick, share}) => {
  const reasons = new Map<string, number>()
  let [asked, allowed] = [0, 0]
  for (let worlds = 0; asked < verdicts * share; worlds++) {
    const worldSeed = (seed + worlds * 7919) >>> 0
    const random = new Random(worldSeed)
    const world = generateWorld(random)
    let wrong: {readonly question: Question; readonly outcome: Outcome} | undefined
    using written = new WrittenWorld(maps(), world)
    for (const questions of byTurn(generateQuestions(random, world, perWorld, pick), asked)) {
      written.ask(questions, (question, outcome) => {
        const expected = evaluate(world, question)
        asked++
        if (expected.allowed) allowed++
        const text = outcome.action === 'drop' ? outcome.reason : outcome.action
        reasons.set(text, (reasons.get(text) ?? 0) + 1)
        const got = passedPolicy(outcome)
        if (got !== expected.allowed) wrong ??= {question, outcome}
      })
      if (wrong !== undefined) expect.fail(describeWrong(maps(), worldSeed, world, wrong))
    }
  }

  console.log(`${asked} verdicts, ${((100 * allowed) / asked).toFixed(1)} % allowed`, Object.fromEntries(reasons))
  expect(allowed / asked).toBeGreaterThan(0.1)
  expect(allowed / asked).toBeLessThan(0.9)
})

/** A wrong verdict in the smallest world that still shows it: to be kept as a story. */
function describeWrong(
  maps: PolicyMaps,
  worldSeed: number,
  world: World,
  {question, outcome}: {readonly question: Question; readonly outcome: Outcome},
): string {
  const packet = packetOf(question, 0)!
  const small = shrink(world, (candidate) => {
    try {
      using written = new WrittenWorld(maps, candidate)
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

/** One subject and direction after the other: playing a part costs more than asking it. */
function byTurn(questions: Iterable<Question>, first: number): Iterable<readonly Sent[]> {
  const turns = new Map<Subject, {readonly ingress: Sent[]; readonly egress: Sent[]}>()
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
