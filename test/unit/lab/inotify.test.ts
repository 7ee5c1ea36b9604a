import {expect, test} from 'vitest'
import {checkInotify} from '../../../src/lab/inotify.ts'

test('a lab starts while inotify instances are left for it', () => {
  expect(() => checkInotify(3, 90, 128)).not.toThrow()
})

test('a lab that would use up the inotify instances is refused with the setting to change', () => {
  expect(() => checkInotify(3, 91, 128)).toThrow('this lab needs 38 inotify instances, and 37 of 128 are left')
})
