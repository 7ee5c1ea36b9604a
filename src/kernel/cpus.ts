/** How many CPUs the kernel keeps a value for in per-CPU maps. */
import {readFileSync} from 'node:fs'

let cached = 0

/** Number of possible CPUs (not of those online), from /sys/devices/system/cpu/possible, e.g. "0-3,8-11". */
export function possibleCpus(): number {
  if (cached === 0) cached = countCpus(readFileSync('/sys/devices/system/cpu/possible', 'utf8'))
  return cached
}

/** Counts a CPU list. The kernel sizes per-CPU values by the highest number, gaps included. */
export function countCpus(list: string): number {
  const numbers = list.trim().split(/[-,]/).map(Number)
  return Math.max(...numbers) + 1
}
