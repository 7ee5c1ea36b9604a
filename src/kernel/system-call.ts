/**
 * System calls that tell their error themselves. The C library keeps it in `errno`, which JavaScript can only read in a
 * second call; in between the runtime may make system calls of its own (a futex of the garbage collector leaves EAGAIN),
 * and an ENOENT that ends a loop becomes an error that never was. So a few instructions of our own make the call and
 * return what the kernel returned, as syscall(2) says for each architecture.
 */
import koffi from 'koffi'
import {KernelError} from './errors.ts'

/** Numbers of the calls we make: include/uapi/asm-generic/unistd.h, arch/x86/entry/syscalls/syscall_64.tbl. */
const numbers = {
  x64: {
    ...{bpf: 321, close: 3, fcntl: 72, openat: 257, setns: 308, unshare: 272, socket: 41, bind: 49, sendto: 44},
    ...{recvfrom: 45, setsockopt: 54, getsockopt: 55, ioctl: 16, mount: 165, umount2: 166, clock_gettime: 228},
    ...{mmap: 9, munmap: 11, connect: 42},
  },
  arm64: {
    ...{bpf: 280, close: 57, fcntl: 25, openat: 56, setns: 268, unshare: 97, socket: 198, bind: 200, sendto: 206},
    ...{recvfrom: 207, setsockopt: 208, getsockopt: 209, ioctl: 29, mount: 40, umount2: 39, clock_gettime: 113},
    ...{mmap: 222, munmap: 215, connect: 203},
  },
} as const

/** number and six arguments, moved from where a C function gets them to where the kernel wants them; then return */
const instructions = {
  x64: [
    ...[0x48, 0x89, 0xf8], // mov rax, rdi
    ...[0x48, 0x89, 0xf7], // mov rdi, rsi
    ...[0x48, 0x89, 0xd6], // mov rsi, rdx
    ...[0x48, 0x89, 0xca], // mov rdx, rcx
    ...[0x4d, 0x89, 0xc2], // mov r10, r8
    ...[0x4d, 0x89, 0xc8], // mov r8, r9
    ...[0x4c, 0x8b, 0x4c, 0x24, 0x08], // mov r9, [rsp+8]
    ...[0x0f, 0x05], // syscall
    0xc3, // ret
  ],
  arm64: [
    ...[0xe8, 0x03, 0x00, 0xaa], // mov x8, x0
    ...[0xe0, 0x03, 0x01, 0xaa], // mov x0, x1
    ...[0xe1, 0x03, 0x02, 0xaa], // mov x1, x2
    ...[0xe2, 0x03, 0x03, 0xaa], // mov x2, x3
    ...[0xe3, 0x03, 0x04, 0xaa], // mov x3, x4
    ...[0xe4, 0x03, 0x05, 0xaa], // mov x4, x5
    ...[0xe5, 0x03, 0x06, 0xaa], // mov x5, x6
    ...[0x01, 0x00, 0x00, 0xd4], // svc #0
    ...[0xc0, 0x03, 0x5f, 0xd6], // ret
  ],
} as const

export type SystemCall = keyof (typeof numbers)['x64']
type Word = number | bigint
type Raw = (call: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word) => number

const architecture = process.arch === 'arm64' ? 'arm64' : 'x64'
const raw = makeRaw()

/** @returns what the kernel returns: 0 and above, or minus the errno. Arguments are numbers or addresses (`addressOf`). */
export function systemCall(
  name: SystemCall,
  a: Word = 0,
  b: Word = 0,
  c: Word = 0,
  d: Word = 0,
  e: Word = 0,
  f: Word = 0,
): number {
  return raw(numbers[architecture][name], a, b, c, d, e, f)
}

/** A page that holds the instructions: written first, executable afterwards, never both. */
function makeRaw(): Raw {
  const libc = koffi.load('libc.so.6')
  const mmap = libc.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64'])
  const mprotect = libc.func('mprotect', 'int', ['void *', 'size_t', 'int'])
  const [read, write, execute] = [1, 2, 4]
  const [mapPrivate, mapAnonymous] = [0x02, 0x20]
  const code = instructions[architecture]
  const page = mmap(null, code.length, read | write, mapPrivate | mapAnonymous, -1, 0) as bigint
  new Uint8Array(koffi.view(page, code.length)).set(code)
  if (mprotect(page, code.length, read | execute) !== 0) throw new KernelError(13, 'make memory executable')
  const words = ['int64', 'int64', 'int64', 'int64', 'int64', 'int64', 'int64']
  return koffi.decode(page, koffi.proto('CiliumSystemCall', 'int64', words)) as Raw
}
