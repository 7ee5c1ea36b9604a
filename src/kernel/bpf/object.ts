/**
 * Loads a compiled eBPF object: configuration set before load, unused maps and programs off, maps shared with what
 * runs already. libbpf does the ELF work; the descriptors are ours until close().
 */
import {existsSync, readFileSync} from 'node:fs'
import {basename} from 'node:path'
import {fail} from '../../runtime/errors.ts'
import {readElf} from '../elf.ts'
import {errnoName, KernelError, kernelCodes} from '../errors.ts'
import {addressOf, closeFd, duplicateFd, errno} from '../libc.ts'
import {type ProgramInfo, readMapInfo, readProgramInfo} from './info.ts'
import {type Handle, libbpf, libbpfMemory, withMessages} from './libbpf.ts'
import {BpfMap, createMapFd, type MapShape} from './map.ts'
import {mapTypeName} from './map-types.ts'

export interface MapSetting {
  /** false: the map is not made; programs must not reach it with this configuration */
  readonly create?: boolean
  readonly maxEntries?: number
  /** a descriptor of the map to use instead of a new one; stays the caller's */
  readonly reuse?: number
  /** of map-in-map: entries of the template of its inner maps, or a descriptor of a map like them */
  readonly inner?: {readonly maxEntries: number} | {readonly fd: number}
}

export interface ObjectSettings {
  /** bytes of the object's `const volatile struct config cfg` */
  readonly config?: Uint8Array
  readonly maps?: Readonly<Record<string, MapSetting>>
  /** false: the program is not loaded */
  readonly programs?: Readonly<Record<string, boolean>>
  /** ask the verifier for its statistics, per program */
  readonly statistics?: boolean
}

export interface LoadedProgram {
  readonly name: string
  /** as written in SEC() */
  readonly section: string
  readonly fd: number
  /** the verifier's statistics, when asked for: instructions, states, stack depth */
  readonly statistics: string
}

const configName = 'cfg'
/** the verifier log is long (this is the most that old kernels take); its end says why */
const logBytes = (1 << 24) - 1
const logShown = 16 << 10
const statisticsBytes = 64 << 10
const BPF_LOG_STATS = 4
const EINVAL = 22

/**
 * Opens, sets up and loads an object.
 *
 * @param path of the object file
 * @throws BPF_OBJECT_MISSING, BPF_OBJECT_INVALID, BPF_CONFIG_SIZE, BPF_NAME_UNKNOWN, BPF_MAP_LAYOUT (a reused map is
 *   of another shape), BPF_LOAD_FAILED (with the end of the verifier log)
 */
export function loadObject(path: string, settings: ObjectSettings = {}): LoadedObject {
  if (!existsSync(path)) fail(kernelCodes.BPF_OBJECT_MISSING, {path})
  return withMessages((messages) => {
    const log = Buffer.alloc(logBytes)
    const handle = libbpf().open(path, openOptions(log))
    if (handle === null)
      return fail(kernelCodes.BPF_OBJECT_INVALID, {path, detail: `${errnoName(errno())}\n${messages()}`})
    const templates: number[] = []
    try {
      const object = new LoadedObject(path, handle)
      applyMaps(object, handle, settings.maps ?? {}, templates)
      applyPrograms(object, handle, settings.programs ?? {})
      if (settings.config) writeConfig(path, handle, settings.config)
      const statistics = settings.statistics ? collectStatistics(handle) : undefined
      const result = libbpf().load(handle)
      // where statistics went there is no room for reasons: load again for those
      if (result < 0 && settings.statistics) loadObject(path, {...settings, statistics: false}).close()
      if (result < 0)
        fail(kernelCodes.BPF_LOAD_FAILED, {
          object: basename(path),
          errno: errnoName(-result),
          detail: [tail(log), messages()].filter(Boolean).join('\n'),
        })
      object.collect(statistics)
      return object
    } catch (thrown) {
      libbpf().close(handle)
      throw thrown
    } finally {
      for (const fd of templates) closeFd(fd)
    }
  })
}

