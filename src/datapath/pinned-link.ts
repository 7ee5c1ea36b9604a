/** Links that pins hold: they outlive the agent, and change their program between two packets or calls. */
import {detachLink, updateLink} from '../kernel/bpf/link.ts'
import {openPin, pin, unpin} from '../kernel/bpf/pin.ts'
import {isErrno} from '../kernel/errors.ts'
import {closeFd} from '../kernel/libc.ts'

/**
 * Exchanges the program of a pinned link, or makes the link.
 *
 * @param program descriptor; the link keeps the program, not the descriptor
 * @param attach makes a link of the program and returns its descriptor
 * @throws KernelError, of `attach` also
 */
export function putPinnedLink(path: string, program: number, attach: () => number): void {
  if (exchange(path, program)) return
  // a crash between the two calls leaves nothing: an unpinned link ends with its descriptor
  const link = attach()
  try {
    pin(link, path)
  } finally {
    closeFd(link)
  }
}

/** Takes a pinned link off its hook. One that is gone, with its device or cgroup or without, is success. */
export function removePinnedLink(path: string): void {
  const link = openPin(path)
  if (link === undefined) return
  try {
    detachLink(link)
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOLINK')) throw thrown
  } finally {
    closeFd(link)
    unpin(path)
  }
}

/** False when there is no link, or what it was attached to is gone, and its number may be another's by now. */
function exchange(path: string, program: number): boolean {
  const link = openPin(path)
  if (link === undefined) return false
  try {
    updateLink(link, program)
    return true
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOLINK')) throw thrown
    unpin(path)
    return false
  } finally {
    closeFd(link)
  }
}
