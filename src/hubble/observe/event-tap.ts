/**
 * Gives a second reader what the pump takes from the rings, which have room for one reader alone. Copies only while
 * somebody listens; what finds no room is counted, and holds up nobody.
 */
import {eventCodec} from '../../datapath/gen/types.ts'

/** about two seconds at 16 384 events a tick of the reader */
const recordsMax = 65_536

export class EventTap {
  readonly #isWanted: () => boolean
  readonly #lostInRings: () => number
  readonly #recordBytes: number
  #bytes: Uint8Array | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))
  readonly #lengths = new Uint16Array(recordsMax)
  #first = 0
  #count = 0
  #lost = 0

  /** @param recordBytes that are kept of a record, at most */
  constructor(isWanted: () => boolean, lostInRings: () => number, recordBytes: number = eventCodec.size) {
    this.#isWanted = isWanted
    this.#lostInRings = lostInRings
    this.#recordBytes = recordBytes
  }

  get isWanted(): boolean {
    return this.#isWanted()
  }

  /** Takes a copy of a record. */
  take(view: DataView, offset: number, length: number = eventCodec.size): void {
    if (this.#count === recordsMax) {
      this.#lost++
      return
    }
    if (this.#bytes === undefined) {
      this.#bytes = new Uint8Array(recordsMax * this.#recordBytes)
      this.#view = new DataView(this.#bytes.buffer)
    }
    const slot = (this.#first + this.#count) % recordsMax
    const bytes = Math.min(length, this.#recordBytes)
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + offset, bytes), slot * this.#recordBytes)
    this.#lengths[slot] = bytes
    this.#count++
  }

  /** Hands over what was taken. Fits `MonitorSource`. */
  poll(handler: (view: DataView, offset: number, length: number) => void, limit = Number.POSITIVE_INFINITY): number {
    let given = 0
    for (; this.#count > 0 && given < limit; given++) {
      const slot = this.#first
      this.#first = (slot + 1) % recordsMax
      this.#count--
      handler(this.#view, slot * this.#recordBytes, this.#lengths[slot]!)
    }
    // nobody listens any more: the memory is for others
    if (this.#count === 0 && !this.isWanted) this.#bytes = undefined
    return given
  }

  counts(): {readonly lost: number} {
    return {lost: this.#lostInRings() + this.#lost}
  }
}
