import {mkdtempSync, rmSync} from 'node:fs'
import {connect, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {MonitorServer, type MonitorSource} from '../../../src/api/monitor-server.ts'
import {
  eventFramesBytes,
  jsonFrame,
  MonitorDecoder,
  type MonitorFrame,
  writeEventFrame,
} from '../../../src/api/monitor-stream.ts'

const size = 16

/** Rings at the edge: what is put in comes out of the next poll. */
class Rings implements MonitorSource {
  lost = 0
  polls = 0
  readonly #waiting: number[] = []

  put(...values: number[]): void {
    this.#waiting.push(...values)
  }

  poll(handler: (view: DataView, offset: number, length: number) => void, limit = Number.POSITIVE_INFINITY): number {
    this.polls++
    const view = new DataView(new ArrayBuffer(8 + size))
    const taken = this.#waiting.splice(0, Math.min(limit, this.#waiting.length))
    for (const value of taken) {
      view.setUint32(8, value, true)
      handler(view, 8, size)
    }
    return taken.length
  }

  counts() {
    return {lost: this.lost}
  }
}

let folder: string
let rings: Rings
let server: MonitorServer
const sockets: Socket[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cilium-monitor-'))
  rings = new Rings()
  server = new MonitorServer({source: rings, eventVersion: 1, eventBytes: size, bootTimeNs: () => 5_000_000n})
  await server.listen(join(folder, 'monitor.sock'))
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
  rmSync(folder, {recursive: true})
})

/** A listener and the frames it got, to be waited for. */
function listen() {
  const socket = connect(join(folder, 'monitor.sock'))
  sockets.push(socket)
  const decoder = new MonitorDecoder()
  const frames: MonitorFrame[] = []
  let wake = () => {}
  socket.on('data', (chunk) => {
    frames.push(...decoder.push(chunk))
    wake()
  })
  const until = async (count: number): Promise<readonly MonitorFrame[]> => {
    while (frames.length < count) await new Promise<void>((resolve) => (wake = resolve))
    return frames
  }
  return {socket, frames, until}
}

const numberOf = (frame: MonitorFrame | undefined) =>
  frame?.kind === 'event' ? frame.bytes.readUInt32LE(0) : undefined

test('a listener is greeted with the layout of events and then gets them in order', async () => {
  const listener = listen()
  const [hello] = await listener.until(1)

  rings.put(1, 2, 3)
  const frames = await listener.until(4)

  expect(hello).toMatchObject({kind: 'hello', hello: {eventVersion: 1, eventBytes: size}})
  expect(frames.slice(1).map(numberOf)).toEqual([1, 2, 3])
})

test('nothing is taken from the rings while nobody listens, and old events are not told', async () => {
  rings.put(1, 2)
  expect(rings.polls).toBe(0)

  const listener = listen()
  await listener.until(1)
  rings.put(3)

  expect(numberOf((await listener.until(2))[1])).toBe(3)
})

test('events that found no room in the rings are counted', async () => {
  rings.lost = 100
  const listener = listen()
  await listener.until(1)

  rings.lost = 107

  expect((await listener.until(2))[1]).toEqual({kind: 'lost', lost: {count: 7, where: 'ring'}})
})

test('what the agent does is told to all who listen', async () => {
  const [one, two] = [listen(), listen()]
  await Promise.all([one.until(1), two.until(1)])

  server.notify({title: 'Endpoint created', message: {id: 7}})

  for (const listener of [one, two]) {
    expect((await listener.until(2))[1]).toEqual({
      kind: 'notice',
      notice: {title: 'Endpoint created', message: {id: 7}},
    })
  }
})

test('when the last listener has left, the rings are left alone again', async () => {
  const listener = listen()
  await listener.until(1)
  listener.socket.destroy()
  while (server.listeners > 0) await new Promise((resolve) => setImmediate(resolve))
  const polls = rings.polls

  await new Promise((resolve) => setTimeout(resolve, 60))

  expect(rings.polls).toBe(polls)
})

test('frames come whole however the bytes are cut', () => {
  const event = new Uint8Array(size).fill(7)
  const frames = Buffer.alloc(eventFramesBytes(2, size))
  writeEventFrame(frames, writeEventFrame(frames, 0, event), event)
  const bytes = Buffer.concat([jsonFrame('lost', {count: 1, where: 'ring'}), frames])
  const decoder = new MonitorDecoder()

  const got = [...bytes].flatMap((byte) => [...decoder.push(Buffer.of(byte))])

  expect(got.map(({kind}) => kind)).toEqual(['lost', 'event', 'event'])
})

test('bytes that are no frames are refused, and unknown kinds are passed over', () => {
  const unknown = jsonFrame('lost', {count: 1, where: 'ring'})
  unknown.writeUInt8(99, 4)

  expect([...new MonitorDecoder().push(unknown)]).toEqual([])
  expect(() => [...new MonitorDecoder().push(Buffer.alloc(5, 0xff))]).toThrow(RangeError)
})
