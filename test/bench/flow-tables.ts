/** Shards of flows against one big table and an LRU: look-ups, insertions, walks (docs/decisions/flow-shards.md). */
import {resolve} from 'node:path'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {flowCodec, flowZero} from '../../src/datapath/gen/types.ts'
import {createMapFd} from '../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../src/kernel/bpf/map-types.ts'
import {loadObject} from '../../src/kernel/bpf/object.ts'
import {perCpu} from '../../src/kernel/bpf/per-cpu.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {bytes, u32} from '../../src/kernel/codec.ts'
import {possibleCpus} from '../../src/kernel/cpus.ts'
import {closeFd} from '../../src/kernel/libc.ts'
import type {BenchRow} from './rows.ts'

const root = resolve(import.meta.dirname, '../..')
const rounds = 7
const repeat = 100_000
const shards = 64
const sizes = [1024, 131_072]
const frame = new Uint8Array(64)

export default async function bench(): Promise<BenchRow[]> {
  await buildBpf({from: `${root}/test/bpf/programs`, to: `${root}/dist/test/datapath`})
  using object = loadObject(`${root}/dist/test/datapath/flow_tables.o`)
  const outer = object.map({name: 'shards', type: mapTypes.array_of_maps, maxEntries: shards, key: u32, value: u32})
  for (let index = 0; index < shards; index++) {
    const shard = createMapFd('bench_shard', {
      type: mapTypes.hash,
      keySize: 40,
      valueSize: flowCodec.size,
      maxEntries: 4096,
      flags: 1,
    })
    outer.put(index, shard)
    closeFd(shard)
  }
  outer.close()
  const size = 8 + flowCodec.size
  const works = object.map({
    name: 'works',
    type: mapTypes.percpu_array,
    maxEntries: 1,
    key: u32,
    value: perCpu(bytes(size)),
  })
  const setFlows = (flows: number) => {
    const value = new Uint8Array(size)
    const view = new DataView(value.buffer)
    view.setUint32(0, flows, true)
    flowCodec.encode({...flowZero, expires: 1n}, view, 8)
    works.put(0, new Array(possibleCpus()).fill(value))
  }
  const run = (program: string, times: number, shard = 0) =>
    runSkbProgram(object.program(program).fd, frame, {cb: [shard, 0, 0, 0, 0]}, {repeat: times})

  const rows: BenchRow[] = []
  for (const flows of sizes) {
    setFlows(flows)
    for (const table of ['shards', 'one', 'recent']) run(`add_${table}`, flows)
    const times = new Map<string, number[]>()
    for (let round = 0; round < rounds; round++) {
      setFlows(flows)
      const base = run('find_nothing', repeat).durationNs
      for (const table of ['shards', 'one', 'recent']) {
        setFlows(flows)
        const found = run(`find_${table}`, repeat)
        if (found.result !== 0) throw new Error(`${table} lost a flow`)
        note(times, `look-up, ${table}`, found.durationNs - base)
        note(times, `rewrite, ${table}`, run(`add_${table}`, repeat).durationNs - base)
      }
      note(times, 'walk, one shard', run('walk_shard', 1, round).durationNs)
      note(times, 'walk, the whole of one', run('walk_one', 1).durationNs)
    }
    for (const [name, all] of times) rows.push(row(`${flows} flows: ${name}`, all))
  }
  works.close()
  return rows
}

function note(times: Map<string, number[]>, name: string, value: number): void {
  times.set(name, [...(times.get(name) ?? []), value])
}

function row(name: string, all: number[]): BenchRow {
  const sorted = all.sort((x, y) => x - y)
  return {
    name,
    unit: 'ns',
    median: sorted[Math.floor(sorted.length / 2)]!,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: all.length,
  }
}
