/**
 * Services of a real cluster: ours against kube-proxy in both of its modes, built from the same Kubernetes. One cluster
 * for each, side by side, measured in turns; services are created through the API before the measured part.
 *
 *     SIZES=1,100 ROUNDS=1 SECONDS=2 PROXIES=ours,iptables npm run bench -- services-lab
 */
import {Contender, type DialFigure, type ProxyName} from '../support/lab/contender.ts'
import type {BenchRow} from './rows.ts'

const sizes = (process.env['SIZES'] ?? '1,100,1000,10000,30000').split(',').map(Number)
const rounds = Number(process.env['ROUNDS'] ?? 5)
const seconds = Number(process.env['SECONDS'] ?? 5)
const proxies = (process.env['PROXIES'] ?? 'ours,iptables,nftables').split(',') as ProxyName[]

interface Figures {
  readonly dials: DialFigure[]
  readonly changeMs: number[]
  readonly memoryMb: number[]
}

export default async function bench(): Promise<BenchRow[]> {
  const contenders = proxies.map((proxy) => new Contender(proxy))
  const found = new Map<string, Figures>()
  try {
    for (const one of contenders) await one.up()
    for (const size of sizes) {
      console.error(`${size} services`)
      // an API server gives out fifty ClusterIPs a second
      await Promise.all(contenders.map((one) => one.grow(size)))
      for (const one of contenders) found.set(`${size} ${one.proxy}`, {dials: [], changeMs: [], memoryMb: []})
      for (let round = 0; round < rounds; round++) {
        // the order changes, so that nobody always has the better place
        for (const one of round % 2 === 0 ? contenders : [...contenders].reverse()) {
          const figures = found.get(`${size} ${one.proxy}`)!
          figures.dials.push(await one.dial(seconds))
          figures.changeMs.push(await one.change())
          figures.memoryMb.push(one.memoryMb())
        }
      }
    }
  } finally {
    for (const one of contenders) await one.down()
  }
  return [...sizes.flatMap((size) => rowsOf(size, found)), ...flatness(found)]
}

function rowsOf(size: number, found: ReadonlyMap<string, Figures>): BenchRow[] {
  const of = (proxy: ProxyName) => found.get(`${size} ${proxy}`)!
  const rows: BenchRow[] = []
  for (const [what, unit, values, better] of [
    ['short connections', '1/s', ({dials}: Figures) => dials.map(({perSecond}) => perSecond), 'more'],
    ['connection there and back, p50', 'us', ({dials}: Figures) => dials.map(({p50Us}) => p50Us), 'less'],
    ['connection there and back, p99', 'us', ({dials}: Figures) => dials.map(({p99Us}) => p99Us), 'less'],
    ['processor time a connection', 'us', ({dials}: Figures) => dials.map(({cpuUs}) => cpuUs), 'less'],
    [
      'connections not served, of a million',
      '',
      ({dials}: Figures) => dials.map(({unservedPpm}) => unservedPpm),
      'less',
    ],
    ['a new service answers', 'ms', ({changeMs}: Figures) => changeMs, 'less'],
    ['memory of who programs it', 'MB', ({memoryMb}: Figures) => memoryMb, 'less'],
  ] as const) {
    for (const proxy of proxies) {
      const note = proxy === 'ours' ? {} : compared(median(values(of('ours') ?? of(proxy))), values(of(proxy)), better)
      rows.push({...row(`${size} services, ${proxy}: ${what}`, unit, values(of(proxy))), ...note})
    }
  }
  return rows
}

/** How ours is to this one; a size where we are not ahead is said to be one. */
function compared(ours: number, theirs: readonly number[], better: 'more' | 'less'): {note: string} {
  const other = median(theirs)
  if (other === 0) return {note: ours === 0 ? 'ours too' : 'BEHIND'}
  const ratio = ours / other
  const ahead = better === 'more' ? ratio >= 1 : ratio <= 1
  return {note: `ours is ${(100 * ratio).toFixed(0)} % of it${ahead ? '' : ': BEHIND'}`}
}

/** Throughput of ours at the last size against the first; budget 3 %. */
function flatness(found: ReadonlyMap<string, Figures>): BenchRow[] {
  const at = (size: number) => found.get(`${size} ours`)?.dials.map(({perSecond}) => perSecond)
  const [first, last] = [at(sizes[0]!), at(sizes.at(-1)!)]
  if (first === undefined || last === undefined || sizes.length < 2) return []
  const change = last.map((value) => 100 * (value / median(first) - 1))
  return [{...row(`ours, ${sizes.at(-1)} services against ${sizes[0]}`, '%', change), note: 'budget 3 % either way'}]
}

function row(name: string, unit: string, values: readonly number[]): BenchRow {
  return {name, unit, median: median(values), min: Math.min(...values), max: Math.max(...values), runs: values.length}
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
