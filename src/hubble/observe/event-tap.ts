/**
 * Gives a second reader what the pump takes from the rings, which have room for one reader alone. Copies only while
 * somebody listens; what finds no room is counted, and holds up nobody.
 */
import {eventCodec} from '../../datapath/gen/types.ts'

const recordBytes = eventCodec.size
/** about two seconds at 16 384 events a tick of the reader */
const recordsMax = 65_536

export class EventTap {
  readonly #isWanted: () => boolean
  readonly #lostInRings: () => number
  #bytes: Uint8Array | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))
  #first = 0
  #count = 0
  #lost = 0

  constructor(isWanted: () => boolean, lostInRings: () => number) {
    this.#isWanted = isWanted
    this.#lostInRings = lostInRings
  }

  get isWanted(): boolean {
    return this.#isWanted()
  }

  /** Takes a copy of a record. */
  take(view: DataView, offset: number): void {
    if (this.#count === recordsMax) {
      this.#lost++
      return
    }
    if (this.#bytes === undefined) {
      this.#bytes = new Uint8Array(recordsMax * recordBytes)
      this.#view = new DataView(this.#bytes.buffer)
    }
    const at = ((this.#first + this.#count) % recordsMax) * recordBytes
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + offset, recordBytes), at)
    this.#count++
  }

  /** Hands over what was taken. Fits `MonitorSource`. */
  poll(handler: (view: DataView, offset: number, length: number) => void, limit = Number.POSITIVE_INFINITY): number {
    let given = 0
    for (; this.#count > 0 && given < limit; given++) {
      const at = this.#first * recordBytes
      this.#first = (this.#first + 1) % recordsMax
      this.#count--
      handler(this.#view, at, recordBytes)
    }
    // nobody listens any more: the memory is for others
    if (this.#count === 0 && !this.isWanted) this.#bytes = undefined
    return given
  }

  counts(): {readonly lost: number} {
    return {lost: this.#lostInRings() + this.#lost}
  }
}
