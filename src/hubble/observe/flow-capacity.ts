/** How many flows a node remembers. */
import {eventCodec} from '../../datapath/gen/types.ts'

/** the record and a time of its own */
const bytesPerFlow = eventCodec.size + 8
const usual = 4095
export const capacityWithoutBudget = 65_535

/** The most flows that fit: 2^n - 1. */
export function capacityOf(budgetBytes: number): number {
  const fitting = Math.floor(budgetBytes / bytesPerFlow)
  return fitting < 2 ? 0 : Math.min(2 ** 30, 2 ** Math.floor(Math.log2(fitting))) - 1
}

/** What the two settings mean together; 0: not set. */
export function storeCapacity(capacity: number, budgetBytes: number): number {
  if (capacity > 0) return capacity
  return budgetBytes > 0 ? Math.max(1, capacityOf(budgetBytes)) : usual
}
