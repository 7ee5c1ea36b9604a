/**
 * The C library, as far as the kernel door needs it. Functions take and give numbers and buffers; what fails throws
 * a KernelError that names the operation. One call costs 0.2-0.5 us: nothing here is for use per packet or event.
 */
import koffi from 'koffi'
import {KernelError} from './errors.ts'

const libc = koffi.load('libc.so.6')

type Pointer = bigint | ArrayBufferView | ArrayBuffer | null
type Call<A extends readonly unknown[], R> = (...args: A) => R

const c = {
  syscall: libc.func('syscall', 'long', ['long', 'long', 'uint64', 'long', 'uint64', 'uint64', 'long']) as Call<
    [number, number, bigint | number, number, bigint | number, bigint | number, number],
    number
  >,
  mmap: libc.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64']) as Call<
    [null, number, number, number, number, number],
    bigint
  >,
  munmap: libc.func('munmap', 'int', ['void *', 'size_t']) as Call<[bigint, number], number>,
  close: libc.func('close', 'int', ['int']) as Call<[number], number>,
  fcntl: libc.func('fcntl', 'int', ['int', 'int', 'long']) as Call<[number, number, number], number>,
  open: libc.func('open', 'int', ['str', 'int', 'int']) as Call<[string, number, number], number>,
  setns: libc.func('setns', 'int', ['int', 'int']) as Call<[number, number], number>,
  unshare: libc.func('unshare', 'int', ['int']) as Call<[number], number>,
  socket: libc.func('socket', 'int', ['int', 'int', 'int']) as Call<[number, number, number], number>,
  bind: libc.func('bind', 'int', ['int', 'void *', 'uint32']) as Call<[number, Pointer, number], number>,
  send: libc.func('send', 'long', ['int', 'void *', 'size_t', 'int']) as Call<
    [number, Pointer, number, number],
    number
  >,
  recv: libc.func('recv', 'long', ['int', 'void *', 'size_t', 'int']) as Call<
    [number, Pointer, number, number],
    number
  >,
  setsockopt: libc.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32']) as Call<
    [number, number, number, Pointer, number],
    number
  >,
  getsockopt: libc.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *']) as Call<
    [number, number, number, Pointer, Pointer],
    number
  >,
  ioctl: libc.func('ioctl', 'int', ['int', 'ulong', 'void *']) as Call<[number, number, Pointer], number>,
  mount: libc.func('mount', 'int', ['str', 'str', 'str', 'ulong', 'str']) as Call<
    [string, string, string | null, number, string | null],
    number
  >,
  clock_gettime: libc.func('clock_gettime', 'int', ['int', 'void *']) as Call<[number, Pointer], number>,
  getpagesize: libc.func('getpagesize', 'int', []) as Call<[], number>,
  umount2: libc.func('umount2', 'int', ['str', 'int']) as Call<[string, number], number>,
}

/** The errno of the last call of this thread. Only right after a call that failed. */
export function errno(): number {
  return koffi.errno()
}

/** System call numbers differ by architecture. */
export const syscalls = (
  {
    x64: {bpf: 321},
    arm64: {bpf: 280},
  } as Readonly<Record<string, {readonly bpf: number}>>
)[process.arch] ?? {bpf: 280}

/** bpf(2): the result, or minus the errno. */
export function bpfSyscall(command: number, attributes: bigint, size: number): number {
  const result = c.syscall(syscalls.bpf, command, attributes, size, 0, 0, 0)
  return result < 0 ? -koffi.errno() : result
}

/** Where a buffer lies. Stays true while the buffer lives and is not transferred or resized. */
export function addressOf(buffer: ArrayBufferView | ArrayBufferLike): bigint {
  return koffi.address(buffer instanceof DataView ? new Uint8Array(buffer.buffer, buffer.byteOffset) : buffer)
}

/** Bytes of a memory page: 4096 on x86-64, up to 65536 on arm64. */
export function pageSize(): number {
  return c.getpagesize()
}

const MAP_SHARED = 1
/** mmap failed: (void *)-1 */
const mapFailed = 0xffff_ffff_ffff_ffffn

/** Memory of the kernel's, seen as an ArrayBuffer. */
export interface MappedMemory {
  readonly buffer: ArrayBuffer
  /** Unmaps. Views of the buffer are then of length zero, so that reading them throws and does not fault. */
  close(): void
}

/**
 * Maps part of what a file descriptor stands for.
 *
 * @param length bytes, a multiple of the page size
 * @param offset bytes from the start, a multiple of the page size
 * @param writable without it a write through the view ends the process (SIGSEGV)
 */
