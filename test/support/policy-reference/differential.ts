/** Compiler against reference: as many random worlds as it takes for so many verdicts; the first difference, shrunk. */
import {CompiledWorld} from './compiled.ts'
import {type Decision, evaluate, type Shape} from './evaluate.ts'
import {generateQuestions, generateWorld, pickNode, pickPod} from './generate.ts'
import {Random} from './random.ts'
import {shrink} from './shrink.ts'
import {isPod, type Question, type World} from './world.ts'

export interface Difference {
  readonly seed: number
  readonly world: World
  readonly question: Question
  readonly expected: Decision
  readonly allowed: boolean
}

export interface Outcome {
  readonly verdicts: number
  readonly allowed: number
  readonly worlds: number
  readonly shapes: ReadonlyMap<Shape, number>
  readonly difference: Difference | undefined
}

export interface Run {
  readonly seed: number
  readonly verdicts: number
  /** questions of one world */
  readonly perWorld?: number
  /** stop instead of making a difference smaller */
  readonly shrink?: boolean
}

export function compare({seed, verdicts, perWorld = 1500, ...options}: Run): Outcome {
  const shapes = new Map<Shape, number>()
  let [asked, allowed, worlds] = [0, 0, 0]
  while (asked < verdicts) {
    const worldSeed = (seed + worlds * 7919) >>> 0
    const random = new Random(worldSeed)
    const world = generateWorld(random)
    const compiled = new CompiledWorld(world)
    worlds++
    // one in eight is asked of the node
    const pick = (of: Random) => (of.chance(1 / 8) ? pickNode : pickPod)(of, world)
    for (const question of generateQuestions(random, world, perWorld, pick)) {
      const expected = evaluate(world, question)
      const got = compiled.ask(question).allowed
      asked++
      if (expected.allowed) allowed++
      for (const shape of expected.shapes) shapes.set(shape, (shapes.get(shape) ?? 0) + 1)
      if (got === expected.allowed) continue
      const small = options.shrink === false ? world : shrink(world, (candidate) => differs(candidate, question))
      const difference = {seed: worldSeed, world: small, question, expected: evaluate(small, question), allowed: got}
      return {verdicts: asked, allowed, worlds, shapes, difference}
    }
  }
  return {verdicts: asked, allowed, worlds, shapes, difference: undefined}
}

/** Does this smaller world still show it? One that the compiler refuses does not. */
function differs(world: World, question: Question): boolean {
  try {
    return new CompiledWorld(world).ask(question).allowed !== evaluate(world, question).allowed
  } catch {
    return false
  }
}

/** What a person needs to see it, and to keep it as a story. */
export function describeDifference({seed, world, question, expected, allowed}: Difference): string {
  const {subject, direction, peer, protocol, port} = question
  const other =
    peer.kind === 'pod' ? `${peer.pod.namespace}/${peer.pod.name}` : peer.kind === 'node' ? peer.node.name : ''
  return [
    `seed ${seed}: ${direction} of ${isPod(subject) ? subject.namespace : 'node'}/${subject.name} ${JSON.stringify(subject.labels)}`,
    `peer ${peer.kind} ${other} ${peer.ip} protocol ${protocol} port ${port}`,
    `reference: ${expected.allowed ? 'allow' : 'deny'} (${expected.shapes.join(', ')}); compiled: ${allowed ? 'allow' : 'deny'}`,
    `mode ${world.mode}, cluster ${world.cluster}, failsafe ${world.failsafe !== undefined}, pods ${JSON.stringify(world.pods)}`,
    JSON.stringify(world.policies, null, 1),
  ].join('\n')
}

/** The counts as a table. */
export function describeCounts({verdicts, allowed, worlds, shapes}: Outcome): string {
  const percent = (n: number) => `${((100 * n) / verdicts).toFixed(1)} %`
  const rows = [...shapes].sort((a, b) => b[1] - a[1]).map(([shape, n]) => `  ${shape.padEnd(20)} ${percent(n)}`)
  return [`${verdicts} verdicts over ${worlds} worlds, ${percent(allowed)} allowed`, ...rows].join('\n')
}
