import {readFileSync} from 'node:fs'
import type {Clocks} from './boot-time.ts'

/** Coarser than /proc/uptime, finer than any suspension that matters. */
const noiseNs = 100_000_000n

/** The clocks of this machine. Node offers the monotonic clock only, which stands still while the machine is suspended. */
export function machineClocks(): Clocks {
  const seconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0])
  const ahead = BigInt(Math.round(seconds * 1e9)) - process.hrtime.bigint()
  const suspended = ahead > noiseNs ? ahead : 0n
  return {boot: () => process.hrtime.bigint() + suspended, wall: Date.now}
}
