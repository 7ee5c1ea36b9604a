/** Iterators: programs that the kernel runs once for each element of something, and what they write. */
import {readFileSync} from 'node:fs'
import {addressOf, closeFd} from '../libc.ts'
import {begin, bpf, commands} from './syscall.ts'

const BPF_TRACE_ITER = 28

/**
 * Runs an iterator over a map to its end.
 *
 * @param map descriptor of the map that is walked
 * @returns all that the program wrote
 * @throws KernelError
 */
export function readMapIterator(program: number, map: number): Uint8Array {
  const info = new DataView(new ArrayBuffer(16))
  info.setUint32(0, map, true)
  const attributes = begin()
  attributes.setUint32(0, program, true)
  attributes.setUint32(8, BPF_TRACE_ITER, true)
  attributes.setBigUint64(16, addressOf(info.buffer), true)
  attributes.setUint32(24, info.byteLength, true)
  const link = bpf(commands.linkCreate, 48, 'make an iterator')
  try {
    begin().setUint32(0, link, true)
    const fd = bpf(commands.iterCreate, 8, 'start an iterator')
    try {
      return readFileSync(fd)
    } finally {
      closeFd(fd)
    }
  } finally {
    closeFd(link)
  }
}
