import {Readable} from 'node:stream'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import type {HttpBody} from '../../../src/k8s/transport.ts'
import {type WatchEvent, watchEvents} from '../../../src/k8s/watch-stream.ts'

async function read(chunks: Iterable<Buffer>): Promise<WatchEvent[]> {
  const events: WatchEvent[] = []
  for await (const group of watchEvents(Readable.from(chunks) as unknown as HttpBody)) events.push(...group)
  return events
}

const line = (name: string) => `${JSON.stringify({type: 'ADDED', object: {metadata: {name}}})}\n`

test('events are the same however the network cuts the text', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({unit: 'grapheme'}), {maxLength: 8}),
      fc.array(fc.nat(200), {maxLength: 20}),
      async (names, cuts) => {
        const bytes = Buffer.from(names.map(line).join(''))
        const at = [...new Set(cuts.filter((cut) => cut < bytes.length))].sort((a, b) => a - b)
        const chunks = [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length))
        const events = (await read(chunks)) as {object: {metadata: {name: string}}}[]
        expect(events.map((event) => event.object.metadata.name)).toEqual(names)
      },
    ),
  )
})

test('empty lines are passed over, a last line without its end is left out', async () => {
  expect(await read([Buffer.from(`\n${line('a')}\n\n${line('b').slice(0, -2)}`)])).toHaveLength(1)
})

test.each([
  ['text', 'a line is not JSON'],
  ['{}', 'a line is no watch event'],
  ['null', 'no watch event'],
  ['{"type":"ADDED","object":null}', 'no watch event'],
])('%s is an error', async (text, detail) => {
  await expect(read([Buffer.from(`${text}\n`)])).rejects.toThrow(detail)
})

test('a line without end is refused before it fills the memory', async () => {
  function* endless() {
    for (;;) yield Buffer.alloc(1 << 20, 0x20)
  }
  await expect(read(endless())).rejects.toThrow('a line has more than 16777216 bytes')
})
