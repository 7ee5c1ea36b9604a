import {spawn} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {MonitorServer, type MonitorSource} from '../../../src/api/monitor-server.ts'
import {type Event, eventCodec, eventZero} from '../../../src/datapath/gen/types.ts'
import {Ip} from '../../../src/model/ip.ts'
import {monitorTypes} from '../../../src/model/trace.ts'
import {runProgram} from '../support/program.ts'

/** Events at the edge, where the rings of the datapath are otherwise. */
class Source implements MonitorSource {
  readonly #waiting: Event[] = []

  put(...events: Event[]): void {
    this.#waiting.push(...events)
  }

  poll(handler: (view: DataView, offset: number, length: number) => void): number {
    const events = this.#waiting.splice(0)
    for (const event of events) {
      const view = new DataView(new ArrayBuffer(eventCodec.size))
      eventCodec.encode(event, view, 0)
      handler(view, 0, eventCodec.size)
    }
    return events.length
  }

  counts() {
    return {lost: 0}
  }
}

const drop: Event = {
  ...eventZero,
  version: 1,
  type: monitorTypes.drop,
  point: 133,
  src: Ip.of('10.0.0.17').toMappedBytes(),
  dst: Ip.of('10.0.1.6').toMappedBytes(),
  sport: 40_110,
  dport: 9090,
  proto: 6,
  tcpFlags: 2,
  srcIdentity: 1207,
  dstIdentity: 1311,
}

let folder: string
let socket: string
let source: Source
let server: MonitorServer

async function start(eventVersion = 1): Promise<void> {
  server = new MonitorServer({source, eventVersion, eventBytes: eventCodec.size, bootTimeNs: () => 0n})
  await server.listen(socket)
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cilium-monitor-'))
  socket = join(folder, 'monitor.sock')
  source = new Source()
})
afterEach(async () => {
  await server?.close()
  rmSync(folder, {recursive: true})
})

test('events show as lines until Ctrl-C, which ends it well', async () => {
  await start()
  const bin = join(import.meta.dirname, '../../../bin/cilium-dbg.js')
  const child = spawn(process.execPath, [bin, 'monitor', '-t', 'drop', '--monitor-socket', socket], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const shown = text(child.stdout)
  const told = text(child.stderr)
  child.stdout.once('data', () => child.kill('SIGINT'))

  while (server.listeners === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  source.put({...drop, type: monitorTypes.trace, point: 0}, drop)

  expect(await ended).toBe(0)
  expect(await shown).toMatch(
    /^xx drop \(Policy denied\) flow 0x[0-9a-f]+ to endpoint 0, ifindex 0, file unknown:0, , identity 1207->1311: 10\.0\.0\.17:40110 -> 10\.0\.1\.6:9090 tcp SYN\n$/,
  )
  expect(await told).toMatch(/^Listening for events on \d+ CPUs\nPress Ctrl-C to quit\n$/)
})

test('an agent whose events have another layout is refused with what to do', async () => {
  await start(2)

  const {stderr, exitCode} = await runProgram('cilium-dbg', ['monitor', '--monitor-socket', socket])

  expect(exitCode).toBe(1)
  expect(stderr).toContain('MONITOR_LAYOUT')
})

test('without an agent nobody tells events', async () => {
  const {stderr, exitCode} = await runProgram('cilium-dbg', ['monitor', '--monitor-socket', join(folder, 'none')])

  expect(exitCode).toBe(1)
  expect(stderr).toContain('MONITOR_UNREACHABLE')
  expect(stderr).toContain('there is no such socket')
})
