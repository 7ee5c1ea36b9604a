import {expect, test} from 'vitest'
import {BootTime} from '../../../../src/hubble/observe/boot-time.ts'

test('an event keeps the time that it had when the wall clock is set', () => {
  let distance = 1_000_000_000n
  const time = new BootTime({boot: () => 500n, wall: () => 500n + distance})
  expect(time.wall(7, 0)).toBe(1_000_000_007n)

  distance = 9_000_000_000n
  time.update(3)

  expect(time.wall(7, 2)).toBe(1_000_000_007n)
  expect(time.wall(7, 3)).toBe(9_000_000_007n)
})

test('noise of reading the clocks changes nothing', () => {
  let distance = 1_000_000_000n
  const time = new BootTime({boot: () => 0n, wall: () => distance})
  distance += 99_000n
  time.update(1)

  expect(time.wall(0, 1)).toBe(1_000_000_000n)
})
