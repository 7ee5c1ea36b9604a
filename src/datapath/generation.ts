/**
 * A generation: all objects loaded with one configuration, with configuration maps of its own and the state maps that
 * every generation shares. It is pinned, so that the next agent finds it running and, when nothing has changed, goes on
 * with it without asking the verifier again.
 */
import {createHash} from 'node:crypto'
import {readFileSync, renameSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {type LoadedObject, loadObject, type MapSetting} from '../kernel/bpf/object.ts'
import {openPin, pin} from '../kernel/bpf/pin.ts'
import {runSkbProgram} from '../kernel/bpf/test-run.ts'
import {readElf} from '../kernel/elf.ts'
import {closeFd, duplicateFd} from '../kernel/libc.ts'
import {fail} from '../runtime/errors.ts'
import {codes} from './errors.ts'
import {STATE_LAYOUT} from './gen/constants.ts'
import {type Config, configCodec} from './gen/types.ts'
import {fillEventRings, fillFlowShards} from './inner-maps.ts'
import {
  abandonLayoutChange,
  beginLayoutChange,
  finishLayoutChange,
  type LayoutChange,
  type SwitchStep,
  settleSwitches,
  shareState,
  withRuns,
} from './layout-change.ts'
import {configurationMaps, isShared, stateMaps} from './pinned-maps.ts'
import {type GenerationName, listGenerations, listLayouts, pinPaths, removeGeneration, removeLayout} from './pins.ts'
import {checkPrograms} from './self-check.ts'
import {listSwitches, removeSwitches} from './switch.ts'

/** The objects of a generation and the programs that are kept of each. */
const objects = {
  expiry: ['cil_expiry_start', 'cil_take_over'],
  pod: ['cil_from_container', 'cil_to_container'],
  netdev: ['cil_from_netdev', 'cil_to_netdev', 'cil_from_defrag'],
  overlay: ['cil_from_overlay', 'cil_to_overlay'],
  sock: [
    'cil_sock4_connect',
    'cil_sock6_connect',
    'cil_sock4_sendmsg',
    'cil_sock6_sendmsg',
    'cil_sock4_recvmsg',
    'cil_sock6_recvmsg',
    'cil_sock4_getpeername',
    'cil_sock6_getpeername',
    'cil_sock4_post_bind',
    'cil_sock6_post_bind',
  ],
  stale: ['cil_stale_sockets'],
  xdp: ['cil_xdp_entry'],
} as const

export type ObjectName = keyof typeof objects
export type HookProgram = (typeof objects)[ObjectName][number]

export interface GenerationOptions {
  /** folder of ours in the bpf file system */
  readonly root: string
  /** folder of the compiled objects */
  readonly objects: string
  /** bytes of struct config for a generation number */
  readonly config: (generation: number) => Uint8Array
  /** entries by map, where the size in the object is not the one wanted */
  readonly sizes?: Readonly<Record<string, number>>
  /** told before each step of a change of layout: whatever ends the process there, the next start goes on */
  readonly onStep?: (step: SwitchStep) => void
}

export class Generation {
  readonly name: GenerationName
  /** false: it ran already */
  readonly fresh: boolean
  readonly #root: string
  readonly #programs: ReadonlyMap<string, number>
  readonly #maps: ReadonlyMap<string, number>
  #change: LayoutChange | undefined

  constructor(
    root: string,
    name: GenerationName,
    fresh: boolean,
    programs: ReadonlyMap<string, number>,
    maps: ReadonlyMap<string, number>,
    change?: LayoutChange,
  ) {
    this.#change = change
    this.#root = root
    this.name = name
    this.fresh = fresh
    this.#programs = programs
    this.#maps = maps
  }

  /** Descriptor of a program, this generation's own. @throws DATAPATH_INCOMPLETE */
  program(name: string): number {
    return this.#programs.get(name) ?? fail(codes.DATAPATH_INCOMPLETE, {number: this.name.number, what: name})
  }

  /** What to put on a hook: the program, or, until complete(), a door to the old one and to it. */
  hookProgram(name: string): number {
    const change = this.#change
    const old = change?.programs.get(name)
    if (change === undefined || old === undefined) return this.program(name)
    return change.doors.door(name, old, this.program(name))
  }

  /**
   * To be called when every hook has what hookProgram() gives: from then on this generation's programs run alone.
   *
   * @param replace puts the programs themselves on every hook
   * @returns how many older generations went
   */
  complete(replace: () => void): number {
    const change = this.#change
    if (change !== undefined) {
      this.#change = undefined
      finishLayoutChange(change, this.program('cil_take_over'), replace)
    }
    removeSwitches(this.#root)
    const retired = this.#retireOlder()
    for (const layout of listLayouts(this.#root)) if (layout !== this.name.layout) removeLayout(this.#root, layout)
    return retired
  }

  /** A descriptor of a map, the caller's. @throws DATAPATH_INCOMPLETE */
  map(name: string): number {
    const fd = this.#maps.get(name) ?? fail(codes.DATAPATH_INCOMPLETE, {number: this.name.number, what: name})
    return duplicateFd(fd)
  }

  #retireOlder(): number {
    const older = listGenerations(this.#root).filter(({number}) => number < this.name.number)
    for (const name of older) removeGeneration(this.#root, name)
    return older.length
  }

  close(): void {
    for (const fd of [...this.#programs.values(), ...this.#maps.values()]) closeFd(fd)
  }
}

/**
 * The running generation, when objects and configuration are those it was made from; else a new one beside it, pinned
 * and on no hook yet.
 *
 * @throws BPF_LOAD_FAILED and what else loading throws; the running generation is left as it is
 */
export function openGeneration(options: GenerationOptions): Generation {
  const {root} = options
  settleSwitches(root)
  const fingerprint = fingerprintOf(options)
  const newest = listGenerations(root).at(-1)
  if (newest?.fingerprint === fingerprint && newest.layout === STATE_LAYOUT) {
    const running = reopen(root, newest)
    if (running) {
      startTimer(running.program('cil_expiry_start'))
      return running
    }
  }
  // doors of a change that was taken back may still be on hooks: their pins keep their number
  const used = [newest?.number ?? 0, ...listSwitches(root).map(({generation}) => generation)]
  const name = {number: Math.max(...used) + 1, fingerprint, layout: STATE_LAYOUT}
  if (newest === undefined || newest.layout === STATE_LAYOUT) return load(options, name)
  const change = beginLayoutChange(options, newest, name)
  try {
    change.onStep('load')
    return load(options, name, change)
  } catch (thrown) {
    abandonLayoutChange(change)
    throw thrown
  }
}

function fingerprintOf(options: GenerationOptions): string {
  const hash = createHash('sha256')
  for (const name of Object.keys(objects)) hash.update(readFileSync(join(options.objects, `${name}.o`)))
  hash.update(options.config(0)).update(JSON.stringify(options.sizes ?? {}))
  return hash.digest('hex').slice(0, 16)
}

/** Opens all pins of a generation; undefined when one is missing: it was cut short, and is made anew. */
function reopen(root: string, name: GenerationName): Generation | undefined {
  const folder = pinPaths.generation(root, name)
  const programs = new Map<string, number>()
  const maps = new Map<string, number>()
  const give = (into: Map<string, number>, key: string, path: string): boolean => {
    const fd = openPin(path)
    if (fd !== undefined) into.set(key, fd)
    return fd !== undefined
  }
  const complete =
    Object.values(objects)
      .flat()
      .every((program) => give(programs, program, join(folder, 'programs', program))) &&
    stateMaps.every((map) => give(maps, map, join(pinPaths.state(root), map))) &&
    configurationMaps.every((map) => give(maps, map, join(folder, 'maps', map)))
  const generation = new Generation(root, name, false, programs, maps)
  if (complete) return generation
  generation.close()
  return undefined
}

function load(options: GenerationOptions, name: GenerationName, change?: LayoutChange): Generation {
  const {root} = options
  const maps = new Map<string, number>()
  const programs = new Map<string, number>()
  const loaded: LoadedObject[] = []
  const unfinished = join(root, 'generations', 'unfinished')
  rmSync(unfinished, {recursive: true, force: true})
  const before =
    change === undefined ? undefined : openPin(join(pinPaths.state(root, change.before.layout), 'cilium_flows'))
  try {
    if (change !== undefined) shareState(root, change.before.layout, name.layout)
    for (const map of stateMaps) {
      const fd = openPin(join(pinPaths.state(root), map))
      if (fd !== undefined) maps.set(map, fd)
    }
    const config = withRuns(configFor(options, name.number, maps, before), change?.runs ?? [])
    for (const object of Object.keys(objects) as ObjectName[]) {
      const one = loadObject(join(options.objects, `${object}.o`), {
        config: encodeConfig(config),
        maps: settingsFor(options, object, maps, before),
      })
      loaded.push(one)
      adopt(one, maps, config, options, unfinished)
      for (const program of objects[object]) programs.set(program, duplicateFd(one.program(program).fd))
    }
    const generation = new Generation(root, name, true, programs, maps, change)
    checkPrograms(generation, config)
    startTimer(generation.program('cil_expiry_start'))
    for (const [program, fd] of programs) pin(fd, join(unfinished, 'programs', program))
    change?.onStep('name')
    renameSync(unfinished, pinPaths.generation(root, name))
    change?.onStep('doors')
    return generation
  } catch (thrown) {
    for (const fd of [...maps.values(), ...programs.values()]) closeFd(fd)
    rmSync(unfinished, {recursive: true, force: true})
    throw thrown
  } finally {
    for (const one of loaded) one.close()
    if (before !== undefined) closeFd(before)
  }
}

/** Maps that exist are shared; those that do not get the wanted size. */
function settingsFor(
  options: GenerationOptions,
  object: ObjectName,
  maps: ReadonlyMap<string, number>,
  before: number | undefined,
): Record<string, MapSetting> {
  const settings: Record<string, MapSetting> = {}
  const own = readElf(readFileSync(join(options.objects, `${object}.o`)))
  if (own.symbol('cilium_before') !== undefined)
    settings['cilium_before'] = before === undefined ? {create: false} : {reuse: before}
  if (own.symbol('cilium_moving') !== undefined && before === undefined) settings['cilium_moving'] = {create: false}
  for (const map of mapsOf(join(options.objects, `${object}.o`))) {
    const reuse = maps.get(map)
    const maxEntries = options.sizes?.[map]
    if (reuse !== undefined) settings[map] = {reuse}
    else if (maxEntries !== undefined) settings[map] = {maxEntries}
  }
  return settings
}

/** The wanted configuration, but for what the state maps fix as long as they live. */
function configFor(
  options: GenerationOptions,
  number: number,
  maps: ReadonlyMap<string, number>,
  before: number | undefined,
): Config {
  const bytes = options.config(number)
  const wanted = configCodec.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0)
  // flows that are taken over stay in their shards
  const shards = maps.get('cilium_flows') ?? before
  const rings = maps.get('cilium_events')
  return {
    ...wanted,
    flowShards: shards === undefined ? wanted.flowShards : fillFlowShards(shards, wanted.flowShards),
    eventRings: rings === undefined ? wanted.eventRings : fillEventRings(rings, wanted.eventRings),
  }
}

function encodeConfig(config: Config): Uint8Array {
  const bytes = new Uint8Array(configCodec.size)
  configCodec.encode(config, new DataView(bytes.buffer), 0)
  return bytes
}

/** Takes over the maps that an object made: state is pinned for all, configuration for its generation. */
function adopt(
  one: LoadedObject,
  maps: Map<string, number>,
  config: Config,
  options: GenerationOptions,
  folder: string,
): void {
  for (const [map, fd] of one.maps) {
    if (maps.has(map) || !isShared(map)) continue
    const own = duplicateFd(fd)
    maps.set(map, own)
    // whole before it has a name: a state map that a crash left half made would stay so
    if (map === 'cilium_flows') fillFlowShards(own, config.flowShards)
    if (map === 'cilium_events') fillEventRings(own, config.eventRings)
    const isState = (stateMaps as readonly string[]).includes(map)
    pin(own, isState ? join(pinPaths.state(options.root), map) : join(folder, 'maps', map))
  }
}

/** Starts the expiry of flows, or lets a running one use this generation's code. @throws DATAPATH_TIMER */
function startTimer(program: number): void {
  const {result} = runSkbProgram(program, new Uint8Array(64))
  if (result !== 0) fail(codes.DATAPATH_TIMER, {result})
}

/** Names of ours among the maps that an object file defines. */
function mapsOf(path: string): string[] {
  const elf = readElf(readFileSync(path))
  return [...stateMaps, ...configurationMaps].filter((map) => elf.symbol(map) !== undefined)
}
