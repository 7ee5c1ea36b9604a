/**
 * Real sockets in two pods of one node, through our programs and through the kernel's own routing between bare veth
 * pairs, turn by turn. Both ends share a processor: where the scheduler puts them, and what it costs a virtual machine
 * that one processor wakes another, decides far more than what is compared here.
 * Budget: within 5 %, new connections excepted, which pay for their entry in the flow table.
 */
import {Cluster, pods} from '../kernel/dp-cluster.ts'
import type {BenchRow} from './rows.ts'

const rounds = Number(process.env['ROUNDS'] ?? 15)
const seconds = '1'
const cpus = {server: 0, client: 0}

interface Figure {
  readonly perSecond: number
  /** of client and server, where it is known */
  readonly cpuUs?: number
}

export default async function bench(): Promise<BenchRow[]> {
  const bare = await Cluster.make({name: 'bare', tunnel: false, programs: false, cpus})
  const ours = await Cluster.make({name: 'ours', tunnel: false, cpus})
  try {
    for (const cluster of [bare, ours])
      for (const family of [4, 6] as const) await cluster.serve('b', 'tcp', pods.b.ip[family], '8080')
    const rows: BenchRow[] = []
    for (const family of [4, 6] as const) {
      const to = pods.b.ip[family]
      const rr = (cluster: Cluster) => counted(cluster.traffic('a', 'rr', 'tcp', to, '8080', '1', seconds))
      const crr = (cluster: Cluster) => counted(cluster.traffic('a', 'crr', to, '8080', seconds))
      const stream = async (cluster: Cluster) => iperf(cluster, to)
      for (const [name, unit, measure] of [
        ['TCP_RR', '1/s', rr],
        ['TCP_CRR', '1/s', crr],
        ['TCP_STREAM', 'Gbit/s', stream],
      ] as const) {
        const budget = name === 'TCP_CRR' ? '' : ', budget 95'
        rows.push(...(await compare(`IPv${family} ${name}`, unit, budget, [bare, ours], measure)))
      }
    }
    return rows
  } finally {
    bare.close()
    ours.close()
  }
}

async function compare(
  name: string,
  unit: string,
  budget: string,
  [bare, ours]: readonly [Cluster, Cluster],
  measure: (cluster: Cluster) => Figure | Promise<Figure>,
): Promise<BenchRow[]> {
  const all = new Map<Cluster, Figure[]>([
    [bare, []],
    [ours, []],
  ])
  for (let round = 0; round <= rounds; round++)
    // the order changes, so that neither has always the better place
    for (const cluster of round % 2 === 0 ? [bare, ours] : [ours, bare]) {
      const figure = await measure(cluster)
      if (round > 0) all.get(cluster)!.push(figure)
    }
  // of neighbours in time: a machine whose processors are lent to others is slow for both
  const ratio = median(all.get(ours)!.map(({perSecond}, turn) => perSecond / all.get(bare)![turn]!.perSecond))
  return [
    [bare, 'bare veth, routed', ''],
    [ours, 'ours', `${(100 * ratio).toFixed(1)} % of bare${budget}`],
  ].map(([cluster, who, note]) => {
    const values = all.get(cluster as Cluster)!.map(({perSecond}) => perSecond)
    const cpu = median(all.get(cluster as Cluster)!.map(({cpuUs}) => cpuUs ?? 0))
    return {
      name: `${name}, ${who as string}`,
      unit,
      median: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
      runs: rounds,
      note: [note, cpu ? `client CPU ${cpu.toFixed(2)} us each` : ''].filter(Boolean).join('; '),
    }
  })
}

/** Reads what a traffic program printed: count, seconds, CPU seconds, errors. */
function counted(text: string): Figure {
  const [count = 0, elapsed = 1, cpu = 0, errors = 0] = text.split(' ').map(Number)
  if (errors !== 0 || !(count > 0)) throw new Error(`traffic failed: ${text}`)
  return {perSecond: count / elapsed, cpuUs: (cpu / count) * 1e6}
}

async function iperf(cluster: Cluster, to: string): Promise<Figure> {
  cluster.run('b', 'iperf3', '-s', '-D', '-1', '-A', String(cpus.server), '-B', to)
  await new Promise((done) => setTimeout(done, 100))
  const text = cluster.run('a', 'iperf3', '-J', '-A', String(cpus.client), '-t', seconds, '-c', to)
  const {end} = JSON.parse(text) as {end: {sum_received: {bits_per_second: number}}}
  return {perSecond: end.sum_received.bits_per_second / 1e9}
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y)
  return sorted[Math.floor(sorted.length / 2)]!
}
