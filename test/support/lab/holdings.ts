/** What the agent of a node holds. What no descriptor, no pin and no device holds, the kernel has freed. */
import {join} from 'node:path'
import type {Cluster} from './cluster.ts'

export interface Holdings {
  readonly residentKb: number
  readonly descriptors: number
  /** that descriptors of the agent are of, each once */
  readonly maps: number
  readonly programs: number
  /** bytes, of these maps */
  readonly mapMemory: number
  /** pinned: they hold themselves, whether an agent runs or not */
  readonly links: number
  readonly pins: number
  readonly devices: number
  /** entries of maps */
  readonly endpoints: number
  readonly addresses: number
  readonly rules: number
  readonly connections: number
}

/** Words for tables. */
export const holdingNames: Readonly<Record<keyof Holdings, string>> = {
  residentKb: 'agent, memory (kB)',
  descriptors: 'agent, descriptors',
  maps: 'maps',
  programs: 'programs',
  links: 'links',
  mapMemory: 'maps, memory (bytes)',
  pins: 'pins',
  devices: 'devices',
  endpoints: 'entries: endpoints',
  addresses: 'entries: addresses',
  rules: 'entries: rules',
  connections: 'entries: connections',
}

const dbg = join(import.meta.dirname, '../../../bin/cilium-dbg.js')

const script = `
  pid=$(pgrep -o -f 'cilium-agen[t].js --config-dir')
  awk '/^VmRSS/ {print $2}' /proc/$pid/status
  ls /proc/$pid/fd | wc -l
  awk '
    FNR == 1 {memory = 0}
    /^memlock:/ {memory = $2}
    /^map_id:/ && !($2 in map) {map[$2]; maps++; bytes += memory}
    /^prog_id:/ && !($2 in program) {program[$2]; programs++}
    END {printf "%d\\n%d\\n%d\\n", maps, programs, bytes}
  ' /proc/$pid/fdinfo/* 2>/dev/null
  ls /sys/fs/bpf/cilium/links | wc -l
  find /sys/fs/bpf/cilium -type f | wc -l
  ls /sys/class/net | wc -l`

type OfProcess = Pick<
  Holdings,
  'residentKb' | 'descriptors' | 'maps' | 'programs' | 'links' | 'mapMemory' | 'pins' | 'devices'
>

/** What is counted in a moment: the rest takes a process for each kind of entry. */
export async function processHoldings(cluster: Cluster, node: string): Promise<OfProcess> {
  const numbers = (await cluster.at(node, 'sh', '-c', script)).trim().split('\n').map(Number)
  if (numbers.length !== 8 || numbers.some(Number.isNaN)) throw new Error(`no agent on ${node}: ${numbers}`)
  const [residentKb = 0, descriptors = 0, maps = 0, programs = 0, mapMemory = 0, links = 0, pins = 0, devices = 0] =
    numbers
  return {residentKb, descriptors, maps, programs, links, mapMemory, pins, devices}
}

export async function holdings(cluster: Cluster, node: string): Promise<Holdings> {
  const read = async (...words: string[]) =>
    JSON.parse(await cluster.at(node, process.execPath, dbg, 'bpf', ...words, '-o', 'json')) as object
  const policies = (await read('policy', 'get', '--all', '--numeric')) as readonly {
    readonly entries: readonly object[]
  }[]
  return {
    ...(await processHoldings(cluster, node)),
    endpoints: Object.keys(await read('endpoint', 'list')).length,
    addresses: Object.keys(await read('ipcache', 'list')).length,
    rules: policies.reduce((sum, {entries}) => sum + entries.length, 0),
    connections: Object.keys(await read('ct', 'list', 'global')).length,
  }
}
