import {constants} from 'node:os'
import {expect, test} from 'vitest'
import {systemCall} from '../../src/kernel/system-call.ts'

test('a call returns what the kernel returned, all six arguments included', () => {
  const {EBADF, EINVAL} = constants.errno
  const [none, anonymous, privately] = [0, 0x20, 0x02]

  expect(systemCall('close', 987_654)).toBe(-EBADF)
  // the sixth argument of mmap is an offset, which must be of whole pages
  expect(systemCall('mmap', 0, 4096, none, anonymous | privately, -1, 1)).toBe(-EINVAL)
  const page = systemCall('mmap', 0, 4096, none, anonymous | privately, -1, 0)
  expect(page).toBeGreaterThan(0)
  expect(systemCall('munmap', page, 4096)).toBe(0)
})

test('the error is that of the call, however busy the garbage collector is meanwhile', () => {
  const seen = new Map<number, number>()
  let garbage: unknown[] = []

  for (let i = 0; i < 200_000; i++) {
    const result = systemCall('close', 987_654)
    seen.set(result, (seen.get(result) ?? 0) + 1)
    garbage.push(new Array(64).fill(i))
    if (garbage.length > 5000) garbage = []
  }

  expect([...seen]).toEqual([[-constants.errno.EBADF, 200_000]])
})
