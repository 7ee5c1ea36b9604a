import {expect, test} from 'vitest'
import {giveBackMemory} from '../../../src/runtime/heap.ts'

test('what nobody holds any more is given back', async () => {
  let held: object[] | undefined = Array.from({length: 200_000}, (_, i) => ({text: `object ${i}`}))
  const full = process.memoryUsage().heapTotal
  expect(held).toHaveLength(200_000)
  held = undefined

  await giveBackMemory()

  expect(full - process.memoryUsage().heapTotal).toBeGreaterThan(8 << 20)
})
