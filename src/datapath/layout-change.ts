/**
 * From a generation whose flows have another layout: both run side by side behind doors until every hook has one, then
 * the doors turn all at once, and the flows of the layout before are taken over. A process that ends at any step leaves
 * what the next one goes on with.
 */
import {readdirSync} from 'node:fs'
import {join} from 'node:path'
import {readMapInfo} from '../kernel/bpf/info.ts'
import {kernelValueSize} from '../kernel/bpf/per-cpu.ts'
import {openPin, pin} from '../kernel/bpf/pin.ts'
import {runSkbProgram} from '../kernel/bpf/test-run.ts'
import {closeFd} from '../kernel/libc.ts'
import {fail} from '../runtime/errors.ts'
import {codes} from './errors.ts'
import {flowFieldsOfObject, flowFieldsOfProgram, type LayoutRun, layoutRuns} from './flow-layout.ts'
import {FLOW_SHARDS_MAX, LAYOUT_RUNS_MAX} from './gen/constants.ts'
import {mapShapes} from './gen/maps.ts'
import type {Config} from './gen/types.ts'
import {flowMaps, stateMaps} from './pinned-maps.ts'
import {type GenerationName, listGenerations, listLayouts, pinPaths, removeGeneration, removeLayout} from './pins.ts'
import {LayoutSwitch, listSwitches} from './switch.ts'

/** The steps of a change of layout, in order. */
export const switchSteps = ['gate', 'load', 'name', 'doors', 'turn', 'take-over', 'replace', 'retire'] as const
export type SwitchStep = (typeof switchSteps)[number]

/** Changes from a generation of another layout. */
export interface LayoutChange {
  readonly before: GenerationName
  readonly doors: LayoutSwitch
  /** descriptors of the old programs */
  readonly programs: ReadonlyMap<string, number>
  /** what of a flow goes where */
  readonly runs: readonly LayoutRun[]
  readonly onStep: (step: SwitchStep) => void
}

/**
 * Closes the gate, so that only one process changes, and reads what the flows of the other build look like.
 *
 * @param objects folder of the compiled objects
 * @throws DATAPATH_INCOMPLETE
 */
export function beginLayoutChange(
  {root, objects, onStep = () => {}}: {root: string; objects: string; onStep?: (step: SwitchStep) => void},
  before: GenerationName,
  name: GenerationName,
): LayoutChange {
  const programs = openPrograms(root, before)
  const runs = layoutRuns(
    flowFieldsOfProgram(
      programs.get('cil_expiry_start') ??
        fail(codes.DATAPATH_INCOMPLETE, {number: before.number, what: 'cil_expiry_start'}),
    ),
    flowFieldsOfObject(objects),
  )
  onStep('gate')
  const numbers = {generation: name.number, layoutBefore: before.layout, layoutAfter: name.layout}
  const doors = new LayoutSwitch(root, numbers)
  // of an earlier time, when this layout was in use
  removeLayout(root, name.layout)
  return {before, doors, programs, runs, onStep}
}

/** Nothing was turned: the generation before runs on. */
export function abandonLayoutChange({doors, programs}: LayoutChange): void {
  doors.close()
  for (const fd of programs.values()) closeFd(fd)
}

/**
 * Turns, when every hook has its door.
 *
 * @param program cil_take_over of the new generation
 * @param replace puts its programs themselves on every hook
 */
export function finishLayoutChange(
  {doors, programs, onStep}: LayoutChange,
  program: number,
  replace: () => void,
): void {
  onStep('turn')
  doors.turn()
  onStep('take-over')
  takeOver(program)
  onStep('replace')
  replace()
  onStep('retire')
  doors.close()
  for (const fd of programs.values()) closeFd(fd)
}

/**
 * Goes on with changes of layout that a process before this one began. One that was not turned has changed nothing: what
 * it made goes. One that was is brought to its end, by the programs of the generation that it turned to.
 */
export function settleSwitches(root: string): void {
  for (const {turned, generation, layoutBefore, layoutAfter} of listSwitches(root)) {
    const to = listGenerations(root).find(({number}) => number === generation)
    if (!turned) {
      if (to !== undefined) removeGeneration(root, to)
      // a later change may have come to that layout
      if (!listGenerations(root).some(({layout}) => layout === layoutAfter)) removeLayout(root, layoutAfter)
    } else if (to !== undefined && listLayouts(root).includes(layoutBefore)) {
      const program = openPin(join(pinPaths.generation(root, to), 'programs', 'cil_take_over'))
      if (program === undefined) continue
      takeOver(program)
      closeFd(program)
      removeLayout(root, layoutBefore)
    }
  }
}

/** Lets programs take over the flows of the layout before, shard by shard. */
function takeOver(program: number): void {
  for (let shard = 0; shard < FLOW_SHARDS_MAX; shard++)
    runSkbProgram(program, new Uint8Array(64), {cb: [shard, 0, 0, 0, 0]})
}

/** Descriptors of the pinned programs of a generation that may be of another build. */
function openPrograms(root: string, name: GenerationName): Map<string, number> {
  const folder = join(pinPaths.generation(root, name), 'programs')
  return new Map(readdirSync(folder).map((program) => [program, openPin(join(folder, program))!]))
}

/** State that did not change its form is the same map in both layouts. */
export function shareState(root: string, from: number, to: number): void {
  for (const map of stateMaps) {
    if (flowMaps.includes(map)) continue
    const fd = openPin(join(pinPaths.state(root, from), map))
    if (fd === undefined) continue
    const {keySize, valueSize} = readMapInfo(fd)
    const {key, value} = mapShapes[map]!
    if (key.size === keySize && kernelValueSize(value) === valueSize) pin(fd, join(pinPaths.state(root, to), map))
    closeFd(fd)
  }
}

/** A configuration that says what of a flow goes where. */
export function withRuns(config: Config, runs: readonly LayoutRun[]): Config {
  const numbers = (of: (run: LayoutRun) => number) =>
    Array.from({length: LAYOUT_RUNS_MAX}, (_, i) => (runs[i] === undefined ? 0 : of(runs[i])))
  return {
    ...config,
    beforeRuns: runs.length,
    beforeFrom: numbers(({from}) => from),
    beforeTo: numbers(({to}) => to),
    beforeBytes: numbers(({bytes}) => bytes),
  }
}