/** struct bpf_object_open_opts: only sizes and the log buffer are set. */
function openOptions(log: Uint8Array): Uint8Array {
  const options = new DataView(new ArrayBuffer(80))
  options.setBigUint64(0, 80n, true)
  options.setBigUint64(56, addressOf(log), true)
  options.setBigUint64(64, BigInt(log.byteLength), true)
  return new Uint8Array(options.buffer)
}

/** The end of a log buffer, from a line's start. */
function tail(log: Buffer): string {
  const end = log.indexOf(0)
  const text = log.toString('latin1', Math.max(0, end - logShown), Math.max(0, end)).trimEnd()
  return end > logShown ? `...${text.slice(text.indexOf('\n'))}` : text
}

function unknown(object: string, kind: string, name: string): never {
  return fail(kernelCodes.BPF_NAME_UNKNOWN, {object, kind, name})
}

function checked(result: number, operation: string): void {
  if (result < 0) throw new KernelError(-result, operation)
}

function applyMaps(
  object: LoadedObject,
  handle: Handle,
  settings: Readonly<Record<string, MapSetting>>,
  templates: number[],
): void {
  const library = libbpf()
  const maps = new Map(walk(handle, library.nextMap).map((map) => [library.mapName(map), map]))
  for (const [name, setting] of Object.entries(settings)) {
    const map = maps.get(name) ?? unknown(object.name, 'map', name)
    if (setting.create === false) checked(library.mapSetAutocreate(map, false), `switch map ${name} off`)
    if (setting.maxEntries !== undefined)
      checked(library.mapSetMaxEntries(map, setting.maxEntries), `set size of map ${name}`)
    if (setting.reuse !== undefined) {
      // libbpf takes the other map's layout over without a word
      checkSameLayout(map, name, setting.reuse)
      checked(library.mapReuseFd(map, setting.reuse), `reuse map ${name}`)
    }
  }
  for (const [name, map] of maps) {
    const {inner, reuse, create} = settings[name] ?? {}
    const template = library.mapInner(map)
    if (inner !== undefined) applyInner(map, name, inner, templates)
    else if (template !== null && reuse === undefined && create !== false)
      applyInner(map, name, {maxEntries: library.mapMaxEntries(template)}, templates)
  }
}

/**
 * Gives a map-in-map a template of ours. libbpf's own has BTF, and before 6.2 a map that is put in must have it likewise;
 * ours has none, as maps of createMapFd() have none. (libbpf before 1.2 crashes when the size of its own template is set.)
 */
function applyInner(map: Handle, name: string, inner: NonNullable<MapSetting['inner']>, templates: number[]): void {
  const library = libbpf()
  let fd: number
  if ('fd' in inner) fd = inner.fd
  else {
    const template = library.mapInner(map)
    if (template === null) throw new KernelError(EINVAL, `set inner map of ${name}`, 'it has no template')
    fd = createMapFd(`${name}_inner`, {
      type: library.mapType(template),
      keySize: library.mapKeySize(template),
      valueSize: library.mapValueSize(template),
      flags: library.mapFlags(template),
      maxEntries: inner.maxEntries,
    })
    templates.push(fd)
  }
  checked(library.mapSetInnerFd(map, fd), `set inner map of ${name}`)
}

function checkSameLayout(map: Handle, name: string, fd: number): void {
  const library = libbpf()
  const have = readMapInfo(fd)
  const [type, key, value] = [library.mapType(map), library.mapKeySize(map), library.mapValueSize(map)]
  if (have.type !== type || have.keySize !== key || have.valueSize !== value)
    fail(kernelCodes.BPF_MAP_LAYOUT, {
      name,
      haveType: mapTypeName(have.type),
      haveKey: have.keySize,
      haveValue: have.valueSize,
      type: mapTypeName(type),
      key,
      value,
    })
}

function applyPrograms(object: LoadedObject, handle: Handle, settings: Readonly<Record<string, boolean>>): void {
  const library = libbpf()
  const programs = new Map(walk(handle, library.nextProgram).map((one) => [library.programName(one), one]))
  for (const [name, load] of Object.entries(settings)) {
    const program = programs.get(name) ?? unknown(object.name, 'program', name)
    checked(library.programSetAutoload(program, load), `switch program ${name} ${load ? 'on' : 'off'}`)
  }
}

