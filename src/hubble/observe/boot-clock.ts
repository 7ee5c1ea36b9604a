import {readClock} from '../../kernel/libc.ts'
import type {Clocks} from './boot-time.ts'

/** The clocks of this machine. */
export function machineClocks(): Clocks {
  return {boot: () => readClock('boottime'), wall: () => readClock('realtime')}
}
