/** Pins: names in a bpf file system that keep maps, programs and links alive without a process. */
import {mkdirSync, renameSync, rmSync} from 'node:fs'
import {dirname} from 'node:path'
import {KernelError} from '../errors.ts'
import {addressOf} from '../libc.ts'
import {begin, bpf, commands, tryBpf} from './syscall.ts'

const ENOENT = 2

function pathBuffer(path: string): {address: bigint; buffer: ArrayBufferLike} {
  const bytes = Uint8Array.from(Buffer.from(`${path}\0`))
  return {address: addressOf(bytes.buffer), buffer: bytes.buffer}
}

/**
 * Pins what a descriptor stands for, making the folders above.
 *
 * @param path on a mounted bpf file system; no name of a pin or folder may contain a dot
 * @throws KernelError: EEXIST
 */
export function pin(fd: number, path: string): void {
  mkdirSync(dirname(path), {recursive: true, mode: 0o700})
  const name = pathBuffer(path)
  const attributes = begin()
  attributes.setBigUint64(0, name.address, true)
  attributes.setUint32(8, fd, true)
  bpf(commands.objPin, 16, `pin ${path}`)
}

/** Pins under a name that may be taken: whoever opens it finds the old or the new, never nothing. */
export function pinReplacing(fd: number, path: string): void {
  const unfinished = `${path}_${process.pid}_new`
  rmSync(unfinished, {force: true})
  pin(fd, unfinished)
  renameSync(unfinished, path)
}

/** A descriptor of what is pinned, the caller's; undefined when nothing is there. */
export function openPin(path: string): number | undefined {
  const name = pathBuffer(path)
  const attributes = begin()
  attributes.setBigUint64(0, name.address, true)
  const result = tryBpf(commands.objGet, 16)
  if (result === -ENOENT) return undefined
  if (result < 0) throw new KernelError(-result, `open pin ${path}`)
  return result
}

/** Removes a pin; what it names lives on while something else holds it. A missing pin is success. */
export function unpin(path: string): void {
  rmSync(path, {force: true})
}
