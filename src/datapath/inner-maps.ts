/** The maps inside of map-in-maps: shards of flows and event rings. They are made before anybody uses the outer map. */
import {BpfMap, createMapFd, type MapShape} from '../kernel/bpf/map.ts'
import {closeFd, duplicateFd} from '../kernel/libc.ts'
import {EVENT_RING_BYTES_MAX, EVENT_RING_BYTES_MIN, EVENT_RINGS_BYTES} from './gen/constants.ts'
import {ciliumEvents, ciliumEventsInner, ciliumFlows, ciliumFlowsInner} from './gen/maps.ts'

/**
 * Makes the shards of an empty flow map. One that has shards keeps their number: it is part of how keys are spread, and
 * flows would be lost to packets that look for them elsewhere.
 *
 * @returns the number of shards it has
 */
export function fillFlowShards(outer: number, wanted: number): number {
  return fill(
    outer,
    ciliumFlows,
    (present) => present || wanted,
    () =>
      createMapFd(ciliumFlowsInner.name, {
        type: ciliumFlowsInner.type,
        keySize: ciliumFlowsInner.key.size,
        valueSize: ciliumFlowsInner.value.size,
        maxEntries: ciliumFlowsInner.maxEntries,
        flags: ciliumFlowsInner.flags ?? 0,
      }),
  )
}

/** Makes rings until there are as many as wanted; never fewer, for older programs write to those that are. */
export function fillEventRings(outer: number, wanted: number): number {
  return fill(
    outer,
    ciliumEvents,
    (present) => Math.max(present, wanted),
    (count) =>
      createMapFd(ciliumEventsInner.name, {
        type: ciliumEventsInner.type,
        keySize: 0,
        valueSize: 0,
        maxEntries: ringBytes(count),
        flags: 0,
      }),
  )
}

/** Of each of so many rings, a power of two: the fewer there are, the longer a stall of the reader that each outlasts. */
export function ringBytes(rings: number): number {
  return Math.min(EVENT_RING_BYTES_MAX, Math.max(EVENT_RING_BYTES_MIN, EVENT_RINGS_BYTES / rings))
}

/** Ids of the maps inside, by index; empty places are left out. */
export function innerMapIds(outer: BpfMap<number, number>): number[] {
  const ids: number[] = []
  for (let index = 0; index < outer.maxEntries; index++) {
    const id = outer.get(index)
    if (id === undefined) break
    ids.push(id)
  }
  return ids
}

function fill(
  fd: number,
  shape: MapShape<number, number>,
  count: (present: number) => number,
  create: (count: number) => number,
): number {
  const outer = new BpfMap(duplicateFd(fd), shape)
  try {
    const present = innerMapIds(outer).length
    const wanted = count(present)
    for (let index = present; index < wanted; index++) {
      const inner = create(wanted)
      try {
        outer.put(index, inner)
      } finally {
        closeFd(inner)
      }
    }
    return wanted
  } finally {
    outer.close()
  }
}
