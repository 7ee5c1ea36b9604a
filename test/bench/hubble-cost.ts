/**
 * What Hubble costs the traffic: real sockets in two pods, on a node whose programs tell events that a real thread of
 * flows reads, and on one whose programs tell nothing, turn by turn. Both ends share a processor, the thread may have the
 * other one: where the scheduler puts them decides far more than what is compared here. Goal: less than 2 %.
 */
import {Worker} from 'node:worker_threads'
import type {FromWorker, WorkerOptions} from '../../src/hubble/server/messages.ts'
import {Cluster, pods} from '../kernel/dp-cluster.ts'
import type {BenchRow} from './rows.ts'
import {spread} from './spread.ts'

const rounds = Number(process.env['ROUNDS'] ?? 15)
const seconds = '1'
const cpus = {server: 0, client: 0}

export default async function bench(): Promise<BenchRow[]> {
  const silent = {eventDrop: 0, eventTrace: 0, eventVerdict: 0}
  const off = await Cluster.make({name: 'hub-off', tunnel: false, config: silent, cpus})
  const on = await Cluster.make({name: 'hub-on', tunnel: false, cpus})
  const thread = await flowThread(on.pins('n1'))
  try {
    for (const cluster of [off, on])
      for (const family of [4, 6] as const) await cluster.serve('b', 'tcp', pods.b.ip[family], '8080')
    const rows: BenchRow[] = []
    for (const family of [4, 6] as const) {
      const to = pods.b.ip[family]
      const crr = (cluster: Cluster) => counted(cluster.traffic('a', 'crr', to, '8080', seconds))
      const stream = (cluster: Cluster) => gigabits(cluster, to)
      rows.push(...(await compare(`IPv${family} TCP_CRR`, '1/s', off, on, crr)))
      rows.push(...(await compare(`IPv${family} TCP_STREAM`, 'Gbit/s', off, on, stream)))
    }
    return rows.map((row, index) => (index === 0 ? {...row, note: `${thread.seen()} events were read`} : row))
  } finally {
    await thread.stop()
    off.close()
    on.close()
  }
}

async function compare(
  name: string,
  unit: string,
  off: Cluster,
  on: Cluster,
  measure: (cluster: Cluster) => number | Promise<number>,
): Promise<BenchRow[]> {
  const values = new Map<Cluster, number[]>([
    [off, []],
    [on, []],
  ])
  for (let round = 0; round <= rounds; round++)
    // the order changes, so that neither has always the better place
    for (const cluster of round % 2 === 0 ? [off, on] : [on, off]) {
      const figure = await measure(cluster)
      if (round > 0) values.get(cluster)!.push(figure)
    }
  const without = spread(values.get(off)!)
  const together = spread(values.get(on)!)
  // of each round by itself: what the machine has left for others changes from one to the next
  const costs = values.get(on)!.map((figure, round) => 100 * (1 - figure / values.get(off)![round]!))
  const {median: cost} = spread(costs)
  return [
    {name: `${name}, without Hubble`, unit, ...without},
    {name: `${name}, with Hubble`, unit, ...together, note: `costs ${cost.toFixed(1)} %, goal below 2`},
  ]
}

/** The thread that an agent has, on a node's pins. */
async function flowThread(pinRoot: string): Promise<{seen: () => number; stop: () => Promise<void>}> {
  const options: WorkerOptions = {
    clusterName: 'lab',
    nodeName: 'n1',
    version: '1.0.0',
    capacity: 4095,
    pinRoot,
    socketPath: `/tmp/hubble-cost-${process.pid}.sock`,
    monitorPath: '',
    listenAddress: '',
    tls: undefined,
    exports: [],
    flowLogsPath: '',
  }
  const worker = new Worker(new URL('../../src/hubble/server/worker.ts', import.meta.url), {workerData: options})
  let seen = 0
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') resolve()
      else if (message.kind === 'counts') seen = message.counts.seen
      else if (message.kind === 'failed') reject(new Error(message.message))
    })
    worker.once('error', reject)
  })
  return {
    seen: () => seen,
    async stop() {
      const gone = new Promise((resolve) => worker.once('exit', resolve))
      worker.postMessage({kind: 'stop'})
      await gone
    },
  }
}

/** Reads what a traffic program printed: count, seconds, CPU seconds, errors. */
function counted(text: string): number {
  const [count = 0, elapsed = 1, , errors = 0] = text.split(' ').map(Number)
  if (errors !== 0 || !(count > 0)) throw new Error(`traffic failed: ${text}`)
  return count / elapsed
}

async function gigabits(cluster: Cluster, to: string): Promise<number> {
  cluster.run('b', 'iperf3', '-s', '-D', '-1', '-A', String(cpus.server), '-B', to)
  await new Promise((done) => setTimeout(done, 100))
  const {end} = JSON.parse(cluster.run('a', 'iperf3', '-J', '-A', String(cpus.client), '-t', seconds, '-c', to)) as {
    end: {sum_received: {bits_per_second: number}}
  }
  return end.sum_received.bits_per_second / 1e9
}
