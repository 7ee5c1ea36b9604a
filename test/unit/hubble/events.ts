/** Events as the programs write them, for the store. */
import {type Event, eventCodec, eventZero} from '../../../src/datapath/gen/types.ts'
import type {FlowStore} from '../../../src/hubble/observe/flow-store.ts'
import {Ip} from '../../../src/model/ip.ts'

export type EventInput = Partial<Omit<Event, 'src' | 'dst'>> & {readonly from?: string; readonly to?: string}

export function event({from = '10.0.1.5', to = '10.0.2.7', ...rest}: EventInput = {}): Event {
  return {
    ...eventZero,
    version: 1,
    type: 4,
    proto: 6,
    sport: 40_000,
    dport: 80,
    src: Ip.of(from).toMappedBytes(),
    dst: Ip.of(to).toMappedBytes(),
    flags: from.includes(':') ? 1 : 0,
    ...rest,
  }
}

/** Puts events into a store as a ring hands them over. */
export function append(store: FlowStore, ...inputs: readonly EventInput[]): void {
  const view = new DataView(new ArrayBuffer(eventCodec.size * Math.max(1, inputs.length)))
  inputs.forEach((input, index) => {
    const offset = index * eventCodec.size
    eventCodec.encode(event(input), view, offset)
    store.append(view, offset, eventCodec.size)
  })
}
