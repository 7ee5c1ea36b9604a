import {expect, test} from 'vitest'
import {errnoName, isErrno, KernelError} from '../../../src/kernel/errors.ts'

test('an errno becomes a code that users can look up, with the operation named', () => {
  const error = new KernelError(17, 'add device lxc1', 'name is taken')

  expect(error).toMatchObject({code: 'KERNEL_EXISTS', errno: 'EEXIST', operation: 'add device lxc1'})
  expect(error.message).toBe('add device lxc1: EEXIST (name is taken)')
  expect(isErrno(error, 'ENOENT', 'EEXIST')).toBe(true)
  expect(isErrno(error, 'ENOENT')).toBe(false)
  expect(isErrno(new Error('EEXIST'), 'EEXIST')).toBe(false)
})

test('an errno without a code of its own still has a name', () => {
  expect(new KernelError(22, 'x')).toMatchObject({code: 'KERNEL_CALL_FAILED', errno: 'EINVAL'})
  expect(errnoName(524)).toBe('ENOTSUPP')
  expect(errnoName(9999)).toBe('errno 9999')
})
