import {expect, test} from 'vitest'
import {EventColumns} from '../../../../src/hubble/observe/event-columns.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {append} from '../events.ts'

test('a store keeps the newest events and forgets the oldest', () => {
  const store = new FlowStore(7)

  append(store, ...Array.from({length: 20}, (_, index) => ({dport: index, time: BigInt(index)})))

  const columns = new EventColumns(store)
  expect([store.oldest, store.next, store.size]).toEqual([13, 20, 7])
  expect(columns.destinationPort(store.slot(13))).toBe(13)
  expect(store.times[store.slot(19)]).toBe(19)
})

test('records of another version are counted and not stored', () => {
  const store = new FlowStore(7)

  append(store, {version: 2}, {})

  expect([store.next, store.unreadable]).toEqual([1, 1])
})

test('losses that nothing lies between are one', () => {
  const store = new FlowStore(7)

  append(store, {})
  store.addLoss(3, 10, 20)
  store.addLoss(4, 20, 30)
  append(store, {})
  store.addLoss(1, 40, 50)

  expect(store.lostBefore(0).count).toBe(0)
  expect(store.lostBefore(1)).toEqual({count: 7, newest: {before: 1, count: 7, first: 10, last: 30}})
  expect(store.lostBefore(2).count).toBe(8)
})

test.each([0, 2, 100, 4096])('a capacity of %d is refused', (capacity) => {
  expect(() => new FlowStore(capacity)).toThrow('power of two')
})
