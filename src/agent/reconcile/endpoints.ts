/** Makes the endpoint map equal to the endpoint table. */
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {EndpointMap, EndpointSets} from './datapath-door.ts'

/**
 * Why the order is safe: an endpoint's row is one write, so a packet sees it with the sets before or after, never
 * between. Without an identity the sets are the closed ones, whatever the policy.
 */
export function endpointReconciler(
  map: EndpointMap,
  setsOf: (row: EndpointRow) => EndpointSets,
): Reconciler<EndpointRow> {
  return {
    update(row) {
      map.put(row, row.identity === undefined ? {ingress: 0, egress: 0} : setsOf(row))
    },
    remove(row) {
      // the slot may be the next pod's by now: only what is still ours is closed
      const now = map.get(row.id)
      if (now?.generation === row.generation && now.ifindex !== 0) map.close(row.id, row.generation)
    },
    prune(rows) {
      const wanted = new Map(rows.map((row) => [row.id, row.generation]))
      for (const {slot, generation, ifindex} of map.read()) {
        if (ifindex !== 0 && wanted.get(slot) !== generation) map.close(slot, generation)
      }
    },
  }
}
