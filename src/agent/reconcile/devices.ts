/** Puts the programs on the devices that carry the node's traffic, and tells them what these are. */
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {DeviceRow} from '../state/rows.ts'
import type {DeviceMap, Programs} from './datapath-door.ts'

/** Why the order is safe: a program meets no packet of a device before its row is there; going, the other way round. */
export function deviceReconciler(map: DeviceMap, programs: Programs): Reconciler<DeviceRow> {
  return {
    update(row) {
      map.put(row, false)
      programs.attachDevice(row.ifindex)
      // last: without it these serve everything
      if (row.mac !== undefined && programs.accelerate(row.ifindex)) map.put(row, true)
    },
    remove(row) {
      programs.detach(row.ifindex)
      map.remove(row.ifindex)
    },
    prune(rows) {
      const wanted = new Set(rows.map((row) => row.ifindex))
      for (const ifindex of map.read()) {
        if (wanted.has(ifindex)) continue
        programs.detach(ifindex)
        map.remove(ifindex)
      }
    },
  }
}
