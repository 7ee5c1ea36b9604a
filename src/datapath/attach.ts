/**
 * Programs on hooks. tcx links where the kernel has them (6.6), pinned, so that they outlive the agent and change their
 * program between two packets; clsact filters else, which the device itself keeps.
 */
import {existsSync} from 'node:fs'
import {attachTcx, type Direction, detachLink, updateLink} from '../kernel/bpf/link.ts'
import {openPin, pin, unpin} from '../kernel/bpf/pin.ts'
import {isErrno} from '../kernel/errors.ts'
import {closeFd} from '../kernel/libc.ts'
import {ensureClsact, filterDelete, filterReplace, listFilters} from '../kernel/netlink/filter.ts'
import type {NetlinkSocket} from '../kernel/netlink/socket.ts'
import {listLinkedDevices, pinPaths} from './pins.ts'

export type AttachMode = 'tcx' | 'tc'

/** No device has this number. */
const noDevice = 0x7fff_ffff

/** Does the kernel have tcx links? Asked by trying: where it has them, only the device is missing. */
export function hasTcx(program: number): boolean {
  try {
    closeFd(attachTcx(program, noDevice, 'ingress'))
    return true
  } catch (thrown) {
    return isErrno(thrown, 'ENODEV')
  }
}

/** Priority of our filter among others of clsact. */
const filterPriority = 1
const filterName = 'cilium'

export interface Hook {
  readonly ifindex: number
  readonly direction: Direction
}

export class Attachments {
  readonly mode: AttachMode
  readonly root: string
  readonly #socket: NetlinkSocket

  constructor(root: string, mode: AttachMode, socket: NetlinkSocket) {
    this.root = root
    this.mode = mode
    this.#socket = socket
  }

  /**
   * Puts a program on a hook, or in the place of an older one of ours: every packet meets the old or the new one.
   *
   * @param program descriptor; the hook keeps the program, not the descriptor
   * @throws KernelError: ENODEV when the device is gone
   */
  attach(hook: Hook, program: number): void {
    if (this.mode === 'tc') {
      ensureClsact(this.#socket, hook.ifindex)
      this.#socket.run(filterReplace({...hook, program, priority: filterPriority, name: filterName}))
      return
    }
    const path = pinPaths.link(this.root, hook.ifindex, hook.direction)
    if (exchange(path, program)) return
    // a crash between the two calls leaves nothing: an unpinned link ends with its descriptor
    const link = attachTcx(program, hook.ifindex, hook.direction)
    try {
      pin(link, path)
    } finally {
      closeFd(link)
    }
  }

  /** Takes our program off a hook. One that is gone, with its device or without, is success. */
  detach(hook: Hook): void {
    if (this.mode === 'tc') {
      const [error] = this.#socket.tryAll([filterDelete({...hook, priority: filterPriority})])
      if (error && !isErrno(error, 'ENOENT', 'ENODEV', 'EINVAL')) throw error
      return
    }
    const path = pinPaths.link(this.root, hook.ifindex, hook.direction)
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

  /** Is a program of ours on the hook? */
  isAttached(hook: Hook): boolean {
    if (this.mode === 'tcx') return existsSync(pinPaths.link(this.root, hook.ifindex, hook.direction))
    return listFilters(this.#socket, hook.ifindex, hook.direction).some((filter) => filter.name === filterName)
  }

  /** Removes pins of links whose device is not among those that exist. */
  prune(existing: ReadonlySet<number>): number {
    let removed = 0
    for (const ifindex of listLinkedDevices(this.root)) {
      if (existing.has(ifindex)) continue
      for (const direction of ['ingress', 'egress'] as const) unpin(pinPaths.link(this.root, ifindex, direction))
      for (const mode of ['native', 'generic'] as const) unpin(pinPaths.xdpLink(this.root, ifindex, mode))
      removed++
    }
    return removed
  }
}

/** Exchanges the program of a pinned link; false when there is none, or its device is gone and the number is new. */
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
