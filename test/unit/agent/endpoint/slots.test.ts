import {expect, test} from 'vitest'
import {Slots} from '../../../../src/agent/endpoint/slots.ts'

test('slots begin at 1 and every use of one has the next generation', () => {
  const slots = new Slots(4)

  expect(slots.allocate()).toEqual({slot: 1, generation: 1})
  slots.release(1)
  expect(slots.allocate()).toEqual({slot: 2, generation: 1})
  expect(slots.allocate()).toEqual({slot: 3, generation: 1})
  expect(slots.allocate()).toEqual({slot: 1, generation: 2})
  expect(() => slots.allocate()).toThrow('already has 3 endpoints')
})

test('restored slots are taken and their generation goes on', () => {
  const slots = new Slots(4)
  slots.restore({slot: 1, generation: 7})
  slots.remember({slot: 2, generation: 9})
  slots.remember({slot: 2, generation: 3})

  expect(slots.allocate()).toEqual({slot: 2, generation: 10})
  expect(slots.used).toBe(2)
})

test('a slot whose device index is taken is not tried again', () => {
  const slots = new Slots(3)
  slots.block(slots.allocate().slot)

  expect(slots.allocate().slot).toBe(2)
  expect(() => slots.allocate()).toThrow()
  slots.unblockAll()
  expect(slots.allocate().slot).toBe(1)
})

test('one slot serves 100 000 pods one after another and its generation is never 0', () => {
  const slots = new Slots(2)
  const seen = new Set<number>()
  for (let i = 0; i < 100_000; i++) {
    const {slot, generation} = slots.allocate()
    seen.add(generation)
    slots.release(slot)
  }

  expect(seen.size).toBe(0xffff)
  expect(seen.has(0)).toBe(false)
})
