/** Programs of a few instructions, written by hand: for asking the kernel what it knows. */
import {KernelError} from '../errors.ts'
import {addressOf} from '../libc.ts'
import {begin, commands, tryBpf} from './syscall.ts'

export const programTypes = {sched_cls: 3, xdp: 6, cgroup_sock_addr: 18, syscall: 31} as const
export type ProgramType = keyof typeof programTypes

/** [operation code, destination | source << 4, offset, immediate] */
export type Instruction = readonly [code: number, registers: number, offset: number, immediate: number]

/** rN = immediate */
export const set = (register: number, immediate: number): Instruction => [0xb7, register, 0, immediate]
/** rN = rM */
export const move = (to: number, from: number): Instruction => [0xbf, to | (from << 4), 0, 0]
/** rN += immediate */
export const add = (register: number, immediate: number): Instruction => [0x07, register, 0, immediate]
/** *(u64 *)(r10 + offset) = immediate */
export const storeStack64 = (offset: number, immediate: number): Instruction => [0x7a, 10, offset, immediate]
/** *(u32 *)(r10 + offset) = immediate */
export const storeStack32 = (offset: number, immediate: number): Instruction => [0x62, 10, offset, immediate]
/** *(u8 *)(r10 + offset) = immediate */
export const storeStack8 = (offset: number, immediate: number): Instruction => [0x72, 10, offset, immediate]
export const call = (helper: number): Instruction => [0x85, 0, 0, helper]
/** rN = *(u32 *)(rM + offset) */
export const load32 = (to: number, from: number, offset: number): Instruction => [0x61, to | (from << 4), offset, 0]
/** rN = a map, by its descriptor. Two places. */
export const mapReference = (register: number, fd: number): readonly Instruction[] => [
  [0x18, register | (1 << 4), 0, fd],
  [0, 0, 0, 0],
]
/** rN = address of the first value of an array. Two places. */
export const mapValueReference = (register: number, fd: number): readonly Instruction[] => [
  [0x18, register | (2 << 4), 0, fd],
  [0, 0, 0, 0],
]
export const exit: Instruction = [0x95, 0, 0, 0]

const logBytes = 16 << 10

/**
 * Loads a program.
 *
 * @param expectedAttachType where the kernel wants to know it beforehand: a number of attachTypes
 * @returns its descriptor, or the errno and what the verifier said
 */
export function tryProgram(
  type: ProgramType,
  instructions: readonly Instruction[],
  expectedAttachType = 0,
): {readonly fd: number} | {readonly errno: number; readonly log: string} {
  const code = new DataView(new ArrayBuffer(instructions.length * 8))
  for (const [i, [operation, registers, offset, immediate]] of instructions.entries()) {
    code.setUint8(i * 8, operation)
    code.setUint8(i * 8 + 1, registers)
    code.setInt16(i * 8 + 2, offset, true)
    code.setInt32(i * 8 + 4, immediate, true)
  }
  const license = Uint8Array.from(Buffer.from('GPL\0'))
  const log = Buffer.alloc(logBytes)
  const attributes = begin()
  attributes.setUint32(0, programTypes[type], true)
  attributes.setUint32(4, instructions.length, true)
  attributes.setBigUint64(8, addressOf(code.buffer), true)
  attributes.setBigUint64(16, addressOf(license), true)
  attributes.setUint32(24, 1, true)
  attributes.setUint32(28, logBytes, true)
  attributes.setBigUint64(32, addressOf(log), true)
  // BPF_F_SLEEPABLE: programs of this type are, always
  if (type === 'syscall') attributes.setUint32(44, 1 << 4, true)
  attributes.setUint32(68, expectedAttachType, true)
  const result = tryBpf(commands.progLoad, 72)
  if (result >= 0) return {fd: result}
  return {errno: -result, log: log.toString('latin1', 0, Math.max(0, log.indexOf(0)))}
}

/** Loads a program that must load. The caller closes the descriptor. @throws KernelError */
export function loadProgram(type: ProgramType, instructions: readonly Instruction[]): number {
  const loaded = tryProgram(type, instructions)
  if ('fd' in loaded) return loaded.fd
  throw new KernelError(loaded.errno, `load ${type} program`, loaded.log.trim().split('\n').at(-1) ?? '')
}
