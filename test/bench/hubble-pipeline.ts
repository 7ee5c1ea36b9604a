/**
 * From the packet to the line: full-size records, written by BPF_PROG_TEST_RUN in a thread of its own at a steady rate,
 * through the ring, the store, the server and one filtered `hubble observe -f`. First our program writes one for every
 * packet, as many as a processor forwards; then one that does nothing else, so that the reader is what is measured.
 * SECONDS says how long (60), RATES how many a second. Goal: a million a second with nothing lost; beyond it, what was
 * written is what was stored and what was lost, exactly. And how long after a packet its line is there.
 */
import {type ChildProcess, spawn} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join, resolve} from 'node:path'
import {createInterface} from 'node:readline'
import {Worker} from 'node:worker_threads'
import {EVENT_VERSION} from '../../src/datapath/gen/constants.ts'
import {eventType} from '../../src/datapath/gen/enums.ts'
import {eventCodec, eventZero} from '../../src/datapath/gen/types.ts'
import {NodeServer} from '../../src/hubble/server/node-server.ts'
import type {BpfMap} from '../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../src/kernel/bpf/map-types.ts'
import {type LoadedObject, loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {bytes, u32} from '../../src/kernel/codec.ts'
import {closeFd} from '../../src/kernel/libc.ts'
import {Ip} from '../../src/model/ip.ts'
import {BpfNode, defaultConfig, devices, macs, plans} from '../bpf/node.ts'
import {udp} from '../bpf/support/packet.ts'
import type {BenchRow} from './rows.ts'
import {spread} from './spread.ts'
import type {WriterOptions, Written} from './support/event-writer.ts'
import {againShape, againValue, targetShape} from './support/same-packet.ts'

const seconds = Number(process.env['SECONDS'] ?? 60)
const rates = (process.env['RATES'] ?? '500000,1000000,2000000').split(',').map(Number)
/** more than a processor forwards */
const packetRate = 2_000_000
const lines = 300
/** one packet in so many is what the reader asks for */
const every = 10_000
/** struct flood: an event, the number of rings */
const floodBytes = eventCodec.size + 8
const floodShape = {name: 'flood', type: mapTypes.array, maxEntries: 1, key: u32, value: bytes(floodBytes)}

export default async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hubble-pipeline-'))
  const socketPath = join(folder, 'hubble.sock')
  const node = await BpfNode.make('bench-hubble', {config: {test: 0, monitorLevel: 0, flowShards: 64}})
  const unused = {pinRoot: '', monitorPath: '', listenAddress: '', tls: undefined, exports: [], flowLogsPath: ''}
  const server = new NodeServer(
    {clusterName: 'lab', nodeName: 'n1', version: '1.0.0', capacity: 2 ** 18 - 1, socketPath, ...unused},
    node.events,
  )
  await server.start()
  const entry = loadObject(resolve(import.meta.dirname, '../../dist/test/datapath/bench_entry.o'))
  const again = entry.map(againShape)
  const target = entry.map(targetShape)
  const reader = new Reader(socketPath)
  try {
    const [plan] = plans
    const packet = (port: number) =>
      udp(plan!.end(plan!.a, 4000), plan!.end(plan!.b, port)).mac(macs.a.pod, macs.a.node).bytes
    const {fd: program} = entry.program('bench_entry')
    target.put(0, node.program('cil_from_container'))
    const wanted = packet(81)
    const frame = packet(80)
    const common = {netns: node.netns, ifindex: devices.a, frame, every}
    const usual = againValue(frame)
    const packets = {
      ...common,
      program,
      map: {fd: again.fd, name: again.shape.name, bytes: usual.length},
      usual,
      special: againValue(wanted),
    }
    using flood = new Flood(node)
    const events = {...common, ...flood.writing(80, 81)}
    // both flows are there before anything is measured
    for (const one of [frame, wanted]) {
      again.put(0, againValue(one))
      node.inside(() => runSkbProgram(program, one, {ifindex: devices.a}))
    }
    await reader.ready
    const late = await latencies(node, program, wanted, reader)
    const rows: BenchRow[] = [
      {name: 'a line of observe -f after its packet, p50', unit: 'ms', ...spread([quantile(late, 0.5)]), runs: lines},
      {name: 'a line of observe -f after its packet, p99', unit: 'ms', ...spread([quantile(late, 0.99)]), runs: lines},
    ]
    rows.push(await atRate('packets', node, server, reader, {...packets, rate: packetRate, seconds}))
    for (const rate of rates) rows.push(await atRate('events', node, server, reader, {...events, rate, seconds}))
    return rows
  } finally {
    reader.stop()
    for (const map of [again, target]) map.close()
    entry.close()
    await server.stop()
    node.close()
    rmSync(folder, {recursive: true, force: true})
  }
}

