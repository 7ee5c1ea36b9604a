/**
 * The datapath's maps by their pins: for the agent through its generation, and read-only for `cilium-dbg bpf`, which
 * works with the agent down.
 */
import {join} from 'node:path'
import {BpfMap, type MapShape, openMapById} from '../../kernel/bpf/map.ts'
import {openPin} from '../../kernel/bpf/pin.ts'
import {declareErrors, fail} from '../../runtime/errors.ts'
import {
  ciliumDevices,
  ciliumEpoch,
  ciliumFlows,
  ciliumFlowsInner,
  ciliumL2,
  ciliumLxc,
  ciliumMetrics,
} from '../gen/maps.ts'
import type {Counter, Device, Endpoint, Flow, FlowKey, L2Entry, L2Key} from '../gen/types.ts'
import {defaultPinRoot, listGenerations, pinPaths} from '../pins.ts'
import {AddressMap} from './addresses.ts'

const codes = declareErrors({
  DATAPATH_NOT_LOADED: {
    what: 'no datapath is loaded here: {path} does not exist',
    advice: 'run this on a node, in the agent container; cilium status tells whether the agent has started',
  },
})

/** Where a named map is pinned: among the state, or in the newest generation. */
export type MapOpener = (name: string) => number

/** Opens by pins. @throws DATAPATH_NOT_LOADED */
export function pinnedMaps(root = defaultPinRoot): MapOpener {
  return (name) => {
    const newest = listGenerations(root).at(-1)
    const paths = [
      join(pinPaths.state(root), name),
      ...(newest ? [join(pinPaths.generation(root, newest), 'maps', name)] : []),
    ]
    for (const path of paths) {
      const fd = openPin(path)
      if (fd !== undefined) return fd
    }
    return fail(codes.DATAPATH_NOT_LOADED, {path: paths.at(-1)})
  }
}

export const openEndpoints = (open: MapOpener): BpfMap<number, Endpoint> => typed(open, ciliumLxc)
export const openDevices = (open: MapOpener): BpfMap<number, Device> => typed(open, ciliumDevices)
export const openEpoch = (open: MapOpener): BpfMap<number, number> => typed(open, ciliumEpoch)
export const openL2 = (open: MapOpener): BpfMap<L2Key, L2Entry> => typed(open, ciliumL2)
export const openCounters = (open: MapOpener): BpfMap<number, readonly Counter[]> => typed(open, ciliumMetrics)
export const openAddresses = (open: MapOpener): AddressMap =>
  new AddressMap(open('cilium_ipcache'), open('cilium_ipcache_p'))

/** All flow entries. */
export function* readFlows(open: MapOpener): Generator<[FlowKey, Flow]> {
  for (const shard of readFlowShards(open)) yield* shard
}

/** Flow entries, shard by shard: each must be read before the next is asked for. */
export function* readFlowShards(open: MapOpener): Generator<Iterable<[FlowKey, Flow]>> {
  const shards = typed(open, ciliumFlows)
  try {
    for (const [, id] of shards.entries()) {
      if (id === 0) continue
      const shard = new BpfMap(openMapById(id), ciliumFlowsInner)
      try {
        yield shard.entries()
      } finally {
        shard.close()
      }
    }
  } finally {
    shards.close()
  }
}

function typed<K, V>(open: MapOpener, shape: MapShape<K, V>): BpfMap<K, V> {
  return new BpfMap(open(shape.name), shape)
}
