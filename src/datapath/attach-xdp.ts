/**
 * The XDP program on devices of the node, by pinned links. A device that cannot have it goes on with the tc programs
 * alone, which do everything that the XDP program does.
 */
import {existsSync} from 'node:fs'
import {attachXdp} from '../kernel/bpf/link.ts'
import {isErrno} from '../kernel/errors.ts'
import {declareErrors, fail} from '../runtime/errors.ts'
import {putPinnedLink, removePinnedLink} from './pinned-link.ts'
import {pinPaths} from './pins.ts'

const codes = declareErrors({
  XDP_NOT_ATTACHED: {
    what: 'device {ifindex} takes no {mode} XDP program: {detail}',
    advice:
      'its traffic is served by tc, only slower; loadBalancer.acceleration=best-effort stops this message, generic needs no driver',
  },
})

/** native and generic name what goes wrong; best-effort is native where a device has it. */
export type Acceleration = 'disabled' | 'native' | 'generic' | 'best-effort'

const modes = ['native', 'generic'] as const
type Mode = (typeof modes)[number]

export class XdpAttachments {
  readonly #root: string
  readonly #acceleration: Acceleration

  constructor(root: string, acceleration: Acceleration) {
    this.#root = root
    this.#acceleration = acceleration
  }

  /**
   * Puts the program on a device, or in the place of an older one, or takes it off, as configured.
   *
   * @returns whether frames are served by it now
   * @throws XDP_NOT_ATTACHED; KernelError EINVAL when the device is gone
   */
  attach(ifindex: number, program: number): boolean {
    const wanted: Mode | undefined =
      this.#acceleration === 'disabled' ? undefined : this.#acceleration === 'generic' ? 'generic' : 'native'
    for (const mode of modes) if (mode !== wanted) this.#detach(ifindex, mode)
    if (wanted === undefined) return false
    const path = pinPaths.xdpLink(this.#root, ifindex, wanted)
    let refused: unknown
    try {
      putPinnedLink(path, program, () => {
        try {
          return attachXdp(program, ifindex, wanted)
        } catch (thrown) {
          refused = thrown
          throw thrown
        }
      })
      return true
    } catch (thrown) {
      // only what the device refuses has another way
      if (thrown !== refused || isErrno(thrown, 'EINVAL')) throw thrown
      if (this.#acceleration === 'best-effort') return false
      return fail(codes.XDP_NOT_ATTACHED, {ifindex, mode: wanted, detail: String(thrown)}, {cause: thrown})
    }
  }

  /** Takes the program off. One that is gone, with its device or without, is success. */
  detach(ifindex: number): void {
    for (const mode of modes) this.#detach(ifindex, mode)
  }

  /** How a device is served; undefined: not by XDP. */
  modeOf(ifindex: number): Mode | undefined {
    return modes.find((mode) => existsSync(pinPaths.xdpLink(this.#root, ifindex, mode)))
  }

  #detach(ifindex: number, mode: Mode): void {
    removePinnedLink(pinPaths.xdpLink(this.#root, ifindex, mode))
  }
}
