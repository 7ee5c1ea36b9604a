/**
 * The agent with a clock of its own: a day in half a minute, from when SIGUSR2 says so. Everything else is the agent.
 */
import {main} from '../../../src/agent/process.ts'
import {type Clock, systemClock} from '../../../src/runtime/clock.ts'

const fast = 2_880
/** what asks ten times a second shall not do nothing else */
const leastMs = 4

let rate = 1
let [wall, steady] = [
  {real: Date.now(), shown: Date.now()},
  {real: performance.now(), shown: performance.now()},
]

const clock: Clock = {
  now: () => wall.shown + (Date.now() - wall.real) * rate,
  monotonic: () => steady.shown + (performance.now() - steady.real) * rate,
  after: (ms, task) => systemClock.after(rate === 1 ? ms : Math.max(leastMs, ms / rate), task),
}

process.on('SIGUSR2', () => {
  wall = {real: Date.now(), shown: clock.now()}
  steady = {real: performance.now(), shown: clock.monotonic()}
  rate = rate === 1 ? fast : 1
})

process.exit(await main(process.argv.slice(2), process.env, clock))
