/**
 * libbpf, as far as loading an object needs it. Loaded at first use: listings and statistics do without it.
 * Its messages are caught instead of going to stderr. The print hook is one for the process: objects are loaded on the
 * main thread only.
 */
import koffi from 'koffi'
import {fail} from '../../runtime/errors.ts'
import {kernelCodes} from '../errors.ts'

/** An address of a libbpf structure. */
export type Handle = bigint & {readonly libbpf: unique symbol}

interface Libbpf {
  open(path: string, options: Uint8Array): Handle | null
  load(object: Handle): number
  close(object: Handle): void
  nextMap(object: Handle, after: Handle | null): Handle | null
  nextProgram(object: Handle, after: Handle | null): Handle | null
  mapName(map: Handle): string
  mapFd(map: Handle): number
  mapType(map: Handle): number
  mapMaxEntries(map: Handle): number
  mapKeySize(map: Handle): number
  mapValueSize(map: Handle): number
  mapFlags(map: Handle): number
  mapSetAutocreate(map: Handle, create: boolean): number
  mapSetMaxEntries(map: Handle, count: number): number
  mapReuseFd(map: Handle, fd: number): number
  mapInner(map: Handle): Handle | null
  mapSetInnerFd(map: Handle, fd: number): number
  mapInitialValue(map: Handle, size: Uint8Array): bigint | null
  programName(program: Handle): string
  programSection(program: Handle): string
  programFd(program: Handle): number
  programSetAutoload(program: Handle, load: boolean): number
  programSetLogBuffer(program: Handle, buffer: Uint8Array, size: number): number
  programSetLogLevel(program: Handle, level: number): number
  setPrint(print: bigint | null): bigint | null
}

const signatures: Readonly<Record<keyof Libbpf, readonly [name: string, result: string, ...parameters: string[]]>> = {
  open: ['bpf_object__open_file', 'void *', 'str', 'void *'],
  load: ['bpf_object__load', 'int', 'void *'],
  close: ['bpf_object__close', 'void', 'void *'],
  nextMap: ['bpf_object__next_map', 'void *', 'void *', 'void *'],
  nextProgram: ['bpf_object__next_program', 'void *', 'void *', 'void *'],
  mapName: ['bpf_map__name', 'str', 'void *'],
  mapFd: ['bpf_map__fd', 'int', 'void *'],
  mapType: ['bpf_map__type', 'int', 'void *'],
  mapMaxEntries: ['bpf_map__max_entries', 'uint32', 'void *'],
  mapKeySize: ['bpf_map__key_size', 'uint32', 'void *'],
  mapValueSize: ['bpf_map__value_size', 'uint32', 'void *'],
  mapFlags: ['bpf_map__map_flags', 'uint32', 'void *'],
  mapSetAutocreate: ['bpf_map__set_autocreate', 'int', 'void *', 'bool'],
  mapSetMaxEntries: ['bpf_map__set_max_entries', 'int', 'void *', 'uint32'],
  mapReuseFd: ['bpf_map__reuse_fd', 'int', 'void *', 'int'],
  mapInner: ['bpf_map__inner_map', 'void *', 'void *'],
  mapSetInnerFd: ['bpf_map__set_inner_map_fd', 'int', 'void *', 'int'],
  mapInitialValue: ['bpf_map__initial_value', 'void *', 'void *', 'void *'],
  programName: ['bpf_program__name', 'str', 'void *'],
  programSection: ['bpf_program__section_name', 'str', 'void *'],
  programFd: ['bpf_program__fd', 'int', 'void *'],
  programSetAutoload: ['bpf_program__set_autoload', 'int', 'void *', 'bool'],
  programSetLogBuffer: ['bpf_program__set_log_buf', 'int', 'void *', 'void *', 'size_t'],
  programSetLogLevel: ['bpf_program__set_log_level', 'int', 'void *', 'uint32'],
  setPrint: ['libbpf_set_print', 'void *', 'void *'],
}

let loaded: Libbpf | undefined

/** @throws LIBBPF_MISSING */
export function libbpf(): Libbpf {
  if (loaded) return loaded
  try {
    const library = koffi.load('libbpf.so.1')
    loaded = Object.fromEntries(
      Object.entries(signatures).map(([key, [name, result, ...parameters]]) => [
        key,
        library.func(name, result, parameters),
      ]),
    ) as unknown as Libbpf
    loaded.setPrint(null)
    return loaded
  } catch (thrown) {
    return fail(kernelCodes.LIBBPF_MISSING, {detail: String(thrown)}, {cause: thrown})
  }
}

const messageBytes = 1024
const messagesKept = 64
const printType = koffi.proto('int KernelDoorPrint(int level, void *format, void *arguments)')

/** Runs `work`, and gives it what libbpf said so far (the last 64 messages, each cut to 1 kB). */
export function withMessages<T>(work: (messages: () => string) => T): T {
  const library = libbpf()
  const format = koffi.load('libc.so.6').func('vsnprintf', 'int', ['void *', 'size_t', 'void *', 'void *'])
  const buffer = Buffer.alloc(messageBytes)
  const messages: string[] = []
  // a va_list is a pointer to pass on, on x86-64 and arm64 alike
  const print = koffi.register((level: number, text: bigint, args: bigint) => {
    const LIBBPF_DEBUG = 2
    if (level >= LIBBPF_DEBUG) return 0
    const length = Math.min(format(buffer, messageBytes, text, args) as number, messageBytes - 1)
    messages.push(
      buffer
        .toString('latin1', 0, length)
        .replace(/^libbpf: /, '')
        .trimEnd(),
    )
    if (messages.length > messagesKept) messages.shift()
    return 0
  }, koffi.pointer(printType))
  library.setPrint(print)
  try {
    return work(() => messages.join('\n'))
  } finally {
    library.setPrint(null)
    koffi.unregister(print)
  }
}

/** libbpf's own memory as bytes: valid until the object is loaded or closed. */
export function libbpfMemory(address: bigint, length: number): Uint8Array {
  return new Uint8Array(koffi.view(address, length))
}
