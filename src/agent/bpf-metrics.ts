/** Metrics of what the agent's eBPF programs and maps take, read in the kernel when somebody asks. */
import {readFileSync} from 'node:fs'
import {basename} from 'node:path'
import {ciliumEvents, ciliumFlows, ciliumLbMaglev} from '../datapath/gen/maps.ts'
import {innerMapIds} from '../datapath/inner-maps.ts'
import {listPins} from '../kernel/bpf/file-system.ts'
import {readMapInfo} from '../kernel/bpf/info.ts'
import {BpfMap, openMapById} from '../kernel/bpf/map.ts'
import {mapOperations} from '../kernel/bpf/map-operations.ts'
import {openPin} from '../kernel/bpf/pin.ts'
import {closeFd, duplicateFd} from '../kernel/libc.ts'
import type {MetricRegistry} from '../runtime/metrics.ts'

/** Maps of maps: what is inside takes the memory. */
const outerMaps = [ciliumFlows, ciliumEvents, ciliumLbMaglev]

/** @param root folder of the agent's pins */
export function registerBpfMetrics(registry: MetricRegistry, root: string): void {
  const capacity = registry.gauge({
    name: 'cilium_bpf_map_capacity',
    help: 'entries that a map holds at most; of a map of maps, the maps',
    labels: ['map_group'],
  })
  const maps = registry
    .gauge({name: 'cilium_bpf_maps_virtual_memory_max_bytes', help: 'memory of the eBPF maps'})
    .labels()
  const programs = registry
    .gauge({name: 'cilium_bpf_progs_virtual_memory_max_bytes', help: 'memory of the eBPF programs'})
    .labels()
  const operations = registry.counter({
    name: 'cilium_bpf_map_ops_total',
    help: 'writes to maps and deletions from them by the agent',
    labels: ['map_name', 'operation', 'outcome'],
  })
  registry.onCollect(() => {
    for (const [name, of] of mapOperations()) {
      operations.labels(name, 'update', 'success').set(of.updates)
      operations.labels(name, 'update', 'fail').set(of.failedUpdates)
      operations.labels(name, 'delete', 'success').set(of.deletions)
      operations.labels(name, 'delete', 'fail').set(of.failedDeletions)
    }
    capacity.clear()
    const taken = {map: 0, program: 0, link: 0}
    const seen = new Set<string>()
    for (const {path, kind, id} of listPins(root)) {
      if (kind === 'link' || seen.has(`${kind} ${id}`)) continue
      seen.add(`${kind} ${id}`)
      const fd = openPin(path)
      if (fd === undefined) continue
      try {
        taken[kind] += memoryOf(fd)
        if (kind === 'map') {
          taken.map += insideOf(fd, basename(path))
          capacity.labels(basename(path)).set(readMapInfo(fd).maxEntries)
        }
      } finally {
        closeFd(fd)
      }
    }
    maps.set(taken.map)
    programs.set(taken.program)
  })
}

/** Those inside are of one size: one is asked. */
function insideOf(fd: number, name: string): number {
  const shape = outerMaps.find((one) => one.name === name)
  if (shape === undefined) return 0
  using outer = new BpfMap(duplicateFd(fd), shape)
  const ids = innerMapIds(outer)
  if (ids[0] === undefined) return 0
  const inner = openMapById(ids[0])
  try {
    return ids.length * memoryOf(inner)
  } finally {
    closeFd(inner)
  }
}

/** Bytes, as the kernel tells them of a descriptor (Documentation/filesystems/proc.rst, fdinfo). */
function memoryOf(fd: number): number {
  return Number(/^memlock:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? 0)
}
