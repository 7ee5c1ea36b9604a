/** Makes the address maps equal to the address table. */
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {AddressRow} from '../state/rows.ts'
import type {AddressMaps} from './datapath-door.ts'

/**
 * Why the order is safe: the map is written first and the epoch moved after, so a packet that still meets the old
 * entry was judged by the old epoch, and its flow is judged again by its next packet. The epoch moves once for all
 * changes of a turn: each move costs every flow one more look-up.
 */
export function addressReconciler(maps: AddressMaps): Reconciler<AddressRow> {
  let moving = false
  const moveEpoch = () => {
    if (moving) return
    moving = true
    queueMicrotask(() => {
      moving = false
      maps.moveEpoch()
    })
  }
  return {
    update(row) {
      if (maps.put(row)) moveEpoch()
    },
    remove(row) {
      if (maps.remove(row.cidr)) moveEpoch()
    },
    prune(rows) {
      const wanted = new Set(rows.map((row) => row.cidr.toString()))
      for (const cidr of [...maps.read()]) if (!wanted.has(cidr.toString()) && maps.remove(cidr)) moveEpoch()
    },
  }
}
