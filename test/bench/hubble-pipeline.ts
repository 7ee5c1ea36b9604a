/**
 * From the packet to the line: full-size records that our program writes for every packet (BPF_PROG_TEST_RUN in a thread
 * of its own) at a steady rate, through the ring, the store, the server and one filtered `hubble observe -f`. SECONDS
 * says how long (60), RATES how many a second. Goal: a million a second with nothing lost; beyond it, what was written is
 * what was stored and what was lost, exactly. And how long after a packet its line is there.
 */
import {type ChildProcess, spawn} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join, resolve} from 'node:path'
import {createInterface} from 'node:readline'
import {Worker} from 'node:worker_threads'
import {NodeServer} from '../../src/hubble/server/node-server.ts'
import {loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {BpfNode, devices, macs, plans} from '../bpf/node.ts'
import {udp} from '../bpf/support/packet.ts'
import type {BenchRow} from './rows.ts'
import {spread} from './spread.ts'
import type {WriterOptions, Written} from './support/event-writer.ts'
import {againShape, againValue, targetShape} from './support/same-packet.ts'

const seconds = Number(process.env['SECONDS'] ?? 60)
const rates = (process.env['RATES'] ?? '250000,500000,1000000,2000000').split(',').map(Number)
const lines = 300
/** one packet in so many is what the reader asks for */
const every = 10_000

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
    const options = {netns: node.netns, program, again: again.fd, ifindex: devices.a}
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
    for (const rate of rates)
      rows.push(...(await atRate(node, server, reader, {...options, frame, wanted, every, rate, seconds})))
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

async function atRate(node: BpfNode, server: NodeServer, reader: Reader, options: WriterOptions): Promise<BenchRow[]> {
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
    emitted === stored + gone && emitted === packets
      ? 'packets = stored + lost'
      : `${packets - stored - gone} UNACCOUNTED`
  const told = reader.count - before.lines
  return [
    {
      name: `asked for ${options.rate} events a second`,
      unit: '1/s',
      ...spread([stored / elapsed]),
      note: `${packets} packets, ${gone} lost; ${exact}; ${told} lines of ${wanted} wanted; CPU ${(((user + system) / 1e6 / elapsed) * 100).toFixed(0)} % with the writer's`,
    },
  ]
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
