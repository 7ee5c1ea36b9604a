import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {startTimeOf, takeLock} from '../../../src/lab/lock.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lab-lock-'))
})
afterEach(() => rmSync(home, {recursive: true}))

test('a lab that somebody works on is refused until they are done', () => {
  const file = join(home, 'lab.lock')
  const unlock = takeLock(file, 'lab')

  expect(() => takeLock(file, 'lab')).toThrow(`process ${process.pid} is at work on lab "lab"`)
  unlock()
  takeLock(file, 'lab')()
})

test('the lock of a process that has ended is taken', () => {
  const file = join(home, 'lab.lock')
  writeFileSync(file, '4194303 12345')

  takeLock(file, 'lab')()
})

test('the lock of a process whose number another has now is taken', () => {
  const file = join(home, 'lab.lock')
  writeFileSync(file, `${process.pid} ${Number(startTimeOf(process.pid)) - 1}`)

  takeLock(file, 'lab')()
})
