/**
 * Programs on hooks. tcx links where the kernel has them (6.6), pinned, so that they outlive the agent and change their
 * program between two packets; clsact filters else, which the device itself keeps.
 */
import {existsSync} from 'node:fs'
import {attachTcx, type Direction} from '../kernel/bpf/link.ts'
import {unpin} from '../kernel/bpf/pin.ts'
import {isErrno} from '../kernel/errors.ts'
import {closeFd} from '../kernel/libc.ts'
import {ensureClsact, filterDelete, filterReplace, listFilters} from '../kernel/netlink/filter.ts'
import type {NetlinkSocket} from '../kernel/netlink/socket.ts'
import {putPinnedLink, removePinnedLink} from './pinned-link.ts'
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
    putPinnedLink(path, program, () => attachTcx(program, hook.ifindex, hook.direction))
  }

  /** Takes our program off a hook. One that is gone, with its device or without, is success. */
  detach(hook: Hook): void {
    if (this.mode === 'tc') {
      const [error] = this.#socket.tryAll([filterDelete({...hook, priority: filterPriority})])
      if (error && !isErrno(error, 'ENOENT', 'ENODEV', 'EINVAL')) throw error
      return
    }
    removePinnedLink(pinPaths.link(this.root, hook.ifindex, hook.direction))
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
