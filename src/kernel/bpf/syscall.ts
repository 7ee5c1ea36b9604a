/**
 * bpf(2). All small calls share one attribute buffer at a fixed address, so a call allocates nothing.
 * Synchronous: nobody else writes to the buffer between filling it and the call.
 */
import {KernelError} from '../errors.ts'
import {addressOf, bpfSyscall} from '../libc.ts'

/** Commands of bpf(2), include/uapi/linux/bpf.h. */
export const commands = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  progLoad: 5,
  objPin: 6,
  objGet: 7,
  progTestRun: 10,
  mapFdById: 14,
  progFdById: 13,
  objInfo: 15,
  progQuery: 16,
  btfLoad: 18,
  btfFdById: 19,
  mapLookupAndDelete: 21,
  mapFreeze: 22,
  mapLookupBatch: 24,
  mapLookupAndDeleteBatch: 25,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
  linkCreate: 28,
  linkUpdate: 29,
  linkFdById: 30,
  iterCreate: 33,
  linkDetach: 34,
} as const

const capacity = 128

/** The attributes of the next call. `begin` zeroes it first. */
export const attributes = new DataView(new ArrayBuffer(capacity))
const bytes = new Uint8Array(attributes.buffer)
const address = addressOf(attributes.buffer)

/** Zeroes the attribute buffer and gives it. */
export function begin(): DataView {
  bytes.fill(0)
  return attributes
}

/** Makes the call; the result, or minus the errno. */
export function tryBpf(command: number, size: number): number {
  return bpfSyscall(command, address, size)
}

/** Makes the call. @throws KernelError */
export function bpf(command: number, size: number, operation: string): number {
  const result = bpfSyscall(command, address, size)
  if (result < 0) throw new KernelError(-result, operation)
  return result
}
