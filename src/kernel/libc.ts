/**
 * System calls and little else of the C library, as far as the kernel door needs it. Functions take and give numbers and
 * buffers; what fails throws a KernelError that names the operation. One call costs 0.2-0.5 us: nothing here is for use
 * per packet or event.
 */
import koffi from 'koffi'
import {KernelError} from './errors.ts'
import {systemCall} from './system-call.ts'

const libc = koffi.load('libc.so.6')
const getpagesize = libc.func('getpagesize', 'int', []) as () => number

/** The errno that a function of a library has left. Only right after a call that failed, and only to be shown. */
export function errno(): number {
  return koffi.errno()
}

/** bpf(2): the result, or minus the errno. */
export function bpfSyscall(command: number, attributes: bigint, size: number): number {
  return systemCall('bpf', command, attributes, size)
}

/** Where a buffer lies. Stays true while the buffer lives and is not transferred or resized. */
export function addressOf(buffer: ArrayBufferView | ArrayBufferLike): bigint {
  return koffi.address(buffer instanceof DataView ? new Uint8Array(buffer.buffer, buffer.byteOffset) : buffer)
}

/** Bytes of a memory page: 4096 on x86-64, up to 65536 on arm64. */
export function pageSize(): number {
  return getpagesize()
}

const MAP_SHARED = 1

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
  const access = writable ? PROT_READ | PROT_WRITE : PROT_READ
  const pointer = BigInt(checked(systemCall('mmap', 0, length, access, MAP_SHARED, fd, offset), operation))
  const buffer = koffi.view(pointer, length)
  return {
    buffer,
    close() {
      if (buffer.detached) return
      buffer.transfer(0)
      systemCall('munmap', pointer, length)
    },
  }
}

function checked(result: number, operation: string): number {
  if (result < 0) throw new KernelError(-result, operation)
  return result
}

/** A second descriptor of the same thing, close-on-exec. */
export function duplicateFd(fd: number): number {
  const F_DUPFD_CLOEXEC = 1030
  return checked(systemCall('fcntl', fd, F_DUPFD_CLOEXEC, 0), `duplicate file descriptor ${fd}`)
}

export function closeFd(fd: number): void {
  checked(systemCall('close', fd), `close file descriptor ${fd}`)
}

const O_CLOEXEC = 0o2000000
/** paths are relative to the working directory */
const AT_FDCWD = -100

/** Where texts lie during a call: the address of a temporary would not keep it alive. PATH_MAX of limits.h each. */
const texts = [0, 1, 2].map(() => {
  const bytes = new Uint8Array(4096)
  return {bytes, address: addressOf(bytes)}
})
const encoder = new TextEncoder()

/** @returns the address of the text, closed by a zero. @throws KernelError ENAMETOOLONG */
function text(slot: 0 | 1 | 2, value: string): bigint {
  const {bytes, address} = texts[slot]!
  const {read, written} = encoder.encodeInto(value, bytes)
  if (read < value.length || written === bytes.length) throw new KernelError(36, `use the path ${value.slice(0, 100)}`)
  bytes[written] = 0
  return address
}

/** Small numbers that the kernel reads or writes: a socket option and its length. */
const option = {value: new BigUint64Array(1), length: new Uint32Array(1)}
const optionAddress = {value: addressOf(option.value), length: addressOf(option.length)}

/** Opens a file read-only, close-on-exec; the caller closes the descriptor. */
export function openFd(path: string): number {
  return checked(systemCall('openat', AT_FDCWD, text(0, path), O_CLOEXEC, 0), `open ${path}`)
}

export const namespaceKinds = {net: 0x40000000, mount: 0x00020000} as const

export function setNamespace(fd: number, kind: keyof typeof namespaceKinds): void {
  checked(systemCall('setns', fd, namespaceKinds[kind]), `enter ${kind} namespace`)
}

export function newNamespace(kind: keyof typeof namespaceKinds): void {
  checked(systemCall('unshare', namespaceKinds[kind]), `create ${kind} namespace`)
}

export function openSocket(family: number, type: number, protocol: number, operation: string): number {
  const SOCK_CLOEXEC = O_CLOEXEC
  return checked(systemCall('socket', family, type | SOCK_CLOEXEC, protocol), operation)
}

export function bindSocket(fd: number, address: Uint8Array, operation: string): void {
  checked(systemCall('bind', fd, addressOf(address), address.byteLength), operation)
}

export function connectSocket(fd: number, address: Uint8Array, operation: string): void {
  checked(systemCall('connect', fd, addressOf(address), address.byteLength), operation)
}

export function setSocketOption(fd: number, level: number, name: number, value: number, operation: string): void {
  option.value[0] = BigInt.asUintN(32, BigInt(value)) // four bytes, little-endian
  checked(systemCall('setsockopt', fd, level, name, optionAddress.value, 4), operation)
}

/** A socket option that is a structure. */
export function setSocketBytes(fd: number, level: number, name: number, value: Uint8Array, operation: string): void {
  checked(systemCall('setsockopt', fd, level, name, addressOf(value), value.byteLength), operation)
}

/** A socket option of 64 bits. */
export function readSocketOption(fd: number, level: number, name: number, operation: string): bigint {
  option.value[0] = 0n
  option.length[0] = 8
  checked(systemCall('getsockopt', fd, level, name, optionAddress.value, optionAddress.length), operation)
  return option.value[0]
}

/** Sends the first `length` bytes. */
export function sendBytes(fd: number, bytes: Uint8Array, length: number, operation: string): number {
  return checked(systemCall('sendto', fd, addressOf(bytes), length), operation)
}

/** Receives into `bytes`; minus the errno when nothing came. Flags: 2 peek, 0x20 true length, 0x40 do not wait. */
export function receiveBytes(fd: number, bytes: Uint8Array, flags: number): number {
  return systemCall('recvfrom', fd, addressOf(bytes), bytes.byteLength, flags)
}

/** ioctl with a buffer that the kernel reads and writes. */
export function ioctl(fd: number, request: number, argument: Uint8Array, operation: string): number {
  return checked(systemCall('ioctl', fd, request, addressOf(argument)), operation)
}

export function mountFileSystem(source: string, target: string, type: string | null, flags = 0): void {
  const kind = type === null ? 0n : text(2, type)
  checked(systemCall('mount', text(0, source), text(1, target), kind, flags, 0), `mount ${type ?? source} on ${target}`)
}

/** Detaches a mount at once, even while it is in use. */
export function unmountFileSystem(target: string): void {
  const MNT_DETACH = 2
  checked(systemCall('umount2', text(0, target), MNT_DETACH), `unmount ${target}`)
}

/** Calls back on the event loop whenever a descriptor can be read. @returns a function that ends it */
export function watchReadable(fd: number, callback: () => void): () => void {
  const handle = koffi.node.poll(fd, {readable: true}, callback)
  return () => handle.close()
}

const clockIds = {realtime: 0, boottime: 7} as const
const time = new BigInt64Array(2)
const timeAddress = addressOf(time)

/** ns of a clock: `realtime` since 1970, `boottime` since the machine started, suspended time included. */
export function readClock(clock: keyof typeof clockIds): bigint {
  checked(systemCall('clock_gettime', clockIds[clock], timeAddress), `read the clock ${clock}`)
  return time[0]! * 1_000_000_000n + time[1]!
}
