/**
 * The first bytes of packets, beside the columns: of the newest events alone, for they are larger than all columns
 * together. Nothing is held until an event carries some.
 */
import {EVENT_PAYLOAD_MAX} from '../../datapath/gen/constants.ts'
import {eventSampleOffsets} from '../../datapath/gen/types.ts'

/** 8 MiB of packets */
const eventsMax = 65_536
const none = -1

export class Payloads {
  readonly #mask: number
  /** by slot: whose bytes they are, and how many */
  #sequences = new Float64Array(0)
  #lengths = new Uint8Array(0)
  #bytes = new Uint8Array(0)

  /** @param slots a power of two: those of the columns */
  constructor(slots: number) {
    this.#mask = Math.min(slots, eventsMax) - 1
  }

  /** @param offset of `struct event_sample` */
  put(sequence: number, view: DataView, offset: number): void {
    if (this.#lengths.length === 0) {
      const slots = this.#mask + 1
      this.#sequences = new Float64Array(slots).fill(none)
      this.#lengths = new Uint8Array(slots)
      this.#bytes = new Uint8Array(slots * EVENT_PAYLOAD_MAX)
    }
    const slot = sequence & this.#mask
    const captured = payloadIn(view, offset)
    this.#sequences[slot] = sequence
    this.#lengths[slot] = captured.length
    this.#bytes.set(captured, slot * EVENT_PAYLOAD_MAX)
  }

  /** A copy; undefined when the event has none, or they have given way to newer ones. */
  of(sequence: number): Uint8Array | undefined {
    const slot = sequence & this.#mask
    if (this.#sequences[slot] !== sequence) return undefined
    const at = slot * EVENT_PAYLOAD_MAX
    return this.#bytes.slice(at, at + this.#lengths[slot]!)
  }
}

/** In place. @param offset of `struct event_sample` */
export function payloadIn(view: DataView, offset: number): Uint8Array {
  const captured = Math.min(view.getUint32(offset + eventSampleOffsets.captured, true), EVENT_PAYLOAD_MAX)
  return new Uint8Array(view.buffer, view.byteOffset + offset + eventSampleOffsets.bytes, captured)
}
