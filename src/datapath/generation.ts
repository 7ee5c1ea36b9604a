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
import {declareErrors, fail} from '../runtime/errors.ts'
import {type Config, configCodec} from './gen/types.ts'
import {fillEventRings, fillFlowShards} from './inner-maps.ts'
import {type GenerationName, listGenerations, pinPaths, removeGeneration} from './pins.ts'
import {checkPrograms} from './self-check.ts'

const codes = declareErrors({
  DATAPATH_INCOMPLETE: {
    what: 'generation {number} lacks {what}',
    advice: 'restart the agent; it loads a new generation beside it',
  },
  DATAPATH_TIMER: {
    what: 'the timer that expires flows did not start: the kernel says {result}',
    advice: 'the kernel must have bpf_timer (5.15 or later)',
  },
})

/** Maps that outlive generations, in no order. All others of the objects are the generation's own. */
const stateMaps = [
  'cilium_flows',
  'cilium_shards',
  'cilium_frags',
  'cilium_metrics',
  'cilium_events',
  'cilium_evcount',
  'cilium_epoch',
  'cilium_timer',
  'cilium_affinity',
  'cilium_sockets',
  'cilium_policy_no',
  'cilium_l2',
] as const

/** The objects of a generation and the programs that are kept of each. */
const objects = {
  expiry: ['cil_expiry_start'],
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
  ],
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
}

export class Generation {
  readonly name: GenerationName
  /** false: it ran already */
  readonly fresh: boolean
  readonly #root: string
  readonly #programs: ReadonlyMap<string, number>
  readonly #maps: ReadonlyMap<string, number>

  constructor(
    root: string,
    name: GenerationName,
    fresh: boolean,
    programs: ReadonlyMap<string, number>,
    maps: ReadonlyMap<string, number>,
  ) {
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

  /** A descriptor of a map, the caller's. @throws DATAPATH_INCOMPLETE */
  map(name: string): number {
    const fd = this.#maps.get(name) ?? fail(codes.DATAPATH_INCOMPLETE, {number: this.name.number, what: name})
    return duplicateFd(fd)
  }

  /** Removes the pins of all older generations. To be called when every hook has this one's programs. */
  retireOlder(): number {
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
  const fingerprint = fingerprintOf(options)
  const newest = listGenerations(options.root).at(-1)
  if (newest?.fingerprint === fingerprint) {
    const running = reopen(options.root, newest)
    if (running) {
      startTimer(running.program('cil_expiry_start'))
      return running
    }
  }
  return load(options, {number: (newest?.number ?? 0) + 1, fingerprint})
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

const configurationMaps = [
  'cilium_lxc',
  'cilium_ipcache',
  'cilium_ipcache_p',
  'cilium_devices',
  'cilium_lb',
  'cilium_lb_lists',
  'cilium_lb_maglev',
  'cilium_backends',
  'cilium_lb_ranges',
  'cilium_policy',
  'cilium_policy_p',
  'cilium_policy_peers',
  'cilium_policy_sets',
] as const

function load(options: GenerationOptions, name: GenerationName): Generation {
  const {root} = options
  const maps = new Map<string, number>()
  const programs = new Map<string, number>()
  const loaded: LoadedObject[] = []
  const unfinished = join(root, 'generations', 'unfinished')
  rmSync(unfinished, {recursive: true, force: true})
  try {
    for (const map of stateMaps) {
      const fd = openPin(join(pinPaths.state(root), map))
      if (fd !== undefined) maps.set(map, fd)
    }
    const config = configFor(options, name.number, maps)
    for (const object of Object.keys(objects) as ObjectName[]) {
      const one = loadObject(join(options.objects, `${object}.o`), {
        config: encodeConfig(config),
        maps: settingsFor(options, object, maps),
      })
      loaded.push(one)
      adopt(one, maps, config, options, unfinished)
      for (const program of objects[object]) programs.set(program, duplicateFd(one.program(program).fd))
    }
    const generation = new Generation(root, name, true, programs, maps)
    checkPrograms(generation, config)
    startTimer(generation.program('cil_expiry_start'))
    for (const [program, fd] of programs) pin(fd, join(unfinished, 'programs', program))
    renameSync(unfinished, pinPaths.generation(root, name))
    return generation
  } catch (thrown) {
    for (const fd of [...maps.values(), ...programs.values()]) closeFd(fd)
    rmSync(unfinished, {recursive: true, force: true})
    throw thrown
  } finally {
    for (const one of loaded) one.close()
  }
}

/** Maps that exist are shared; those that do not get the wanted size. */
function settingsFor(
  options: GenerationOptions,
  object: ObjectName,
  maps: ReadonlyMap<string, number>,
): Record<string, MapSetting> {
  const settings: Record<string, MapSetting> = {}
  for (const map of mapsOf(join(options.objects, `${object}.o`))) {
    const reuse = maps.get(map)
    const maxEntries = options.sizes?.[map]
    if (reuse !== undefined) settings[map] = {reuse}
    else if (maxEntries !== undefined) settings[map] = {maxEntries}
  }
  return settings
}

/** The wanted configuration, but for what the state maps fix as long as they live. */
function configFor(options: GenerationOptions, number: number, maps: ReadonlyMap<string, number>): Config {
  const bytes = options.config(number)
  const wanted = configCodec.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0)
  const shards = maps.get('cilium_flows')
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

/** The others are an object's own. */
function isShared(map: string): boolean {
  return ([...stateMaps, ...configurationMaps] as string[]).includes(map)
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
