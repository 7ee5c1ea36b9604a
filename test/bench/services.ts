/**
 * What services cost the control plane: from Kubernetes objects, as a watch delivers them, to entries of the kernel's
 * maps. The time to bring all there, the time of one change of a backend among them, the time of an agent that starts
 * and finds all there, and the memory that is kept. Each size is measured several times, sizes taking turns.
 */
import {setImmediate as turn} from 'node:timers/promises'
import {loadedServiceMaps} from '../../src/agent/reconcile/loaded-service-maps.ts'
import {ServiceClaimants} from '../../src/agent/reconcile/service-claimants.ts'
import {ServiceReconciler} from '../../src/agent/reconcile/services.ts'
import {endpointSliceRow} from '../../src/agent/reflect/endpoint-slice.ts'
import {serviceRow} from '../../src/agent/reflect/service.ts'
import type {ServicePlan} from '../../src/agent/service/frontends.ts'
import {createTables} from '../../src/agent/state/tables.ts'
import {ServiceTables} from '../../src/datapath/maps/services.ts'
import {Ip} from '../../src/model/ip.ts'
import {ReconcilerRunner} from '../../src/runtime/reconciler.ts'
import {BpfNode} from '../bpf/node.ts'
import type {BenchRow} from './rows.ts'
import {collectGarbage} from './support/garbage.ts'

const sizes = (process.env['SIZES'] ?? '1,100,1000,10000,30000').split(',').map(Number)
const rounds = Number(process.env['ROUNDS'] ?? 5)
const changes = 50
const backends = 3

const plan: ServicePlan = {
  ipv4: true,
  ipv6: false,
  external: true,
  topology: false,
  externalClusterIp: false,
  rangesOnAll: false,
  sctp: false,
  algorithm: 'random',
  tableSize: 16_381,
  algorithmAnnotation: false,
  mode: 'snat',
  modeAnnotation: false,
  place: {node: 'node1', zone: undefined},
  nodePortIps: [Ip.of('192.168.0.1')],
}

export default async function bench(): Promise<BenchRow[]> {
  const node = await BpfNode.make('bench-services')
  const all = new Map(
    sizes.map((size) => [
      size,
      {
        fill: [] as number[],
        cpu: [] as number[],
        change: [] as number[],
        start: [] as number[],
        memory: [] as number[],
      },
    ]),
  )
  try {
    for (let round = 0; round < rounds; round++) {
      for (const size of sizes) {
        const one = await measure(node, size)
        const sums = all.get(size)!
        sums.fill.push(one.fillMs)
        sums.cpu.push(one.fillCpuMs)
        sums.change.push(...one.changeMs)
        sums.start.push(one.startMs)
        sums.memory.push(one.memoryMb)
      }
    }
  } finally {
    node.close()
  }
  return sizes.flatMap((size) => {
    const {fill, cpu, change, start, memory} = all.get(size)!
    return [
      row(`${size} services: all into the maps`, 'ms', fill),
      row(`${size} services: processor time of that`, 'ms', cpu),
      row(`${size} services: one change of a backend into the maps`, 'ms', change),
      row(`${size} services: an agent starts with all in the maps`, 'ms', start),
      row(`${size} services: memory kept, heap`, 'MB', memory),
    ]
  })
}

function row(name: string, unit: string, values: readonly number[]): BenchRow {
  const sorted = [...values].sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]!
  return {name, unit, median, min: sorted[0]!, max: sorted.at(-1)!, runs: sorted.length}
}

async function measure(node: BpfNode, size: number) {
  using tables = new ServiceTables((name) => node.fd(name))
  const maps = loadedServiceMaps(tables, new Uint8Array(12), () => node.moveEpoch())
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const cpu = process.cpuUsage()
  const began = performance.now()
  const first = await begin(maps, size)
  const fillMs = performance.now() - began
  const {user, system} = process.cpuUsage(cpu)
  const fillCpuMs = (user + system) / 1000
  collectGarbage()
  const memoryMb = (process.memoryUsage().heapUsed - before) / 1e6
  const changeMs: number[] = []
  for (let i = 0; i < changes; i++) {
    const at = Math.floor((i * size) / changes)
    const since = performance.now()
    first.tables.endpointSlices.upsert(endpointSliceRow(slice(at, i % 2 === 0 ? backends + 1 : backends))!)
    await turn()
    await first.runner.whenIdle()
    changeMs.push(performance.now() - since)
  }
  await first.end()
  const again = performance.now()
  const second = await begin(maps, size)
  const startMs = performance.now() - again
  await second.end()
  // without any service: what is in the maps goes
  const last = await begin(maps, 0)
  await last.end()
  return {fillMs, fillCpuMs, memoryMb, changeMs, startMs}
}

async function begin(maps: ReturnType<typeof loadedServiceMaps>, size: number) {
  const tables = createTables()
  const claimants = new ServiceClaimants(
    tables,
    () => plan,
    () => {},
  )
  claimants.start()
  const reconciler = new ServiceReconciler(maps, () => performance.now())
  const runner = new ReconcilerRunner({name: 'bpf-services', table: tables.frontends, reconciler})
  runner.start()
  for (let i = 0; i < size; i++) {
    tables.services.upsert(serviceRow(service(i))!)
    tables.endpointSlices.upsert(endpointSliceRow(slice(i, backends))!)
  }
  for (const [table, source] of [
    [tables.services, 'services'],
    [tables.endpointSlices, 'endpointslices'],
    [tables.pods, 'pods'],
    [tables.endpoints, 'disk'],
    [tables.localNode, 'node'],
  ] as const)
    table.markSynced(source)
  await tables.frontends.whenSynced()
  for (let i = 0; i < 3; i++) await turn()
  await runner.whenIdle()
  return {
    tables,
    runner,
    async end() {
      claimants.stop()
      await runner.stop()
    },
  }
}

function service(i: number) {
  return {
    metadata: {namespace: 'bench', name: `s${i}`, uid: `uid-${i}`},
    spec: {
      type: 'ClusterIP',
      clusterIPs: [`10.${96 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
      ports: [{port: 80, protocol: 'TCP'}],
    },
  }
}

function slice(i: number, count: number) {
  return {
    metadata: {namespace: 'bench', name: `s${i}-1`, labels: {'kubernetes.io/service-name': `s${i}`}},
    addressType: 'IPv4',
    ports: [{name: '', port: 8080, protocol: 'TCP'}],
    endpoints: Array.from({length: count}, (_, n) => ({
      // as many pods as a large cluster has, each behind several services
      addresses: [`10.244.${(i * 7 + n) % 200}.${((i + n) % 250) + 2}`],
      nodeName: `node${n}`,
    })),
  }
}
