import {expect, test} from 'vitest'
import {every, sleep, systemClock} from '../../../src/runtime/clock.ts'
import {FakeClock} from '../../support/fake-clock.ts'

test('the system clock runs a task once and can be cancelled', async () => {
  const runs: string[] = []
  const before = systemClock.monotonic()
  systemClock.after(1, () => runs.push('cancelled')).cancel()
  await sleep(systemClock, 5)
  await new Promise<void>((resolve) => systemClock.after(1, () => resolve(void runs.push('ran'))))

  expect(runs).toEqual(['ran'])
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before + 4)
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000)
})

test('a sleep ends early with the reason of its signal', async () => {
  const clock = new FakeClock()
  const abort = new AbortController()
  const sleeping = sleep(clock, 1000, abort.signal)
  abort.abort(new Error('enough'))

  await expect(sleeping).rejects.toThrow('enough')
  await expect(sleep(clock, 1000, abort.signal)).rejects.toThrow('enough')
  expect(clock.pending).toBe(0)
})

test('a repeated task waits from the end of the last run and stops when cancelled', async () => {
  const clock = new FakeClock()
  const at: number[] = []
  const timer = every(clock, 100, async () => {
    at.push(clock.monotonic())
    await sleep(clock, 50)
  })
  await clock.advance(400)
  timer.cancel()
  await clock.advance(1000)

  expect(at).toEqual([100, 250, 400])
})
