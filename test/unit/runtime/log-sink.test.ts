import {execFileSync} from 'node:child_process'
import {closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {FdSink, MemorySink} from '../../../src/runtime/log-sink.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-sink-'))
})
afterEach(() => rmSync(folder, {recursive: true}))

test('lines arrive in order', async () => {
  const path = join(folder, 'log')
  const sink = new FdSink(openSync(path, 'w'))
  for (let i = 0; i < 1000; i++) sink.write(`line ${i}`)
  await sink.drain()
  sink.write('last')
  await sink.close()

  expect(readFileSync(path, 'utf8').split('\n')).toEqual([
    ...Array.from({length: 1000}, (_, i) => `line ${i}`),
    'last',
    '',
  ])
})

test('a reader that does not read stops nobody, and is told how many lines it missed', async () => {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  const sink = new FdSink(writer, {maxBytes: 100_000})

  const began = performance.now()
  for (let i = 0; i < 10_000; i++) sink.write(`line ${i} ${'x'.repeat(90)}`)
  expect(performance.now() - began).toBeLessThan(1000)

  let text = ''
  const buffer = Buffer.alloc(65536)
  const readAll = () => {
    try {
      text += buffer.toString('utf8', 0, readSync(reader, buffer))
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN')
    }
  }
  const reading = setInterval(readAll, 1)
  await sink.drain()
  sink.write('again')
  await sink.drain()
  clearInterval(reading)
  readAll()
  closeSync(reader)
  closeSync(writer)

  const lost = Number(/lost=(\d+)/.exec(text)?.[1])
  const arrived = text.split('\n').filter((line) => line.startsWith('line ')).length
  expect(lost).toBeGreaterThan(0)
  expect(arrived + lost).toBe(10_000)
  expect(text.endsWith('again\n')).toBe(true)
})

test('the lines of the last turn can be written at once', () => {
  const path = join(folder, 'log')
  const fd = openSync(path, 'w')
  const sink = new FdSink(fd)
  sink.write('about to crash')
  sink.drainSync()

  expect(readFileSync(path, 'utf8')).toBe('about to crash\n')
  closeSync(fd)
})

test('a reader that is gone ends nothing', async () => {
  const path = join(folder, 'log')
  const fd = openSync(path, 'w')
  closeSync(fd)
  const sink = new FdSink(fd)
  sink.write('into nothing')
  await sink.drain()
  sink.write('again')
  sink.drainSync()
})

test('the memory sink keeps the newest lines', () => {
  const sink = new MemorySink(2)
  for (const line of ['a', 'b', 'c']) sink.write(line)
  expect(sink.lines).toEqual(['b', 'c'])
})
