import {eventCodec} from '../../../src/datapath/gen/types.ts'
import type {EventSource} from '../../../src/hubble/observe/event-pump.ts'
import {type EventInput, event} from './events.ts'

/** A ring that the test fills. */
export class Ring implements EventSource {
  #waiting: EventInput[] = []
  #view = new DataView(new ArrayBuffer(eventCodec.size))
  lost = 0
  /** more waiting than this is a crowd */
  room = Number.POSITIVE_INFINITY

  get waiting(): number {
    return this.#waiting.length
  }

  readonly capacity = 2 ** 22
  get isCrowded(): boolean {
    return this.#waiting.length > this.room
  }

  write(...events: EventInput[]): void {
    const now = process.hrtime.bigint()
    this.#waiting.push(...events.map((one) => ({time: now, ...one})))
  }

  poll(handler: (view: DataView, offset: number, length: number) => void, limit = Number.POSITIVE_INFINITY): number {
    const events = this.#waiting.splice(0, limit)
    for (const one of events) {
      eventCodec.encode(event(one), this.#view, 0)
      handler(this.#view, 0, eventCodec.size)
    }
    return events.length
  }

  counts() {
    return {written: 0, lost: this.lost}
  }
}