/** Writes `cfg` where the symbol table says it lies: .rodata may hold more, in any order. */
function writeConfig(path: string, handle: Handle, config: Uint8Array): void {
  const library = libbpf()
  const object = basename(path)
  const symbol = readElf(readFileSync(path)).symbol(configName) ?? unknown(object, 'variable', configName)
  if (symbol.size !== config.byteLength)
    fail(kernelCodes.BPF_CONFIG_SIZE, {object, expected: symbol.size, given: config.byteLength})
  const map = walk(handle, library.nextMap).find((one) => library.mapName(one).endsWith(symbol.section))
  const size = new Uint8Array(8)
  const address = map && library.mapInitialValue(map, size)
  if (!address) fail(kernelCodes.BPF_NAME_UNKNOWN, {object, kind: 'section', name: symbol.section})
  libbpfMemory(address, Number(new DataView(size.buffer).getBigUint64(0, true))).set(config, symbol.offset)
}

function collectStatistics(handle: Handle): Map<string, Buffer> {
  const library = libbpf()
  return new Map(
    walk(handle, library.nextProgram).map((program) => {
      const buffer = Buffer.alloc(statisticsBytes)
      checked(library.programSetLogBuffer(program, buffer, buffer.byteLength), 'set verifier log')
      checked(library.programSetLogLevel(program, BPF_LOG_STATS), 'set verifier log level')
      return [library.programName(program), buffer]
    }),
  )
}

function walk(object: Handle, next: (object: Handle, after: Handle | null) => Handle | null): Handle[] {
  const found: Handle[] = []
  for (let one = next(object, null); one !== null; one = next(object, one)) found.push(one)
  return found
}

/** An object in the kernel. Descriptors live until close(); what is pinned or attached lives on. */
export class LoadedObject {
  readonly name: string
  readonly #handle: Handle
  readonly #programs = new Map<string, LoadedProgram>()
  readonly #maps = new Map<string, number>()
  #open = true

  constructor(path: string, handle: Handle) {
    this.name = basename(path)
    this.#handle = handle
  }

  /** Reads the descriptors after load. */
  collect(statistics: ReadonlyMap<string, Buffer> | undefined): void {
    const library = libbpf()
    for (const map of walk(this.#handle, library.nextMap)) {
      const fd = library.mapFd(map)
      if (fd >= 0) this.#maps.set(library.mapName(map), fd)
    }
    for (const program of walk(this.#handle, library.nextProgram)) {
      const fd = library.programFd(program)
      const name = library.programName(program)
      const log = statistics?.get(name)
      if (fd >= 0)
        this.#programs.set(name, {name, section: library.programSection(program), fd, statistics: log ? tail(log) : ''})
    }
  }

  /** Maps by name: those switched off are absent. */
  get maps(): ReadonlyMap<string, number> {
    return this.#maps
  }

  /** Programs by name: those switched off are absent. */
  get programs(): ReadonlyMap<string, LoadedProgram> {
    return this.#programs
  }

  /** @throws BPF_NAME_UNKNOWN */
  program(name: string): LoadedProgram {
    return this.#programs.get(name) ?? unknown(this.name, 'program', name)
  }

  /** Descriptor of a map, the object's own: do not close. @throws BPF_NAME_UNKNOWN */
  mapFd(name: string): number {
    return this.#maps.get(name) ?? unknown(this.name, 'map', name)
  }

  /** A typed map with a descriptor of its own, which outlives the object. @throws BPF_NAME_UNKNOWN, BPF_MAP_LAYOUT */
  map<K, V>(shape: MapShape<K, V>): BpfMap<K, V> {
    const fd = duplicateFd(this.mapFd(shape.name))
    try {
      return new BpfMap(fd, shape)
    } catch (thrown) {
      closeFd(fd)
      throw thrown
    }
  }

  /** What the kernel says of a program: instructions that the verifier looked at, size, runs. */
  info(program: string): ProgramInfo {
    return readProgramInfo(this.program(program).fd)
  }

  close(): void {
    if (this.#open) libbpf().close(this.#handle)
    this.#open = false
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
