import {expect, test} from 'vitest'
import {EventPump} from '../../../../src/hubble/observe/event-pump.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {Ring} from '../ring.ts'

const clocks = {boot: () => 0n, wall: () => 0n}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A store of 1 023 events, and somebody who follows it: how many events were there at each of his turns. */
function setUp(room?: number) {
  const ring = new Ring()
  if (room !== undefined) ring.room = room
  const store = new FlowStore(1023)
  const pump = new EventPump({source: ring, store, clocks})
  const seen: number[] = []
  const ending = new AbortController()
  const follow = async () => {
    while (!ending.signal.aborted) {
      await pump.more(ending.signal)
      seen.push(store.next)
    }
  }
  void follow()
  return {ring, store, pump, seen, end: () => ending.abort()}
}

const flows = (count: number) => Array.from({length: count}, () => ({}))

test('who follows a small store gets a turn before it is overwritten', async () => {
  const {ring, store, pump, seen, end} = setUp()
  ring.write(...flows(3000))

  pump.tick()
  for (let i = 0; i < 20; i++) await turn()
  end()

  expect(store.next).toBe(3000)
  const steps = seen.map((at, i) => at - (seen[i - 1] ?? 0)).filter((step) => step > 0)
  expect(Math.max(...steps)).toBeLessThanOrEqual(512)
})

test('rings that are more than half full go first', () => {
  const {ring, store, pump, end} = setUp(1000)
  ring.write(...flows(3000))

  pump.tick()
  end()

  expect(store.next).toBe(2048) // the fourth turn leaves 952
  pump.stop()
})

test('stopped, it takes nothing more', async () => {
  const {ring, store, pump, end} = setUp()
  ring.write(...flows(3000))
  pump.tick()
  pump.stop()
  for (let i = 0; i < 5; i++) await turn()
  end()

  expect(store.next).toBe(512)
})