export function mapMemory(
  fd: number,
  length: number,
  offset: number,
  writable: boolean,
  operation: string,
): MappedMemory {
  const PROT_READ = 1
  const PROT_WRITE = 2
  const pointer = c.mmap(null, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset)
  if (pointer === null || BigInt.asUintN(64, pointer) === mapFailed) throw new KernelError(errno(), operation)
  const buffer = koffi.view(pointer, length)
  return {
    buffer,
    close() {
      if (buffer.detached) return
      buffer.transfer(0)
      c.munmap(pointer, length)
    },
  }
}

function checked(result: number, operation: string): number {
  if (result < 0) throw new KernelError(koffi.errno(), operation)
  return result
}

/** A second descriptor of the same thing, close-on-exec. */
export function duplicateFd(fd: number): number {
  const F_DUPFD_CLOEXEC = 1030
  return checked(c.fcntl(fd, F_DUPFD_CLOEXEC, 0), `duplicate file descriptor ${fd}`)
}

export function closeFd(fd: number): void {
  checked(c.close(fd), `close file descriptor ${fd}`)
}

const O_CLOEXEC = 0o2000000

/** Opens a file read-only, close-on-exec; the caller closes the descriptor. */
export function openFd(path: string): number {
  return checked(c.open(path, O_CLOEXEC, 0), `open ${path}`)
}

export const namespaceKinds = {net: 0x40000000, mount: 0x00020000} as const

export function setNamespace(fd: number, kind: keyof typeof namespaceKinds): void {
  checked(c.setns(fd, namespaceKinds[kind]), `enter ${kind} namespace`)
}

export function newNamespace(kind: keyof typeof namespaceKinds): void {
  checked(c.unshare(namespaceKinds[kind]), `create ${kind} namespace`)
}

export function openSocket(family: number, type: number, protocol: number, operation: string): number {
  const SOCK_CLOEXEC = O_CLOEXEC
  return checked(c.socket(family, type | SOCK_CLOEXEC, protocol), operation)
}

export function bindSocket(fd: number, address: Uint8Array, operation: string): void {
  checked(c.bind(fd, address, address.byteLength), operation)
}

export function setSocketOption(fd: number, level: number, option: number, value: number, operation: string): void {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  checked(c.setsockopt(fd, level, option, bytes, 4), operation)
}

/** A socket option of 64 bits. */
export function readSocketOption(fd: number, level: number, option: number, operation: string): bigint {
  const value = new BigUint64Array(1)
  checked(c.getsockopt(fd, level, option, value, Uint32Array.of(8)), operation)
  return value[0]!
}

/** Sends the first `length` bytes. */
export function sendBytes(fd: number, bytes: Uint8Array, length: number, operation: string): number {
  return checked(c.send(fd, bytes, length, 0), operation)
}

/** Receives into `bytes`; minus the errno when nothing came. Flags: 2 peek, 0x20 true length, 0x40 do not wait. */
export function receiveBytes(fd: number, bytes: Uint8Array, flags: number): number {
  const length = c.recv(fd, bytes, bytes.byteLength, flags)
  return length < 0 ? -koffi.errno() : length
}

/** ioctl with a buffer that the kernel reads and writes. */
export function ioctl(fd: number, request: number, argument: Uint8Array, operation: string): number {
  return checked(c.ioctl(fd, request, argument), operation)
}

export function mountFileSystem(source: string, target: string, type: string | null, flags = 0): void {
  checked(c.mount(source, target, type, flags, null), `mount ${type ?? source} on ${target}`)
}

/** Detaches a mount at once, even while it is in use. */
export function unmountFileSystem(target: string): void {
  const MNT_DETACH = 2
  checked(c.umount2(target, MNT_DETACH), `unmount ${target}`)
}

/** Calls back on the event loop whenever a descriptor can be read. @returns a function that ends it */
export function watchReadable(fd: number, callback: () => void): () => void {
  const handle = koffi.node.poll(fd, {readable: true}, callback)
  return () => handle.close()
}

const clockIds = {realtime: 0, boottime: 7} as const

/** ns of a clock: `realtime` since 1970, `boottime` since the machine started, suspended time included. */
export function readClock(clock: keyof typeof clockIds): bigint {
  const time = new BigInt64Array(2)
  checked(c.clock_gettime(clockIds[clock], time), `read the clock ${clock}`)
  return time[0]! * 1_000_000_000n + time[1]!
}
