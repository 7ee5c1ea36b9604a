/**
 * Attaching without waiting. A tcx hook that gets a program makes the kernel wait for all CPUs to have left the old one
 * (synchronize_rcu: 5 to 20 ms): here a thread of the libuv pool waits, and several attachments share one such period.
 */
import koffi from 'koffi'
import {addressOf, syscalls} from '../libc.ts'
import {attachTcx, attachTypes, type Direction} from './link.ts'
import {commands} from './syscall.ts'

const libc = koffi.load('libc.so.6')
const syscall = libc.func('syscall', 'long', ['long', 'long', 'uint64', 'long'])

const attributesBytes = 48
const BPF_F_AFTER = 1 << 4

/**
 * Like `attachTcx`, last of the programs on the hook. The pool's threads must be in the device's network namespace:
 * start them there (any fs call) before the first visit to another.
 *
 * @returns descriptor of the link, the caller's
 * @throws KernelError: ENODEV, EINVAL on kernels before 6.6
 */
export async function attachTcxAsync(program: number, ifindex: number, direction: Direction): Promise<number> {
  const attributes = new DataView(new ArrayBuffer(attributesBytes))
  attributes.setUint32(0, program, true)
  attributes.setUint32(4, ifindex, true)
  attributes.setUint32(8, direction === 'ingress' ? attachTypes.tcx_ingress : attachTypes.tcx_egress, true)
  attributes.setUint32(12, BPF_F_AFTER, true)
  const link = await new Promise<number>((resolve, reject) => {
    const done = (error: Error | null, result: number) => {
      attributes.getUint8(0) // the kernel reads it until now: it must not be collected
      if (error) reject(error)
      else resolve(result)
    }
    syscall.async(syscalls.bpf, commands.linkCreate, addressOf(attributes.buffer), attributesBytes, done)
  })
  // errno is the other thread's: the same call here fails in the same way and says why
  return link < 0 ? attachTcx(program, ifindex, direction) : link
}