/** The program that writes events and does nothing else. */
class Flood {
  readonly #object: LoadedObject
  readonly #map: BpfMap<number, Uint8Array>
  readonly #files: readonly number[]

  constructor(node: BpfNode) {
    this.#files = ['cilium_events', 'cilium_evcount'].map((name) => node.fd(name))
    const [events, counts] = this.#files
    this.#object = loadObject(resolve(import.meta.dirname, '../../dist/test/datapath/bench_events.o'), {
      maps: {cilium_events: {reuse: events!}, cilium_evcount: {reuse: counts!}},
    })
    this.#map = this.#object.map(floodShape)
  }

  /** @param port of most events @param special of the one that the reader wants */
  writing(port: number, special: number): Pick<WriterOptions, 'program' | 'map' | 'usual' | 'special'> {
    return {
      program: this.#object.program('bench_events').fd,
      map: {fd: this.#map.fd, name: floodShape.name, bytes: floodBytes},
      usual: floodValue(port),
      special: floodValue(special),
    }
  }

  [Symbol.dispose](): void {
    this.#map.close()
    this.#object.close()
    for (const fd of this.#files) closeFd(fd)
  }
}

function floodValue(dport: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(floodBytes))
  const event = {...eventZero, version: EVENT_VERSION, type: eventType.EVENT_TRACE, proto: 17, sport: 4000, dport}
  const [plan] = plans
  const ends = {src: Ip.of(plan!.a).toMappedBytes(), dst: Ip.of(plan!.b).toMappedBytes()}
  eventCodec.encode({...event, ...ends, srcEndpoint: 1, dstEndpoint: 2}, view, 0)
  view.setUint32(eventCodec.size, defaultConfig.eventRings, true)
  return new Uint8Array(view.buffer)
}

async function atRate(
  what: 'packets' | 'events',
  node: BpfNode,
  server: NodeServer,
  reader: Reader,
  options: WriterOptions,
): Promise<BenchRow> {
  const before = {...server.counts, ...node.events.counts(), lines: reader.count}
  const usage = process.cpuUsage()
  const started = performance.now()
  const writer = new Worker(new URL('./support/event-writer.ts', import.meta.url), {workerData: options})
  const {packets, wanted} = await new Promise<Written>((resolve, reject) => {
    writer.once('message', resolve)
    writer.once('error', reject)
  })
  const elapsed = (performance.now() - started) / 1000
  const {user, system} = process.cpuUsage(usage)
  await settled(() => server.counts.seen)
  await settled(() => reader.count)
  const {written, lost} = node.events.counts()
  const gone = lost - before.lost
  const stored = server.counts.seen - before.seen
  // what found no room was not written
  const emitted = written - before.written + gone
  const exact =
    emitted === stored + gone && emitted === packets ? 'all = stored + lost' : `${packets - stored - gone} UNACCOUNTED`
  const told = reader.count - before.lines
  return {
    name: `asked for ${options.rate} ${what} a second`,
    unit: '1/s',
    ...spread([stored / elapsed]),
    note: `${packets} events, ${gone} lost; ${exact}; ${told} lines of ${wanted} wanted; CPU ${(((user + system) / 1e6 / elapsed) * 100).toFixed(0)} % with the writer's`,
  }
}

async function settled(read: () => number): Promise<void> {
  let quiet = 0
  for (let last = -1; quiet < 10; await new Promise((done) => setTimeout(done, 50))) {
    const now = read()
    quiet = now === last ? quiet + 1 : 0
    last = now
  }
}

async function latencies(node: BpfNode, program: number, packet: Uint8Array, reader: Reader): Promise<number[]> {
  const values: number[] = []
  for (let i = 0; i < lines; i++) {
    const next = reader.next()
    const started = performance.now()
    node.inside(() => runSkbProgram(program, packet, {ifindex: devices.a}))
    await next
    values.push(performance.now() - started)
    // not in step with the timer that empties the ring
    await new Promise((done) => setTimeout(done, Math.random() * 20))
  }
  return values.sort((x, y) => x - y)
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!
}

/** `hubble observe -f` as a process of its own, and the lines that it prints. */
class Reader {
  readonly ready: Promise<void>
  readonly #child: ChildProcess
  count = 0
  #waiting: (() => void)[] = []

  constructor(socketPath: string) {
    const command = ['bin/hubble.js', 'observe', '-f', '--server', `unix://${socketPath}`, '--port', '81']
    this.#child = spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {...process.env, NO_COLOR: '1'},
    })
    createInterface({input: this.#child.stdout!}).on('line', () => {
      this.count++
      for (const resolve of this.#waiting.splice(0)) resolve()
    })
    // it connects, then follows: the first packets are sent into the void
    this.ready = new Promise((resolve) => setTimeout(resolve, 3000))
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  stop(): void {
    this.#child.kill()
  }
}
