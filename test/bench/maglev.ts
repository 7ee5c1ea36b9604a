/** What it costs to build the Maglev tables of a node's services, as at the first start of an agent: processor time. */
import {maglevTable} from '../../src/agent/service/maglev.ts'
import type {BenchRow} from './rows.ts'

const services = 30_000
const rounds = 5
const seed = Uint8Array.from(Buffer.from('JLfvgnHc2kaSUFaI', 'base64'))

export default function bench(): Promise<BenchRow[]> {
  return Promise.resolve([
    ...[2, 3, 10, 100].map((backends) => one(backends, 16_381, 300)),
    one(1000, 131_071, 20),
    all(3, 16_381),
  ])
}

function namesOf(service: number, backends: number): string[] {
  return Array.from({length: backends}, (_, i) => `10.${service >> 8}.${service & 255}.${i}:8080/TCP`)
}

function one(backends: number, size: number, tables: number): BenchRow {
  const times: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const began = process.cpuUsage()
    for (let service = 0; service < tables; service++) maglevTable(namesOf(service, backends), size, seed)
    if (round > 0) times.push(spent(began) / tables)
  }
  return row(`a table of ${size} places, ${backends} backends`, 'us', times)
}

function all(backends: number, size: number): BenchRow {
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    const began = process.cpuUsage()
    for (let service = 0; service < services; service++) maglevTable(namesOf(service, backends), size, seed)
    times.push(spent(began) / 1e6)
  }
  return row(`the tables of ${services} services, ${backends} backends each`, 's', times)
}

/** Processor time since, us. */
function spent(since: NodeJS.CpuUsage): number {
  const {user, system} = process.cpuUsage(since)
  return user + system
}

function row(name: string, unit: string, times: number[]): BenchRow {
  const sorted = times.toSorted((a, b) => a - b)
  return {
    name,
    unit,
    median: sorted[Math.floor(sorted.length / 2)]!,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: sorted.length,
  }
}
